"""What synthesis made spikes as the Verilog did: netlists of vendors' cells, with the models that Yosys ships."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.backends.fpga.synthesis import flow, tools
from nirdeploy.graph.check import CheckedGraph, Population, Projection
from nirdeploy.proof.verify import verify
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Maximum
from nirdeploy.sim import integer
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets
from nirdeploy.targets.emit import Artifacts, emit
from nirdeploy.targets.tables import Target
from tests import fpga, networks

pytestmark = pytest.mark.xdist_group("netlist")

SMALL = {
    **{"cores": 1, "lanes": 4, "update": 1, "weight_rows": 256, "neurons": 64, "parameters": 64, "synapse": 1},
    **{"spatial": 1, "planes": 1, "jobs": 8, "segments": 16, "queue": 8, "groups": 4, "spike_words": 16},
    **{"out_words": 32, "window": 1024, "state_bits": 12, "accumulator_bits": 14, "decay_bits": 8},
}
#: Per family: the target, its passes, and cells that must be there. Of the ECP5's block RAM and multiplier Yosys
#: ships no behaviour, so its memories are distributed RAM here.
FAMILIES = {
    "ecp5": (
        *("fpga-ulx3s", SMALL, "synth_ecp5 -nodsp -nobram"),
        {"TRELLIS_DPR16X4", "CCU2C", "LUT4", "PFUMX", "TRELLIS_FF"},
    ),
    "ice40": (
        *("fpga-icebreaker", {}, "synth_ice40 -device u -dsp -spram"),
        {"SB_SPRAM256KA", "SB_RAM40_4K", "SB_MAC16", "SB_CARRY", "SB_LUT4"},
    ),
}


def _graph(grid: bool) -> CheckedGraph:
    """A convolution and a maximum, or a matrix, a recurrent population behind it, membrane values at the end."""
    rng = np.random.default_rng(5)
    shape, hidden = ((1, 6, 6), (2, 4, 4)) if grid else ((36,), (32,))

    def lif(name: str, shape: tuple[int, ...]) -> Population:
        values = {"tau": 5e-3, "r": 1.0, "v_threshold": 0.4, "v_leak": 0.0, "v_reset": 0.0}
        return Population(name, "LIF", shape, {k: np.full(shape, v) for k, v in values.items()}, np.zeros(shape))

    first = (
        Convolution(rng.normal(0.6, 1.5, (2, 1, 3, 3)), (1, 6, 6)) if grid else Dense(rng.normal(0.2, 1.0, (32, 36)))
    )
    populations = (
        Population("in", "Input", shape, {}, np.zeros(shape)),
        lif("a", hidden),
        lif("b", (10,)),
    )
    projections = (
        Projection("in", "a", first, maximum=Maximum((2, 4, 4), (1, 2), (1, 1), ((0, 0), (0, 1))) if grid else None),
        Projection("a", "b", Dense(rng.normal(0.3, 1.0, (10, 32)))),
        Projection("b", "b", Dense(rng.normal(0.0, 1.0, (10, 10))), delay=1),
    )
    return CheckedGraph(
        populations, projections, ("in",), {"output": "b"}, Dialect(dt=1e-3, reset="subtract"), "argument"
    )


def _models(family: str) -> bytes:
    """The vendor's cells with what they include, once each, as one file."""
    folder = tools.share("pyosys") / family
    included: set[str] = set()

    def included_text(found: re.Match[str]) -> str:
        if found[1] in included:
            return ""
        included.add(found[1])
        return text(found[1])

    def text(name: str) -> str:
        return re.sub(r'`include "(\w+\.vh)"', included_text, (folder / name).read_text())

    return text("cells_sim.v").encode()


def _netlist(target: Target, family: str, passes: str, folder: Path) -> tuple[Artifacts, str]:
    """The bench as cells, with their models in the place of the design's Verilog; and Yosys' statistics."""
    written = emit(target)
    written.save(folder)
    flow.design(target).save(folder)  # what stands in cells of the family's own
    files = [name for name in written if name.startswith("rtl/")]
    tools.yosys(
        [
            f"read_verilog {' '.join(files)} sim/bench.v",
            f"{passes} -top bench",
            "tee -q -o cells.txt stat",
            "write_verilog -noattr netlist.v",
        ],
        folder,
    )
    made = Artifacts()
    made.add("rtl/cells.v", _models(family))
    made.add("sim/bench.v", (folder / "netlist.v").read_bytes())
    made.add("sim/bench.cpp", written["sim/bench.cpp"])
    return made, (folder / "cells.txt").read_text()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_netlist_spikes_as_the_verilog(tmp_path: Path, family: str) -> None:
    name, hardware, passes, expected_cells = FAMILIES[family]
    target = targets.load(name).with_hardware(**hardware)
    netlist, cells = _netlist(target, family, passes, tmp_path)
    assert expected_cells <= set(re.findall(r"\d+\s+(\w+)$", cells, re.MULTILINE))
    backend = registry.backend_of(target)
    graph = _graph(bool(target.hardware.spatial))
    fit = backend.fit(graph, target)
    network, image = fit.network, fpga.packed(fit, target)
    assert network is not None
    x = networks.spikes(3, (25, 3, *graph.populations[0].shape), 0.4)
    with rtl.Fabric(target) as verilog, rtl.Fabric(target, netlist) as gates:
        for fabric in (verilog, gates):
            fabric.load(image)
        weights = next(section for section in image.sections if section.name.endswith("weights"))
        np.testing.assert_array_equal(gates.read(weights.address, len(weights.words)), weights.words)
        expected, measured = verilog.run(image, x), gates.run(image, x)
    assert verify(integer.simulate(network, x), expected).equal
    verdict = verify(expected, measured)
    assert verdict.equal, verdict.summary()
    assert measured.stats == expected.stats  # saturations, and cycle for cycle
    assert all(spikes.any() for spikes in measured.spikes.values())
