"""A cache of the pages' own: what is compiled is shared with everybody, the boards that run are not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from nirdeploy.backends.fpga.simulated import board
from nirdeploy.records import cache
from nirdeploy.targets import registry

OWN = ("boards", "claims")


@contextlib.contextmanager
def apart(folder: Path) -> Iterator[dict[str, str]]:
    """The variable that names the cache, which is made in ``folder``; boards that are left running are stopped."""
    board.prepare(registry.load())
    folder.mkdir()
    for entry in cache.folder().iterdir():
        if entry.name not in OWN:
            (folder / entry.name).symlink_to(entry)
    try:
        yield {"NIRDEPLOY_CACHE": str(folder)}
    finally:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NIRDEPLOY_CACHE", str(folder))
            for left in board.running():
                board.stop(left.name or "")
