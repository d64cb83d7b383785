"""Networks larger than the chip: cut into passes, each an image of its own that runs all steps of a batch."""
