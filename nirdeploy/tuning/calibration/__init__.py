"""Integers chosen by what samples do: scales, clipping, rounding, biases, thresholds, and bits of each population."""
