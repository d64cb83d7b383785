"""Law: what ends in a maximum over windows spikes on the RTL as in the integer simulator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.proof.verify import verify
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Maximum
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from nirdeploy.targets.fit import Fit
from tests import fpga, hardware, networks
from tests.conftest import campaign

pytestmark = [pytest.mark.law, pytest.mark.xdist_group("rtl")]
WITH = [name for name, parameters in hardware.FABRICS.items() if parameters.get("maxima", 1)]
IMAGE = (2, 7, 6)


@pytest.fixture(scope="module", params=WITH, ids=lambda name: name.replace(" ", "-"))
def fabric(request: pytest.FixtureRequest) -> Iterator[rtl.Fabric]:
    with fpga.unkind(hardware.fabric(request.param)) as made:
        yield made


def _both(fabric: rtl.Fabric, fit: Fit, x: object) -> tuple[SpikeRecord, SpikeRecord]:
    """The integer simulator's record and the RTL's."""
    assert fit.network is not None
    image = fpga.packed(fit, fabric.target)
    fabric.load(image)
    return integer.simulate(fit.network, x), fabric.run(image, x)


@pytest.mark.soak
@settings(max_examples=campaign(40, 2_500))
@given(graph=networks.grids(beyond=True), seed=st.integers(0, 2**32 - 1))
def test_in_every_dialect(fabric: rtl.Fabric, graph: CheckedGraph, seed: int) -> None:
    """Beside delays, recurrence, other projections and other maxima into the same neurons, of numbers and of spikes."""
    assume(any(p.maximum for p in graph.projections))
    fit = fitting.fit(graph, fabric.target)
    assume(fpga.in_one_pass(fit))
    expected, measured = _both(fabric, fit, networks.stimulus(graph, seed))
    verdict = verify(expected, measured, allow_silent=True)
    assert verdict.equal, verdict.summary()
    assert measured.stats["saturations"] == expected.stats["saturations"]


def _falling(maximum: Maximum, operator: Dense | Convolution, bits: int) -> CheckedGraph:
    """Weights below zero all over, against a bias that lets neurons spike where few inputs do."""
    rng = np.random.default_rng(1)
    shape = maximum.out_shape
    values = {"tau": 2e-3, "r": 2.0, "v_threshold": 0.5, "v_leak": 0.0, "v_reset": 0.0}
    neurons = {name: np.full(shape, value) for name, value in values.items()}
    weight = -np.abs(rng.normal(1.0, 0.8, operator.weight.shape)) / 2 ** (bits - 1)
    operator = Dense(weight) if isinstance(operator, Dense) else Convolution(weight, IMAGE, padding=operator.padding)
    populations = (
        Population("in", "Input", IMAGE, {}, np.zeros(IMAGE)),
        Population("n", "LIF", shape, neurons, np.full(shape, 1.3)),
    )
    projection = Projection("in", "n", operator, maximum=maximum)
    return CheckedGraph(
        populations, (projection,), ("in",), {"out": "n"}, Dialect(dt=1e-3), "argument", input_bits=bits
    )


CONV = Convolution(np.zeros((5, 2, 3, 3)), IMAGE, padding=((1, 1), (1, 1)))  # to 5 x 7 x 6
FAR = Convolution(
    np.zeros((5, 2, 1, 1)), IMAGE, padding=((2, 2), (2, 2))
)  # to 5 x 11 x 10, of padding alone at the edges


@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize(
    ("operator", "maximum"),
    [
        (CONV, Maximum((5, 7, 6), (2, 2), (2, 2))),
        (CONV, Maximum((5, 7, 6), (3, 3), (2, 2), ((1, 1), (1, 1)))),
        (CONV, Maximum((5, 7, 6), (2, 2), (2, 2), ((1, 1), (1, 1)))),
        (CONV, Maximum((5, 7, 6), (2, 2), (2, 2), ((0, 1), (0, 1)))),
        (CONV, Maximum((5, 7, 6), (5, 6), (1, 1), ((2, 2), (3, 3)))),
        (FAR, Maximum((5, 11, 10), (2, 2), (2, 2), ((0, 1), (0, 0)))),
        (Dense(np.zeros((105, 84))), Maximum((5, 7, 3), (3, 2), (2, 2), ((1, 1), (1, 1)))),
    ],
    ids=["2x2", "3x3 padded", "no position is in all windows", "ceil", "5x6", "beyond the image", "dense"],
)  # fmt: skip
def test_of_negative_currents(fabric: rtl.Fabric, operator: Dense | Convolution, maximum: Maximum, bits: int) -> None:
    """Where a position in the padding, or one that was forgotten, would count as zero, it would be the largest."""
    fit = fitting.fit(_falling(maximum, operator, bits), fabric.target)
    x = networks.spikes(2, (20, 3, *IMAGE), min(2.7 / operator.weight[0].size, 0.8))
    x *= np.random.default_rng(3).integers(1, 2**bits, x.shape, dtype=np.uint8)
    expected, measured = _both(fabric, fit, x)
    assert 0.02 < expected.spikes["n"].mean() < 0.98
    verdict = verify(expected, measured)
    assert verdict.equal, verdict.summary()
