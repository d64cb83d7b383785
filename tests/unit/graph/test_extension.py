"""extension: our own nodes round-trip through a file, and nobody else reads them as something else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest

from nirdeploy.graph import file as nirfile
from nirdeploy.graph.extension import MaxPool2d


def pooled() -> nir.NIRGraph:
    ones = np.ones((1, 2, 2))
    nodes: dict[str, nir.NIRNode] = {
        "x": nir.Input({"input": np.array([1, 4, 4])}),
        "conv": nir.Conv2d((4, 4), np.ones((1, 1, 1, 1)), 1, 0, 1, 1, np.zeros(1)),
        "pool": MaxPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 1]), metadata={"made": "by hand"}),
        "n": nir.IF(ones, ones, ones * 0),
        "y": nir.Output({"output": np.array([1, 2, 2])}),
    }
    return nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)


def test_a_maximum_over_windows_round_trips(tmp_path: Path) -> None:
    nirfile.write(tmp_path / "m.nir", pooled())
    found = nirfile.read(tmp_path / "m.nir").nodes["pool"]
    assert isinstance(found, MaxPool2d)
    assert found.metadata == {"made": "by hand"}
    for key, value in {"kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 1]}.items():
        np.testing.assert_array_equal(getattr(found, key), value)
    again = MaxPool2d.from_dict(found.to_dict())
    np.testing.assert_array_equal(again.padding, [0, 1])


def test_other_readers_refuse_it(tmp_path: Path) -> None:
    nirfile.write(tmp_path / "m.nir", pooled())
    with pytest.raises((AssertionError, KeyError)):
        nir.read(str(tmp_path / "m.nir"), type_check=False)
    assert not hasattr(nir, pooled().nodes["pool"].to_dict()["type"])
