"""What samples decide: integers calibrated on them, trained on them, and swept over widths."""
