"""Comparing spikes, explaining differences, golden records, reports."""
