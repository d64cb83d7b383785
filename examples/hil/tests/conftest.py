"""The stimulus that every test runs: 40 steps of 8 samples, (T, B, inputs)."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def stimulus() -> np.ndarray:
    return (np.random.default_rng(21).random((40, 8, 32)) < 0.3).astype(np.uint8)
