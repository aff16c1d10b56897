"""Networks of torch compiled by OpenVINO."""
