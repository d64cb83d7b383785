"""One thing wrong at a time, on the RTL: the verifier goes red and names the culprit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.graph.check import check
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import quantize
from nirdeploy.proof.verify import verify
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.sim import integer
from tests import fpga, hardware, networks

pytestmark = pytest.mark.xdist_group("rtl")

NEURON = {"lif1": 7, "lif2": 2}


@pytest.fixture(scope="module")
def fabric() -> Iterator[rtl.Fabric]:
    with fpga.unkind(hardware.fabric()) as made:
        yield made


@pytest.fixture(scope="module")
def network(fabric: rtl.Fabric) -> IntegerNetwork:
    return quantize(check(networks.two_layers(seed=4)), fabric.target.formats.of_network())


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return networks.spikes(9, (40, 4, 20), 0.5)


@pytest.fixture(scope="module")
def expected(network: IntegerNetwork, x: np.ndarray) -> SpikeRecord:
    record = integer.simulate(network, x)
    for name, neuron in NEURON.items():
        assert record[name][:, :, neuron].any(), "the neuron to be corrupted must be alive"
    return record


def _on_rtl(fabric: rtl.Fabric, network: IntegerNetwork, x: np.ndarray) -> SpikeRecord:
    image = fpga.packed(fpga.placed(network, fabric.target), fabric.target)
    fabric.load(image)
    return fabric.run(image, x)


def _with_population(
    network: IntegerNetwork, name: str, change: Callable[[dict[str, np.ndarray]], None]
) -> IntegerNetwork:
    populations = []
    for p in network.populations:
        if p.name == name:
            arrays = {key: getattr(p, key).copy() for key in ("decay", "bias", "threshold")}
            change(arrays)
            p = replace(p, **arrays)
        populations.append(p)
    return replace(network, populations=tuple(populations))


def _weight(network: IntegerNetwork, name: str) -> IntegerNetwork:
    projections = []
    for q in network.projections:
        if q.target == name:
            weight = q.weight.copy()
            strongest = int(np.abs(weight[NEURON[name]]).argmax())
            weight[NEURON[name], strongest] *= -1
            q = replace(q, operator=replace(q.operator, weight=weight))
        projections.append(q)
    return replace(network, projections=tuple(projections))


def _threshold(network: IntegerNetwork, name: str) -> IntegerNetwork:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays["threshold"][NEURON[name]] = arrays["threshold"][NEURON[name]] * 5 // 4

    return _with_population(network, name, change)


def _decay(network: IntegerNetwork, name: str) -> IntegerNetwork:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays["decay"][NEURON[name]] //= 2

    return _with_population(network, name, change)


def _bias(network: IntegerNetwork, name: str) -> IntegerNetwork:
    def change(arrays: dict[str, np.ndarray]) -> None:
        p = next(p for p in network.populations if p.name == name)
        arrays["bias"][NEURON[name]] += p.threshold[NEURON[name]] // 4

    return _with_population(network, name, change)


def test_untouched_it_is_green(
    fabric: rtl.Fabric, network: IntegerNetwork, x: np.ndarray, expected: SpikeRecord
) -> None:
    verdict = verify(expected, _on_rtl(fabric, network, x))
    assert verdict.equal
    assert verdict.cells == 40 * 4 * 35


@pytest.mark.parametrize("name", ["lif1", "lif2"])
@pytest.mark.parametrize("corrupt", [_weight, _threshold, _decay, _bias], ids=lambda f: f.__name__.strip("_"))
def test_one_wrong_parameter_is_red_and_named(
    fabric: rtl.Fabric,
    network: IntegerNetwork,
    x: np.ndarray,
    expected: SpikeRecord,
    corrupt: Callable[[IntegerNetwork, str], IntegerNetwork],
    name: str,
) -> None:
    verdict = verify(expected, _on_rtl(fabric, corrupt(network, name), x))
    assert not verdict.equal
    first = verdict.first_divergence
    assert first is not None
    assert (first.population, first.neuron) == (name, (NEURON[name],))
    concerned = {p.population: p for p in verdict.populations}
    assert concerned[name].worst_neuron == (NEURON[name],)
    assert concerned[name].neurons == 1
    if name == "lif2":
        assert concerned["lif1"].mismatches == 0


def test_one_output_spike_is_red_and_named(
    fabric: rtl.Fabric, network: IntegerNetwork, x: np.ndarray, expected: SpikeRecord
) -> None:
    measured = _on_rtl(fabric, network, x)
    measured.spikes["lif2"][17, 3, 4] ^= 1
    verdict = verify(expected, measured)
    first = verdict.first_divergence
    assert verdict.mismatches == 1
    assert first is not None
    assert (first.population, first.neuron, first.step, first.sample) == ("lif2", (4,), 17, 3)
    assert "population 'lif2', neuron 4, step 17, sample 3" in verdict.summary()


@pytest.mark.parametrize("name", ["lif1", "lif2"])
def test_one_step_of_delay_is_red_and_named(
    fabric: rtl.Fabric, network: IntegerNetwork, x: np.ndarray, expected: SpikeRecord, name: str
) -> None:
    measured = _on_rtl(fabric, network, x)
    measured.spikes[name][1:] = measured.spikes[name][:-1].copy()
    measured.spikes[name][0] = 0
    verdict = verify(expected, measured)
    assert [p.population for p in verdict.populations if p.mismatches] == [name]
    assert verdict.first_divergence is not None
    assert verdict.first_divergence.population == name
