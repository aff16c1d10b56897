"""Controls as all panels have them: legible, named, and worked by keys."""
