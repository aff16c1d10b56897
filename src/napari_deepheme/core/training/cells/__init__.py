"""What is learned from: labelled cells, boxes, fields and rendered cells."""
