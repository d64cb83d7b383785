"""The NIR paper's graphs on a Xylo: which fit, how near the chip is to the float model, and why it is no nearer.

The paper has no recording of a Xylo. The data are looked for as by tests/recordings.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit
from nirdeploy.proof.explain import Explanation
from tests.chips.table import Table
from tests.chips.xylo_networks import NAMES

GRAPHS = ["braille_noDelay_noBias_subtract", "braille_noDelay_bias_zero", "braille_noDelay_bias_zero_subgraph"]
#: The chip's own: several spikes a step, at the threshold.
CHIPS = "nir,reset=subtract,threshold=>=,spikes=multi"


def explained(paper: Path, graph: str, dialect: str, name: str = "xylo_a2") -> tuple[nd.Build, Explanation]:
    built = nd.build(paper / f"{graph}.nir", name, dialect=dialect)
    x = np.load(paper / "braille_input.npy")[:, None]
    return built, nd.explain(built.graph, built.network, x)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("dialect", ["nir,reset=subtract", CHIPS])
def test_graphs_that_fit_and_how_near_the_chip_is_to_the_float_model(
    paper: Path, graph: str, dialect: str, table: Table
) -> None:
    """Cells (neuron and step) that differ, and how many each rounding changes alone; no figure is met by silence."""
    built, why = explained(paper, graph, dialect)
    name = built.network.populations[0].name
    recurrent = why.verdict.populations[0]
    causes = {cause.rounding: cause.differing[name] for cause in why.causes}
    assert recurrent.mismatches / recurrent.cells < 0.018
    assert causes["decay"] > 0.7 * recurrent.mismatches > 50  # time constants that are no powers of two come first
    assert causes["threshold"] == 0
    found = nd.simulate(built, np.load(paper / "braille_input.npy")[:, None])
    assert found.spikes[name].sum() > 100
    fired = sum(int(spikes.sum()) for spikes in found.spikes.values())
    table.near("xylo", graph + (", counts of spikes" if dialect == CHIPS else ""), why, fired)


@pytest.mark.parametrize("name", NAMES)
def test_the_three_chips_do_the_same_with_it(paper: Path, name: str) -> None:
    x = np.load(paper / "braille_input.npy")[:, None]
    one, other = (nd.build(paper / f"{GRAPHS[0]}.nir", chip, dialect=CHIPS) for chip in (name, "xylo_a2"))
    ours, theirs = nd.simulate(one, x), nd.simulate(other, x)
    for population, spikes in theirs.spikes.items():
        np.testing.assert_array_equal(ours.spikes[population], spikes)
    assert one.placement.cores[0].used == {
        "inputs": 12,
        "hidden": 40,
        "outputs": 7,
        "fan_out": 47,
        "hidden_weights": one.placement.cores[0].used["hidden_weights"],
    }


def test_what_remains_is_the_states_own_rounding(paper: Path) -> None:
    """With all registers in the float model, only whole numbers differ; they are a few hundredths of a threshold."""
    built, why = explained(paper, GRAPHS[0], CHIPS)
    state = next(cause for cause in why.causes if cause.rounding == "state")
    everything = why.verdict.populations[0].mismatches
    assert state.differing["lif1.lif"] < 0.6 * everything
    assert 100 < built.network.report[0]["threshold_min"] < 200


@pytest.mark.parametrize(
    ("graph", "dialect", "said"),
    [
        ("braille_noDelay_bias_zero", "nir", "resets by 'zero', the chip's neuron only by 'subtract'"),
        ("lif_norse", "nir,reset=subtract", "is a LIF, the chip has CubaLIF alone"),
        ("lif_rockpool", "rockpool", "is a LIF, the chip has CubaLIF alone"),
        ("cnn_sinabs", "sinabs", "the inputs 'input' have 2312 channels, the chip 16"),
        ("cnn_sinabs", "sinabs", "the network needs 8960 hidden neurons"),
    ],
)
def test_graphs_that_do_not_fit(paper: Path, graph: str, dialect: str, said: str) -> None:
    with pytest.raises(DoesNotFit) as raised:
        nd.build(paper / f"{graph}.nir", "xylo_imu", dialect=dialect)
    assert said in str(raised.value)
