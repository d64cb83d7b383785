"""Spikes in the terminal, as they come."""
