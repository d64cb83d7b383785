"""A network stepped without end, its state kept: step by step on a device, or on its integer model."""
