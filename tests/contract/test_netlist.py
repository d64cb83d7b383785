"""What synthesis made spikes as the Verilog did: whole boards as vendors' cells, behind their UART pins."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.device.client import Device
from nirdeploy.device.flash import flash
from nirdeploy.device.run import run
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Maximum
from nirdeploy.targets import registry
from nirdeploy.targets.tables import Target
from tests import hardware, netlists, networks

#: Cells that must be there: those that hold the design's memories, products, sums and logic.
CELLS = {
    "fpga-ulx3s": {"DP16KD", "TRELLIS_DPR16X4", "MULT18X18D", "CCU2C", "LUT4", "PFUMX", "TRELLIS_FF", "EHXPLLL"},
    "fpga-tang-nano-20k": {"SDPX9B", "SPX9", "DPX9B", "RAM16SDP4", "MULT18X18", "ALU", "LUT4", "DFFRE"},
    "fpga-icebreaker": {"SB_SPRAM256KA", "SB_RAM40_4K", "SB_MAC16", "SB_CARRY", "SB_LUT4", "SB_PLL40_PAD"},
}


def _graph(grid: bool) -> CheckedGraph:
    """A convolution, or a matrix; a recurrent population behind it: behind the matrix of more than a word's bits."""
    rng = np.random.default_rng(5)
    shape, hidden, last = ((1, 6, 6), (2, 4, 4), 10) if grid else ((36,), (32,), 40)

    def lif(name: str, shape: tuple[int, ...]) -> Population:
        values = {"tau": 5e-3, "r": 1.0, "v_threshold": 0.4, "v_leak": 0.0, "v_reset": 0.0}
        return Population(name, "LIF", shape, {k: np.full(shape, v) for k, v in values.items()}, np.zeros(shape))

    first = (
        Convolution(rng.normal(0.6, 1.5, (2, 1, 3, 3)), (1, 6, 6)) if grid else Dense(rng.normal(0.2, 1.0, (32, 36)))
    )
    populations = (Population("in", "Input", shape, {}, np.zeros(shape)), lif("a", hidden), lif("b", (last,)))
    most = Maximum((2, 4, 4), (1, 2), (1, 1), ((0, 0), (0, 1)))
    projections = (
        Projection("in", "a", first, maximum=most if grid else None),
        Projection("a", "b", Dense(rng.normal(0.3, 1.0, (last, 32)))),
        Projection("b", "b", Dense(rng.normal(0.0, 1.0, (last, last))), delay=1),
    )
    return CheckedGraph(
        populations, projections, ("in",), {"output": "b"}, Dialect(dt=1e-3, reset="subtract"), "argument"
    )


def _board(name: str) -> Target:
    """The iCEBreaker as it is; of the others as little as holds a convolution and a maximum."""
    if name == "fpga-icebreaker":
        return registry.load(name)
    return hardware.small_board(name, spatial=1, maxima=1, synapse=1, jobs=8)


@pytest.mark.parametrize("name", CELLS)
def test_the_netlist_spikes_as_the_verilog(tmp_path: Path, name: str) -> None:
    target = _board(name)
    with Device(netlists.NetlistPort(target, tmp_path), timeout=60) as device:
        (board,) = [
            m for n, m in json.loads((tmp_path / "netlist.json").read_text())["modules"].items() if n == "board"
        ]
        cells = Counter(cell["type"] for cell in board["cells"].values())
        assert CELLS[name] <= set(cells)
        assert device.hello().signature == target.signature
        graph = _graph(bool(target.hardware.spatial))
        built = nd.build(graph, target)
        flash(built.image, device)
        x = networks.spikes(3, (25, 3, *graph.populations[0].shape), 0.4)
        measured = run(device, x, image=built.image)
    expected = nd.simulate(built, x)
    verdict = nd.verify(expected, measured)
    assert verdict.equal, verdict.summary()
    assert measured.stats["saturations"] == expected.stats["saturations"]
    assert all(spikes.any() for spikes in measured.spikes.values())
