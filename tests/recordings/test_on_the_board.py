"""The NIR paper's networks on the virtual board: every spike of every population is the integer network's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd

pytestmark = pytest.mark.xdist_group("default-board")


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("lif_norse", "nir"),
        ("lif_rockpool", "nir"),
        ("braille_noDelay_bias_zero", "nir"),
        ("braille_noDelay_bias_zero_subgraph", "nir"),
        ("braille_noDelay_noBias_subtract", "nir,reset=subtract"),
        ("cnn_sinabs", "sinabs,spikes=binary"),
    ],
)
def test_device_is_the_integer_network(paper: Path, name: str, dialect: str) -> None:
    x = np.load(paper / "braille_input.npy")[:, None]
    if name.startswith("lif"):
        x = np.random.default_rng(0).integers(0, 2, (300, 2, 1), dtype=np.uint8)
    if name.startswith("cnn"):
        x = (np.random.default_rng(0).random((12, 2, 2, 34, 34)) < 0.1).astype(np.uint8)
    built = nd.build(paper / f"{name}.nir", dialect=dialect)
    expected = nd.simulate(built, x)
    with nd.open_device("virtual", built.target) as device:
        nd.flash(built, device)
        measured = nd.run(device, x)
    verdict = nd.verify(expected, measured)
    assert verdict.equal, verdict.summary()
    assert sum(int(spikes.sum()) for spikes in measured.spikes.values()) > 50
