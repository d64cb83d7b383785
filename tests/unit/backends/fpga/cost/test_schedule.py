"""Law: predicted cycles per step are the RTL's within a tenth, for given spikes and for spikes drawn at their rates.

Steps of fewer than 120 cycles within 12: there it matters in which cycle of two cores' turns their messages meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import nir
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nirdeploy.backends.fpga.cost import cycles, work
from nirdeploy.backends.fpga.cost.activity import bitmaps
from nirdeploy.backends.fpga.cost.schedule import Schedule
from nirdeploy.backends.fpga.plan import Plan
from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from nirdeploy.targets.image import Image
from tests import fpga, hardware, networks
from tests.conftest import examples

pytestmark = [pytest.mark.law, pytest.mark.xdist_group("rtl")]
STEPS = 60


@pytest.fixture(scope="module", params=hardware.FABRICS, ids=lambda name: name.replace(" ", "-"))
def fabric(request: pytest.FixtureRequest) -> Iterator[rtl.Fabric]:
    with fpga.unkind(hardware.fabric(request.param)) as made:
        yield made


def _fit(graph: CheckedGraph, fabric: rtl.Fabric) -> tuple[IntegerNetwork, Plan, float, Image]:
    """The graph on the fabric, loaded. Examples that do not fit are none."""
    fit = fitting.fit(graph, fabric.target)
    assume(fpga.in_one_pass(fit))
    assert fit.network is not None
    assert fit.placement is not None
    image = fpga.packed(fit, fabric.target)
    fabric.load(image)
    return fit.network, fit.plan, fit.placement.layout["cycles_per_step"], image


def _measured(image: Image, fabric: rtl.Fabric, x: object) -> float:
    fabric.run(image, x)
    return fabric.timing.sustained()


def _sent(network: IntegerNetwork, x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What every input and population sends, (T, size)."""
    return {name: v[:, 0].reshape(len(v), -1) for name, v in {**x, **integer.simulate(network, x).spikes}.items()}


def _drawn(network: IntegerNetwork, density: float, seed: int) -> dict[str, np.ndarray]:
    """One sample: spikes, or numbers of as many bits as the network takes."""
    rng, top = np.random.default_rng(seed), 1 << network.input_bits
    return {
        name: ((rng.random((STEPS, 1, *shape)) < density) * rng.integers(1, top, (STEPS, 1, *shape))).astype(np.uint8)
        for name, shape in network.inputs
    }


@settings(max_examples=examples(20))
@given(
    graph=networks.graphs() | networks.graphs(beyond=True) | networks.grids(),
    density=st.floats(0, 0.7),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_schedule_of_given_spikes(fabric: rtl.Fabric, graph: CheckedGraph, density: float, seed: int) -> None:
    network, plan, _, image = _fit(graph, fabric)
    x = _drawn(network, density, seed)
    schedule = Schedule(
        [jobs for jobs in plan.jobs.values() if jobs],
        fabric.target.hardware,
        bitmaps(plan.floorplan, _sent(network, x)),
        plan.floorplan.input_words,
    )
    low, high = STEPS // 10, STEPS * 9 // 10
    predicted = float(schedule.finished[high] - schedule.finished[low]) / (high - low)
    assert predicted == pytest.approx(_measured(image, fabric, x), rel=0.1, abs=12)


def _convolutional() -> CheckedGraph:
    """2 x 14 x 12 -> 8 x 7 x 6 -> pooled -> 24."""
    rng = np.random.default_rng(3)
    neurons = {"tau": 1e-3, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}

    def lif(*shape: int) -> nir.LIF:
        return nir.LIF(**{name: np.full(shape, value) for name, value in neurons.items()})

    weights = rng.normal(0.1, 0.5, (8, 2, 3, 3))
    nodes = {
        "input": nir.Input({"input": np.array([2, 14, 12])}),
        "conv": nir.Conv2d((14, 12), weights, 2, 1, 1, 1, np.zeros(8)),
        "lif1": lif(8, 7, 6),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([8, 3, 3])}, 0, -1),
        "fc": nir.Linear(rng.normal(0.05, 0.3, (24, 72))),
        "lif2": lif(24),
        "output": nir.Output({"output": np.array([24])}),
    }
    return check(nir.NIRGraph(nodes, list(pairwise(nodes))), dt=1e-4)


@pytest.mark.parametrize("density", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_the_prediction_from_mean_rates(fabric: rtl.Fabric, kind: str, density: float) -> None:
    """Spikes drawn at every population's own rate stand for the spikes themselves."""
    graph = check(networks.two_layers(sizes=(200, 90, 10))) if kind == "dense" else _convolutional()
    network, plan, _, image = _fit(graph, fabric)
    x = _drawn(network, density, 7)
    rates = {name: float((values > 0).mean()) for name, values in _sent(network, x).items()}
    predicted = cycles.predict(plan.floorplan, fabric.target.hardware, plan.jobs, rates)
    assert predicted.period == pytest.approx(_measured(image, fabric, x), rel=0.1)


def test_what_placement_says_is_the_prediction_at_the_assumed_activity(fabric: rtl.Fabric) -> None:
    graph = check(networks.two_layers(sizes=(200, 90, 10)))
    _, plan, said, _ = _fit(graph, fabric)
    assumed = cycles.predict(plan.floorplan, fabric.target.hardware, plan.jobs, work.ASSUMED_ACTIVITY)
    assert said == round(assumed.period, 1)
    busier = cycles.predict(plan.floorplan, fabric.target.hardware, plan.jobs, 0.4)
    assert busier.period > 1.3 * said
    assert max(busier.busy.values()) <= busier.period + 1


@pytest.mark.parametrize("density", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_the_latency_of_a_step_alone(fabric: rtl.Fabric, kind: str, density: float) -> None:
    """From the first word of its input to the last message of all, the mean of first steps."""
    graph = check(networks.two_layers(sizes=(200, 90, 10))) if kind == "dense" else _convolutional()
    network, plan, _, image = _fit(graph, fabric)
    x = _drawn(network, density, 7)
    ((name, values),) = x.items()
    alone = {name: values[:, 0][None]}  # every step as a sample of one
    sent = integer.simulate(network, alone).spikes
    rates = {name: float((v > 0).mean()) for name, v in {**alone, **sent}.items()}
    measured = []
    for step in range(0, STEPS, 4):
        fabric.run(image, {name: alone[name][:, step : step + 1]})
        measured.append(fabric.timing.cycles)
    predicted = cycles.latency(plan.floorplan, fabric.target.hardware, plan.jobs, rates)
    assert predicted == pytest.approx(float(np.mean(measured)), rel=0.1, abs=8)
