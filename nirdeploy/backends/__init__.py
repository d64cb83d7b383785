"""Backends: what a target's TOML file cannot say."""
