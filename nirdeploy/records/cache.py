"""Where what can be made again is kept: compiled hardware, bitstreams, records of boards that run."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def folder() -> Path:
    """The folder that ``NIRDEPLOY_CACHE`` names, else ``nirdeploy`` where this system keeps the user's caches."""
    if chosen := os.environ.get("NIRDEPLOY_CACHE"):
        return Path(chosen)
    return platformdirs.user_cache_path("nirdeploy", appauthor=False)
