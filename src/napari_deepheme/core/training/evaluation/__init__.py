"""How good a model is, on cells that it did not see."""
