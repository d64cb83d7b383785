"""properties: what a test says of itself in JUnit XML: target, board, builds, cells compared, goldens."""

from __future__ import annotations

import pytest

TARGET, BOARD, BUILD, CELLS, GOLDEN = "target", "board", "build", "cells compared", "golden"


def say(item: pytest.Item, name: str, value: object) -> None:
    """A property, once."""
    if (name, value) not in item.user_properties:
        item.user_properties.append((name, value))


def add(item: pytest.Item, name: str, count: int) -> None:
    """A property that counts."""
    before = next((said for said in item.user_properties if said[0] == name), None)
    if before is not None:
        item.user_properties.remove(before)
    item.user_properties.append((name, count + (int(str(before[1])) if before is not None else 0)))
