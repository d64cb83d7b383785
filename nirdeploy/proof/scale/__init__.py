"""Verify and evaluate over data sets, chunk by chunk, by processes and machines, and the same whoever does it."""
