"""Chips and boards as data, and what every backend does: fit, placement, rendering, image."""
