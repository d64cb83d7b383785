"""asserting: what an assertion on records shows where it fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from nirdeploy.cli.hil import properties
from nirdeploy.cli.hil.goldens import Golden
from nirdeploy.cli.hil.shown import difference
from nirdeploy.errors import NirdeployError
from nirdeploy.proof.verdict import Verdict
from nirdeploy.proof.verify import verify
from nirdeploy.records.spikes import SpikeRecord


def compared(left: object, right: object) -> list[str] | None:
    """What ``assert left == right`` shows; None where that is not ours to say."""
    for one in (left, right):
        if isinstance(one, Golden):
            return one.difference
    if not (isinstance(left, SpikeRecord) and isinstance(right, SpikeRecord)):
        return None
    try:
        found = verify(left, right)
    except NirdeployError as error:
        return ["the records cannot be compared", str(error)]
    return difference(found, left, right) if not found else [f"the records are not the same: {found.summary()}"]


def assert_equal(item: pytest.Item, expected: SpikeRecord, measured: SpikeRecord, how: Mapping[str, Any]) -> Verdict:
    """The verdict on two records. Raises AssertionError where they are not equal: where they part."""
    __tracebackhide__ = True
    found = verify(expected, measured, **how)
    properties.add(item, properties.CELLS, found.cells)
    if not found:
        raise AssertionError("\n".join(difference(found, expected, measured)))
    return found
