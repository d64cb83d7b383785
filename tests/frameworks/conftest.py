"""Home: how a framework itself runs a net, beside what nirdeploy makes of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.frameworks.networks import Ledger


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Nets this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """What a test compared; it must have seen spikes in most of its networks."""
    compared = Ledger()
    yield compared
    compared.close()
