"""Models that ONNX Runtime computes."""
