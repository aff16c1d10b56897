"""What a model saw in a cell, and which cells are alike."""
