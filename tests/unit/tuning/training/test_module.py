"""The module of training against the integer simulator and the builds of what it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit, GraphError, InputShapeError
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.precision import with_bits
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.semantics.operators import Dense
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from nirdeploy.targets import registry as targets
from nirdeploy.tuning.training.module import IntegerModule
from nirdeploy.tuning.training.parameters import trains
from tests import networks, primitives
from tests.conftest import examples

TARGET = targets.load("fpga")
ANY = (
    networks.graphs(max_size=40)
    | networks.graphs(max_size=40, beyond=True)
    | networks.grids()
    | networks.grids(beyond=True)
    | networks.encoded()
)


def module(graph: CheckedGraph, bits: int = 8) -> IntegerModule:
    """The graph as a module; what the target refuses, or has no weights, is no example of a law."""
    try:
        fitting.rounded(with_bits(graph, bits), TARGET)
    except DoesNotFit:
        assume(False)
    assume(any(trains(p, graph.into(p.name)) for p in graph.populations))
    return nd.quantize_aware(graph, TARGET, bits)


def differing(module: IntegerModule, network: IntegerNetwork, x: Any) -> int:
    """Cells of all populations in which the module and the integer simulator of a network differ."""
    record, found = integer.simulate(network, x), module.signals(x)
    expected = {**record.spikes, **record.membrane}
    assert expected.keys() <= found.keys()
    return sum(int((found[name].detach().numpy() != values).sum()) for name, values in expected.items())


def descend(module: IntegerModule, x: Any, steps: int = 3) -> None:
    """A few steps down some loss."""
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = sum((values.square().mean() for values in module.signals(x).values()), start=torch.zeros(()))
        loss.backward()
        optimizer.step()


@pytest.mark.law
@settings(max_examples=examples(100))
@given(graph=ANY, seed=st.integers(0, 2**31), bits=st.sampled_from([2, 4, 8]))
def test_every_population_is_that_of_the_integer_simulator(graph: CheckedGraph, seed: int, bits: int) -> None:
    made = module(graph, bits)
    assert differing(made, made.network(), networks.stimulus(graph, seed)) == 0


@pytest.mark.law
@settings(max_examples=examples(40))
@given(graph=ANY, seed=st.integers(0, 2**31), bits=st.sampled_from([2, 4, 8]))
def test_a_build_of_what_was_trained_is_the_module(graph: CheckedGraph, seed: int, bits: int) -> None:
    made, x = module(graph, bits), networks.stimulus(graph, seed)
    try:
        descend(made, x)
    except DoesNotFit:
        assume(False)  # such steps can drive all weights of a population to zero
    assert differing(made, nd.build(made.graph(), TARGET, stop="quantize").network, x) == 0


@pytest.mark.law
@settings(max_examples=examples(25))
@given(
    graph=networks.graphs(max_size=20, plain=True)
    | primitives.drawn(maxima=True).map(lambda d: check(d.graph, dt=1e-3)),
    seed=st.integers(0, 2**31),
    bits=st.sampled_from([2, 4, 8]),
)
def test_a_build_of_the_exported_file_is_the_module(
    graph: CheckedGraph, seed: int, bits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        as_nir(graph)
    except GraphError:
        assume(False)  # what check folded into something that no nodes say; the graph itself builds
    made, x = module(graph, bits), networks.stimulus(graph, seed)
    try:
        descend(made, x)
    except DoesNotFit:
        assume(False)
    path = tmp_path_factory.mktemp("export") / "m.nir"
    nd.export_to_nir(made, torch.zeros(()), path)
    built = nd.build(path, TARGET, stop="quantize")
    assert {p.name: p.weight_bits for p in built.network.populations if p.name in made.trained} == dict.fromkeys(
        made.trained, bits
    )
    assert differing(made, built.network, x) == 0


def convolutional(bits: int | None = None) -> tuple[IntegerModule, torch.Tensor]:
    """Convolution, maximum over spikes, recurrence, a read-out, and a stimulus that makes all of them spike."""
    torch.manual_seed(0)
    from nirdeploy.exchange.modules import LI, LIF, MultiStep, Recurrent, Sequential

    def lif() -> LIF:
        return LIF(tau=4e-3, r=4.0, v_threshold=0.5, dt=1e-3)

    net = Sequential(
        MultiStep(nn.Conv2d(2, 4, 3, padding=1)),
        lif(),
        MultiStep(nn.MaxPool2d(2)),
        MultiStep(nn.Flatten(), nn.Linear(64, 12)),
        Recurrent(lif(), nn.Linear(12, 12)),
        MultiStep(nn.Linear(12, 3)),
        LI(tau=4e-3, r=4.0, dt=1e-3),
    )
    x = torch.as_tensor(networks.spikes(0, (8, 5, 2, 8, 8))).float()
    return nd.quantize_aware(net, TARGET, bits, example_input=x), x


def test_gradients_reach_every_parameter() -> None:
    made, x = convolutional(4)
    made(x).square().mean().backward()
    trained = {name: p for name, p in made.named_parameters() if p.requires_grad}
    assert len(trained) == 10  # of three populations: weights (of two projections into one), a bias, steps
    for name, parameter in trained.items():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_outputs_come_as_the_graph_has_them() -> None:
    made, x = convolutional()
    record = nd.simulate(made.network(), x)
    (output,) = made.network().outputs.values()
    np.testing.assert_allclose(made(x).detach().numpy(), record.volts(output), rtol=1e-6)
    two = nd.quantize_aware(check(networks.two_layers()), TARGET)
    spikes = networks.spikes(0, (6, 2, 20))
    assert (two(spikes).detach().numpy() == nd.simulate(two.network(), spikes).spikes["lif2"]).all()
    both = replace(two.graph(), outputs={"a": "lif1", "b": "lif2"})
    first, second = nd.quantize_aware(both, TARGET)(spikes)
    assert first.shape == (6, 2, 30)
    assert (second == two(spikes)).all()


def test_what_only_passes_on_is_not_trained() -> None:
    made, _ = convolutional(2)
    frozen = {p.name for p in made.graph().populations if p.model == "Threshold"}
    assert frozen
    assert not frozen & set(made.trained)


def parts(network: IntegerNetwork) -> Iterator[np.ndarray]:
    for p in network.projections:
        yield p.weight


def test_weights_are_within_their_bits_and_stay_on_their_grid() -> None:
    made, x = convolutional(2)
    descend(made, x, 5)
    rows = [row for row in made.network().report if row["population"] in made.trained]
    assert len(rows) == 3
    assert all(row["weight_sqnr_db"] == float("inf") for row in rows)
    assert {int(value) for weight in parts(made.network()) for value in np.unique(weight)} <= {-1, 0, 1}


def test_what_changes_a_parameter_in_any_way_changes_the_network() -> None:
    made, x = convolutional()
    before = made.network().digest()
    assert made.network() is made.network()
    made.parameters_of(made.trained[0]).weights[0].data.mul_(-1)  # unseen by a tensor's version
    assert made.network().digest() != before
    assert differing(made, made.network(), x) == 0


def test_a_saved_state_gives_the_same_module() -> None:
    made, x = convolutional(4)
    descend(made, x)
    again, _ = convolutional(4)
    again.load_state_dict(made.state_dict())
    assert again.network().digest() == made.network().digest()


def test_training_and_evaluation_compute_the_same() -> None:
    made, x = convolutional()
    with torch.no_grad():
        assert (made.eval()(x) == made.train()(x)).all()


def test_a_pruned_network_stays_pruned() -> None:
    graph = check(networks.two_layers())
    pruned = [replace(p, operator=Dense(p.weight * (np.abs(p.weight) > 0.1))) for p in graph.projections]
    made = nd.quantize_aware(replace(graph, projections=tuple(pruned)), TARGET, 4)
    descend(made, networks.spikes(0, (6, 2, 20)))
    for before, after in zip(pruned, made.graph().projections, strict=True):
        assert not after.weight[before.weight == 0].any()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_training_goes_on_from_what_was_exported(bits: int) -> None:
    """There a weight of zero is a value of the grid, not a connection that is not there."""
    made, x = nd.quantize_aware(networks.two_layers(), TARGET, bits), networks.spikes(0, (6, 2, 20))
    descend(made, x)
    again = nd.quantize_aware(made.nir_graph(), TARGET)
    for a, b in zip(parts(again.network()), parts(made.network()), strict=True):
        np.testing.assert_array_equal(a, b)
    assert differing(again, made.network(), x) == 0
    zeros = [p.weight == 0 for p in again.graph().projections]
    descend(again, x, 30)
    assert any(p.weight[where].any() for p, where in zip(again.graph().projections, zeros, strict=True))


def test_a_stimulus_is_refused_as_everywhere() -> None:
    made, x = convolutional()
    with pytest.raises(InputShapeError, match="the stimulus holds 0.5"):
        made(x * 0.5)
    with pytest.raises(InputShapeError, match="batch dimension is missing"):
        made(x[:, 0])


def test_inputs_of_a_range_are_taken_as_they_are() -> None:
    made = nd.quantize_aware(networks.two_layers(), TARGET, 4, input_range=(-1, 1))
    x = np.random.default_rng(0).uniform(-1, 1, (6, 3, 20))
    assert differing(made, made.network(), x) == 0
    assert made.graph().encodings


def test_the_file_says_the_dialect_and_the_bits(tmp_path: Path) -> None:
    made = nd.quantize_aware(networks.two_layers(dialect="snntorch,dt=0.001"), TARGET, {"fc1": 4})
    nd.export_to_nir(made, torch.zeros(()), tmp_path / "m.nir")
    read = check(tmp_path / "m.nir")
    assert read.dialect == made.graph().dialect
    assert [p.weight_bits for p in read.populations] == [None, 4, None]
