"""Data sets of tonic by name, as tonic itself reads them from a folder."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import UsageProblem
from nirdeploy.records.events import tonic_
from tests.unit.records.events.files import drawn

FILES = 20  # of which tonic wants to see as many

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tonic") is None or importlib.util.find_spec("importRosbag") is None,
    reason="tonic is not installed (pip install --no-deps tonic importRosbag tqdm)",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The test set of POKERDVS: 35 x 35 pixels, arrays of t, x, y and p, a folder per class."""
    own = tmp_path / "POKERDVS" / "pips_test"
    for number in range(FILES):
        events = drawn(number, 50 + number, 35, 35)
        (own / ("cl", "sp")[number % 2]).mkdir(parents=True, exist_ok=True)
        rows = np.stack([events[name].astype(int) for name in ("t", "x", "y", "p")], axis=1)
        np.save(own / ("cl", "sp")[number % 2] / f"{number:02}.npy", rows)
    (tmp_path / "POKERDVS" / "pips_test.tar.gz").write_bytes(b"unpacked already")
    return tmp_path


def test_samples_with_their_classes(folder: Path) -> None:
    found, size = tonic_.samples(f"POKERDVS:{folder}:8-11")
    assert size == (35, 35, 2)
    frames = nd.read_events(found, "10ms", size=size, downsample=5)
    assert frames.shape[1:] == (4, 2, 7, 7)
    assert frames.labels is not None
    assert sorted(set(frames.labels.tolist())) == [0, 3]
    assert frames.x.sum() == sum(counts.events for counts in frames.counts) > 200


def test_the_data_set_itself(folder: Path) -> None:
    from tonic.datasets import POKERDVS

    dataset = POKERDVS(str(folder), train=False)
    frames = nd.read_events([dataset[0], dataset[1]], "10ms", size=dataset.sensor_size)
    assert frames.shape[1:] == (2, 2, 35, 35)


@pytest.mark.parametrize(
    ("text", "said"),
    [("Nothing:x", "it has .*POKERDVS"), ("POKERDVS:", "no folder"), ("POKERDVS:{}:20", "has 20 samples")],
)
def test_what_is_none_is_said(folder: Path, text: str, said: str) -> None:
    with pytest.raises(UsageProblem, match=said):
        tonic_.samples(text.format(folder))


def test_what_tonic_cannot_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="tonic cannot read the data set"):
        tonic_.samples(f"POKERDVS:{tmp_path}")
