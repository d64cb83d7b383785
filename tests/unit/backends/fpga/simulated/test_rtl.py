"""Law: the RTL spikes as the integer simulator does, in every population, neuron and step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import nir
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.errors import DeviceMismatch
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import quantize
from nirdeploy.proof.verify import verify
from nirdeploy.semantics.dialect import METADATA_KEY
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from nirdeploy.targets import registry as targets
from nirdeploy.targets.image import Image
from nirdeploy.targets.tables import Target
from tests import fpga, hardware, networks
from tests.conftest import campaign

pytestmark = [pytest.mark.law, pytest.mark.xdist_group("rtl")]


@pytest.fixture(scope="module", params=hardware.FABRICS, ids=lambda name: name.replace(" ", "-"))
def fabric(request: pytest.FixtureRequest) -> Iterator[rtl.Fabric]:
    with fpga.unkind(hardware.fabric(request.param)) as made:
        yield made


def _image(network: IntegerNetwork, target: Target) -> Image:
    return fpga.packed(fpga.placed(network, target), target)


# 70 on each of four kinds of hardware: 280 networks; 10,000 in make soak.
@pytest.mark.soak
@settings(max_examples=campaign(70, 2_500))
@given(
    graph=networks.graphs() | networks.graphs(beyond=True) | networks.grids() | networks.encoded(),
    seed=st.integers(0, 2**32 - 1),
)
def test_rtl_equals_the_integer_simulator(fabric: rtl.Fabric, graph: CheckedGraph, seed: int) -> None:
    fit = fitting.fit(graph, fabric.target)
    assume(fpga.in_one_pass(fit))
    network, x = fit.network, networks.stimulus(graph, seed)
    assert network is not None
    image = fpga.packed(fit, fabric.target)
    fabric.load(image)
    expected, measured = integer.simulate(network, x), fabric.run(image, x)
    verdict = verify(expected, measured, allow_silent=True)
    assert verdict.equal, verdict.summary()
    assert measured.stats["saturations"] == expected.stats["saturations"]


@pytest.mark.soak
@settings(max_examples=campaign(40, 1_500))
@given(
    graph=networks.few_bits(networks.graphs() | networks.graphs(beyond=True) | networks.grids() | networks.encoded()),
    seed=st.integers(0, 2**32 - 1),
)
def test_weights_of_few_bits_stand_together_and_count_alone(fabric: rtl.Fabric, graph: CheckedGraph, seed: int) -> None:
    """2, 4 and 8 bits in one network: rows by one, two and four in a place, as far as the hardware packs them."""
    fit = fitting.fit(graph, fabric.target)
    assume(fpga.in_one_pass(fit))
    network, x = fit.network, networks.stimulus(graph, seed)
    assert network is not None
    image = fpga.packed(fit, fabric.target)
    fabric.load(image)
    verdict = verify(integer.simulate(network, x), fabric.run(image, x), allow_silent=True)
    assert verdict.equal, verdict.summary()


def test_a_wrong_weight_in_the_memory_shows(fabric: rtl.Fabric) -> None:
    """The law above can fail: one bit of one weight, and the spikes are others."""
    from nirdeploy.graph.check import check

    network = quantize(check(networks.two_layers()), fabric.target.formats.of_network())
    image = _image(network, fabric.target)
    x = networks.spikes(1, (30, 4, 20), 0.5)
    sections = [s for s in image.sections if s.name.endswith("weights")]
    damaged = sections[0].words.copy()
    damaged[: len(damaged) // 2] ^= 0x40
    fabric.load(image)
    assert verify(integer.simulate(network, x), fabric.run(image, x)).equal
    fabric._lib.bench_write(fabric._handle, sections[0].address, damaged.ctypes.data_as(rtl._U32), len(damaged))
    assert not verify(integer.simulate(network, x), fabric.run(image, x)).equal


def test_the_most_negative_weight_counts_as_it_is(fabric: rtl.Fabric) -> None:
    """Weights on a grid of -128 to 127: 8 bits hold both ends."""
    from nirdeploy.graph.check import check

    numbers = np.random.default_rng(0).integers(-128, 128, (10, 30))
    numbers[:, :3] = 1, 127, -128
    ones = np.ones(10)
    nodes = {
        "in": nir.Input({"input": np.array([30])}),
        "to": nir.Linear(numbers * 0.01),
        "last": nir.LIF(tau=8e-3 * ones, r=8 * ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones),
        "out": nir.Output({"output": np.array([10])}),
    }
    edges = list(itertools.pairwise(nodes))
    graph = check(nir.NIRGraph(nodes, edges, metadata={METADATA_KEY: "nir,dt=0.001"}, type_check=False))
    network = quantize(graph, fabric.target.formats.of_network())
    weight = network.projections[0].weight
    np.testing.assert_array_equal(weight[:, 2], -128 * weight[:, 0])
    image, x = _image(network, fabric.target), networks.spikes(1, (30, 4, 30), 0.3)
    fabric.load(image)
    assert verify(integer.simulate(network, x), fabric.run(image, x)).equal


def test_memories_read_back_what_was_written(fabric: rtl.Fabric) -> None:
    from nirdeploy.graph.check import check

    image = _image(quantize(check(networks.two_layers()), fabric.target.formats.of_network()), fabric.target)
    fabric.load(image)
    for section in image.sections:
        np.testing.assert_array_equal(fabric.read(section.address, len(section.words)), section.words)


def test_image_for_other_hardware_is_refused(fabric: rtl.Fabric) -> None:
    from nirdeploy.graph.check import check

    other = targets.load("fpga").with_hardware(cores=5)
    with pytest.raises(DeviceMismatch, match="the image is for hardware"):
        fabric.load(_image(quantize(check(networks.two_layers()), other.formats.of_network()), other))
