"""Models that torch computes, or OpenVINO for it."""
