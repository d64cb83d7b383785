"""The gather-core architecture: its parameters, and how a network is placed on cores and packed into memories."""
