"""import_from_nir: the module spikes as the float reference does, trains, and exports again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import fx, nn

from nirdeploy.errors import GraphError, ModelFileError, UsageProblem
from nirdeploy.exchange import LI, LIF, export_to_nir, import_from_nir
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.sim import float_
from tests import networks
from tests.conftest import examples


def call(module: fx.GraphModule, x: Any, state: Any = None) -> Any:
    tensors = tuple(torch.from_numpy(v).double() for v in (x.values() if isinstance(x, dict) else (x,)))
    with torch.no_grad():
        return module(tensors if len(tensors) > 1 else tensors[0], state)


def reference(graph: CheckedGraph, x: Any) -> np.ndarray:
    record = float_.simulate(graph, x, probe="outputs")
    (values,) = [*record.spikes.values(), *record.membrane.values()]
    return values


@pytest.mark.law
@settings(max_examples=examples(60))
@given(graph=networks.graphs(max_size=20), seed=st.integers(0, 2**31))
def test_spikes_as_the_float_reference(graph: CheckedGraph, seed: int) -> None:
    x, written = networks.stimulus(graph, seed), as_nir(graph)
    output, _ = call(import_from_nir(written, dtype=torch.float64, step_mode="m"), x)
    expected = reference(check(written), x)  # which connection closes a cycle is for check to say
    if expected.dtype.kind == "u":
        np.testing.assert_array_equal(output.numpy(), expected)
    else:
        np.testing.assert_allclose(output.numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.law
@settings(max_examples=examples(30))
@given(
    seed=st.integers(0, 2**31),
    threshold=st.sampled_from([">", ">="]),
    reset=st.sampled_from(["zero", "subtract"]),
)
def test_ties_with_the_threshold_fall_alike(seed: int, threshold: str, reset: str) -> None:
    """Whole weights and dt / tau = 1/2: sums are exact, and many membranes stand on the threshold."""
    rng = np.random.default_rng(seed)
    graph = networks.two_layers(sizes=(6, 8, 4), dialect=f"nir,dt=0.25,threshold={threshold},reset={reset}")
    for i in (1, 2):
        graph.nodes[f"fc{i}"].weight[:] = rng.integers(-2, 4, graph.nodes[f"fc{i}"].weight.shape)
        graph.nodes[f"fc{i}"].bias[:] = rng.integers(-1, 2, graph.nodes[f"fc{i}"].bias.shape)
        for name, value in {"tau": 0.5, "r": 1.0, "v_threshold": 1.0}.items():
            getattr(graph.nodes[f"lif{i}"], name)[:] = value
    x = networks.spikes(seed, (10, 4, 6))
    output, _ = call(import_from_nir(graph, dtype=torch.float64, step_mode="m"), x)
    np.testing.assert_array_equal(output.numpy(), reference(check(graph), x))


@pytest.mark.law
@settings(max_examples=examples(20))
@given(graph=networks.graphs(max_size=12), seed=st.integers(0, 2**31))
def test_single_steps_are_the_whole_in_pieces(graph: CheckedGraph, seed: int) -> None:
    x = networks.stimulus(graph, seed, steps=6)
    whole, last = call(import_from_nir(as_nir(graph), dtype=torch.float64, step_mode="m"), x)
    single = import_from_nir(as_nir(graph), dtype=torch.float64, step_mode="s")
    state: Any = None
    pieces = []
    for t in range(6):
        now = {name: values[t] for name, values in x.items()} if isinstance(x, dict) else x[t]
        out, state = call(single, now, state)
        pieces.append(out.numpy())
    if graph.populations[-1].model in ("LIF", "IF"):
        np.testing.assert_array_equal(np.stack(pieces), whole.numpy())
    else:
        np.testing.assert_allclose(np.stack(pieces), whole.numpy(), rtol=1e-12, atol=1e-14)
    for name, at_end in last.items():
        torch.testing.assert_close(state[name].v, at_end.v)


@pytest.mark.parametrize("dialect", ["nir", "spikingjelly", "nir,reset=subtract", "nir,discretization=exponential"])
def test_export_then_import_gives_the_same_spikes(dialect: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    options: dict[str, Any] = {"dialect": dialect, "dt": 1e-3}
    net = nn.Sequential(
        nn.Linear(12, 20), LIF(tau=5e-3, r=30.0, **options), nn.Linear(20, 4), LIF(tau=5e-3, r=30.0, **options)
    )
    path = tmp_path / "m.nir"
    export_to_nir(net, torch.zeros(1, 1, 12), save_path=path, dt=1e-3)
    x = torch.from_numpy(networks.spikes(0, (30, 5, 12))).float()
    expected = net(x)
    assert expected.sum() > 10
    output, _ = import_from_nir(path, step_mode="m")(x)
    torch.testing.assert_close(output, expected, rtol=0, atol=0)


def test_it_is_an_fx_module_that_trains() -> None:
    module = import_from_nir(networks.two_layers(), step_mode="m")
    assert isinstance(module, fx.GraphModule)
    assert all(parameter.requires_grad for parameter in module.parameters())
    output, _ = module(torch.from_numpy(networks.spikes(1, (10, 3, 20))).float())
    output.sum().backward()
    gradients = [parameter.grad for parameter in module.parameters()]
    assert len(gradients) == 4
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


def test_training_does_not_touch_the_graph() -> None:
    graph = networks.two_layers()
    before = check(graph).digest()
    module = import_from_nir(graph, dtype=torch.float64)
    with torch.no_grad():
        for values in (*module.parameters(), *module.buffers()):
            values.add_(1)
    assert check(graph).digest() == before


def test_nothing_stays_between_calls_unless_given() -> None:
    module = import_from_nir(networks.two_layers(), step_mode="m", dtype=torch.float64)
    x = networks.spikes(2, (8, 2, 20))
    first, state = call(module, x)
    again, _ = call(module, x)
    onward, _ = call(module, x, state)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, onward)
    both, _ = call(module, np.concatenate([x, x]))
    torch.testing.assert_close(both[8:], onward, rtol=0, atol=0)


def test_float64_parameters_arrive_exactly() -> None:
    graph = networks.two_layers()
    graph.nodes["lif1"].tau[:] = 0.0123456789012345
    module = import_from_nir(graph, dtype=torch.float64)
    taus = [b for name, b in module.named_buffers() if name.endswith("tau")]
    assert taus[0][0].item() == 0.0123456789012345


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_dtype(kind: torch.dtype) -> None:
    module = import_from_nir(networks.two_layers(), dtype=kind)
    assert {values.dtype for values in (*module.parameters(), *module.buffers())} == {kind}
    output, _ = module(torch.zeros(3, 20, dtype=kind))
    assert (output.dtype, tuple(output.shape)) == (kind, (3, 5))


def test_dialect_and_dt_can_be_given() -> None:
    graph = networks.two_layers(dialect="nir,reset=subtract")
    x = networks.spikes(4, (30, 3, 20), rate=0.6)
    found = {}
    for dialect in (None, "nir"):
        output, _ = call(import_from_nir(graph, dtype=torch.float64, step_mode="m", dialect=dialect), x)
        np.testing.assert_array_equal(output, float_.simulate(check(graph, dialect=dialect), x)["output"])
        found[dialect] = output
    assert not torch.equal(found[None], found["nir"])
    slower, _ = call(import_from_nir(graph, dt=2e-4, dtype=torch.float64, step_mode="m"), x)
    np.testing.assert_array_equal(slower, float_.simulate(check(graph, dt=2e-4), x)["output"])
    assert not torch.equal(found[None], slower)


def test_several_outputs_come_as_a_tuple() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif, self.read = nn.Linear(4, 3), LIF(tau=1e-3, r=10.0), LI(tau=1e-3)

        def forward(self, x: torch.Tensor) -> Any:
            spikes = self.lif(self.fc(x))
            return spikes, self.read(spikes)

    torch.manual_seed(0)
    net = Two()
    x = torch.from_numpy(networks.spikes(0, (9, 2, 4))).float()
    spikes, membrane = net(x)
    found, _ = import_from_nir(export_to_nir(net, x), step_mode="m")(x)
    torch.testing.assert_close(found[0], spikes, rtol=0, atol=0)
    torch.testing.assert_close(found[1], membrane)


def test_shaped_populations() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(LIF(tau=1e-3, r=10.0), nn.Flatten(2), nn.Linear(12, 3), LIF(tau=1e-3, r=10.0))
    x = torch.from_numpy(networks.spikes(0, (9, 2, 3, 4))).float()
    found, state = import_from_nir(export_to_nir(net, x), step_mode="m")(x)
    torch.testing.assert_close(found, net(x), rtol=0, atol=0)
    assert tuple(state["_0"].v.shape) == (2, 3, 4)


def test_state_dict_round_trip() -> None:
    module, other = (import_from_nir(networks.two_layers(seed), step_mode="m", dtype=torch.float64) for seed in (0, 1))
    x = networks.spikes(5, (12, 2, 20))
    assert not torch.equal(call(module, x)[0], call(other, x)[0])
    other.load_state_dict(module.state_dict())
    torch.testing.assert_close(call(other, x)[0], call(module, x)[0], rtol=0, atol=0)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="not 'x'"):
        import_from_nir(networks.two_layers(), step_mode="x")
    with pytest.raises(ModelFileError, match="No such file"):
        import_from_nir(tmp_path / "missing.nir")
    bad = networks.two_layers()
    bad.nodes["fc1"].weight[0, 0] = np.nan
    nirfile.write(tmp_path / "bad.nir", bad)
    with pytest.raises(GraphError, match="1 of 600 values of weight"):
        import_from_nir(tmp_path / "bad.nir")
