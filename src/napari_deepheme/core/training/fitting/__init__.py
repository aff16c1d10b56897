"""Networks fitted: random views, losses, the loop, calibration."""
