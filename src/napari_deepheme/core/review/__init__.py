"""What a reader said of cells, beside what the model says."""
