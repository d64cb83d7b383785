"""Law: the words of an image mean what the integer network means (plain Python, no clocks)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from nirdeploy.backends.fpga.simulated.rtl import _bitmaps, _read
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.records.inputs import stimulus
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Pool
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from nirdeploy.targets import registry as targets
from nirdeploy.targets.image import record_of
from nirdeploy.targets.tables import Target
from tests import fpga, networks
from tests.conftest import examples
from tests.doubles.device import DeviceModel
from tests.doubles.fabric import GatherFabric


@pytest.mark.law
@settings(max_examples=examples(25))
@given(
    graph=networks.graphs(max_size=40, max_layers=3)
    | networks.graphs(max_size=40, max_layers=3, beyond=True)
    | networks.grids(most=90)
    | networks.encoded(most=90)
    | networks.grids(most=90, beyond=True),
    seed=st.integers(0, 2**32 - 1),
)
def test_image_words_mean_the_integer_network(graph: CheckedGraph, seed: int) -> None:
    target = targets.load("fpga").with_hardware(cores=2, lanes=8, weight_rows=32768, neurons=512, segments=1024)
    _means_the_same(graph, seed, target)


@pytest.mark.law
@settings(max_examples=examples(10))
@given(graph=networks.grids(most=90), seed=st.integers(0, 2**32 - 1))
def test_the_same_on_hardware_that_knows_no_grid(graph: CheckedGraph, seed: int) -> None:
    """Relays there are a job for each of their rows: a segment cannot move with the line."""
    target = targets.load("fpga").with_hardware(cores=2, lanes=8, weight_rows=32768, spatial=0, segments=1024)
    _means_the_same(graph, seed, target)


@pytest.mark.law
@settings(max_examples=examples(25))
@given(
    graph=networks.few_bits(
        networks.graphs(max_size=40, max_layers=3) | networks.grids(most=90) | networks.encoded(most=90)
    ),
    seed=st.integers(0, 2**32 - 1),
    rows=st.sampled_from([8192, 12000, 16384]),
)
def test_words_of_few_bits_mean_the_same(graph: CheckedGraph, seed: int, rows: int) -> None:
    target = targets.load("fpga").with_hardware(cores=2, lanes=8, weight_rows=rows, neurons=512, segments=1024)
    _means_the_same(graph, seed, target)


def test_a_relay_stands_as_what_it_repeats() -> None:
    """What is written out as a matrix (its windows overlap before a padded convolution) leaves no grid behind."""
    image = (1, 1, 4)
    values = {"tau": 5e-3, "r": 5.0, "v_leak": 0.0, "v_threshold": 0.4, "v_reset": 0.0}
    neurons = {name: np.full(image, value) for name, value in values.items()}
    one = Convolution(np.full((1, 1, 1, 1), 0.3), (1, 1, 3), padding=((0, 0), (0, 1)))
    graph = CheckedGraph(
        (
            Population("in", "Input", image, {}, np.zeros(image)),
            Population("a", "LIF", image, neurons, np.zeros(image)),
            Population("b", "LIF", image, neurons, np.zeros(image)),
        ),
        (
            Projection("in", "a", one, (), Pool(image, (1, 2), (1, 1))),
            Projection("a", "b", Convolution(np.full((1, 1, 1, 1), 0.4), image), delay=2),
        ),
        *(("in",), {"output": "b"}, Dialect(dt=1e-3), "argument"),
    )
    _means_the_same(graph, 0, targets.load("fpga").with_hardware(cores=1, lanes=8))


def _means_the_same(graph: CheckedGraph, seed: int, target: Target) -> None:
    fit = fitting.fit(graph, target)
    if not fit.fits or (fit.placement is not None and fit.placement.passes):
        reject()
    network, image = fit.network, fpga.packed(fit, target)
    assert network is not None
    memories = DeviceModel(target)
    for section in image.sections:
        memories.read(section.address, len(section.words))[:] = section.words
    fabric = GatherFabric(target, lambda a, n: memories.read(a, n) if n else np.zeros(0, dtype=np.uint32))
    x = networks.stimulus(graph, seed, steps=6, batch=2)
    bitmaps = _bitmaps(image, stimulus(x, network.inputs, network.takes))
    out = np.stack([fabric.step(words, t % 6 == 0) for t, words in enumerate(bitmaps)])
    expected = integer.simulate(network, x)
    record = record_of(image, _read(image.readouts, out, 6, 2), "plain Python", {})
    for readout in image.readouts:
        kind, found = (one.spikes if readout.kind == "spikes" else one.membrane for one in (expected, record))
        np.testing.assert_array_equal(found[readout.population], kind[readout.population])
    assert fabric.saturations == expected.stats["saturations"]


def test_a_job_that_waits_for_nothing_is_an_error() -> None:
    target = targets.load("fpga").with_hardware(cores=1, lanes=8)
    memories = DeviceModel(target)
    memories.read(0, 2)[:] = (2, 1)  # one job; its words, all zero but for `wait`, want group 1
    memories.read(1 << 20, 8)[:] = (2, 0, 0, 0, 0x21, 1, 0, 0)
    fabric = GatherFabric(target, lambda a, n: memories.read(a, n))
    with pytest.raises(ValueError, match="no core completes"):
        fabric.step(np.zeros(1, dtype=np.uint32), True)
