"""SpikingJelly's nir_exchange beside ours: the same graphs, the same spikes, both ways."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based import nir_exchange as theirs
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange import export_to_nir, import_from_nir
from nirdeploy.graph.check import check
from nirdeploy.sim import float_
from tests.networks import spikes


def tutorial() -> nn.Sequential:
    """The network of SpikingJelly's NIR tutorial."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1),
        neuron.IFNode(),
        nn.AvgPool2d((2, 2)),
        nn.Flatten(),
        nn.Linear(4096, 10),
        neuron.ParametricLIFNode(10.0, decay_input=False, v_reset=None),
    )


def test_the_tutorial(tmp_path: Path) -> None:
    net = tutorial()
    graph = export_to_nir(net, torch.rand(8, 3, 32, 32), save_path=tmp_path / "net.nir")
    assert list(graph.nodes) == ["input_1", "_0", "_1", "_2", "_3", "_4", "_5", "output"]
    kinds = ["Input", "Conv2d", "IF", "AvgPool2d", "Flatten", "Affine", "LIF", "Output"]
    assert [type(node).__name__ for node in graph.nodes.values()] == kinds
    assert graph.nodes["input_1"].input_type["input"].tolist() == [3, 32, 32]
    assert graph.nodes["_4"].weight.shape == (10, 4096)
    assert graph.nodes["_5"].tau.shape == (10,)
    assert graph.nodes["_1"].r.shape == (16, 32, 32)
    np.testing.assert_allclose(graph.nodes["_5"].tau, 10.0 * 1e-4, rtol=1e-6)
    checked = check(tmp_path / "net.nir")  # the hard and the soft reset both are kept
    assert (checked.dialect_of("_1").reset, checked.dialect_of("_5").reset) == ("zero", "subtract")
    output, state = import_from_nir(graph)(torch.rand(9, 3, 32, 32))
    assert output.shape == (9, 10)
    assert set(state) == {"_1", "_5"}
    output, _ = import_from_nir(tmp_path / "net.nir", step_mode="m")(torch.rand(7, 9, 3, 32, 32))
    assert output.shape == (7, 9, 10)


def dense(step_mode: str, rng: np.random.Generator) -> tuple[nn.Sequential, tuple[int, ...]]:
    """Linear layers and every neuron with a hard reset."""
    v_reset = float(rng.choice([0.0, -0.25]))
    options = {"v_reset": v_reset, "v_threshold": float(rng.uniform(0.5, 1.2)), "step_mode": step_mode}
    kinds: list[Any] = [
        lambda: neuron.IFNode(**options),
        lambda: neuron.LIFNode(tau=float(rng.uniform(1.5, 8)), decay_input=bool(rng.integers(2)), **options),
        lambda: neuron.ParametricLIFNode(float(rng.uniform(1.5, 8)), decay_input=bool(rng.integers(2)), **options),
        lambda: neuron.CUBALIFNode(float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.2, 0.8)), v_reset=v_reset),
    ]
    sizes = rng.integers(3, 14, 3)
    modules: list[nn.Module] = []
    for a, b in pairwise(sizes):
        linear = layer.Linear(int(a), int(b), bias=bool(rng.integers(2)), step_mode=step_mode)
        linear.weight.data = torch.from_numpy(rng.normal(0.3, 1.0, (b, a)) / np.sqrt(a) * 2).float()
        modules += [linear, rng.choice(np.array(kinds, dtype=object))()]
    net = nn.Sequential(*modules)
    functional.set_step_mode(net, step_mode)
    return net, (int(sizes[0]),)


def convolutional(step_mode: str, rng: np.random.Generator) -> tuple[nn.Sequential, tuple[int, ...]]:
    net = nn.Sequential(
        layer.Conv2d(2, 3, 3, stride=int(rng.integers(1, 3)), padding=1, step_mode=step_mode),
        neuron.IFNode(step_mode=step_mode, v_threshold=0.6),
        layer.AvgPool2d(2, step_mode=step_mode),
        layer.Flatten(step_mode=step_mode),
        layer.Linear(48, 4, step_mode=step_mode),
        neuron.LIFNode(tau=2.0, step_mode=step_mode, v_threshold=0.2),
    )
    first: Any = net[0]
    first.stride = (1, 1)
    return net, (2, 8, 8)


def run_theirs(net: nn.Module, x: torch.Tensor, step_mode: str) -> np.ndarray:
    functional.reset_net(net)
    with torch.no_grad():
        out = net(x) if step_mode == "m" else torch.stack([net(now) for now in x])
    functional.reset_net(net)
    return out.numpy()


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("make", [dense, convolutional])
@pytest.mark.parametrize("seed", range(12))
def test_graphs_and_spikes_both_ways(make: Any, step_mode: str, seed: int) -> None:
    torch.manual_seed(seed)
    net, shape = make(step_mode, np.random.default_rng(seed))
    x = torch.from_numpy(spikes(seed, (20, 3, *shape), 0.5)).float()
    example = x if step_mode == "m" else x[0]
    ours, own = export_to_nir(net, example), theirs.export_to_nir(net, example)
    same_graph(ours, own)
    expected = run_theirs(net, x, step_mode)
    found = float_.simulate(check(ours), x.numpy())
    np.testing.assert_array_equal(found[next(iter(check(ours).outputs))], expected)
    for graph in (ours, own):  # ours knows the dialect of its own graph; theirs must be told
        module = import_from_nir(graph, step_mode=step_mode, dialect="spikingjelly")
        np.testing.assert_array_equal(run(module, x, step_mode), expected)
    imported = theirs.import_from_nir(ours, step_mode=step_mode)
    np.testing.assert_array_equal(run(imported, x, step_mode), expected)


def run(module: Any, x: torch.Tensor, step_mode: str) -> np.ndarray:
    with torch.no_grad():
        if step_mode == "m":
            out = module(x, None)[0]
        else:
            state, outs = None, []
            for now in x:
                out, state = module(now, state)
                outs.append(out)
            out = torch.stack(outs)
    array: np.ndarray = out.numpy()
    return array


def same_graph(ours: nir.NIRGraph, own: nir.NIRGraph) -> None:
    assert list(ours.nodes) == list(own.nodes)
    assert sorted(ours.edges) == sorted(own.edges)
    for name, node in own.nodes.items():
        mine = ours.nodes[name]
        assert type(mine) is type(node), name
        for key, value in vars(node).items():
            if key in ("metadata",) or value is None:
                continue
            if isinstance(value, dict):
                for side, shape in value.items():
                    if shape is not None and getattr(mine, key).get(side) is not None:
                        np.testing.assert_array_equal(getattr(mine, key)[side], shape, err_msg=f"{name} {key}")
            elif not isinstance(value, str):
                np.testing.assert_allclose(getattr(mine, key), value, rtol=1e-6, err_msg=f"{name} {key}")


@pytest.mark.parametrize("kind", [neuron.IFNode, neuron.LIFNode, neuron.ParametricLIFNode, neuron.CUBALIFNode])
def test_a_soft_reset_is_kept(kind: Any) -> None:
    torch.manual_seed(1)
    options = {"c_decay": 0.5, "v_decay": 0.6} if kind is neuron.CUBALIFNode else {}
    net: Any = nn.Sequential(layer.Linear(6, 8), kind(v_reset=None, **options))
    net[0].weight.data.mul_(4)
    x = torch.from_numpy(spikes(3, (40, 2, 6), 0.5)).float()
    with pytest.raises(NotImplementedError, match="soft reset"):
        theirs.export_to_nir(net, x[0])
    graph = export_to_nir(net, x[0])
    expected = run_theirs(net, x, "s")
    assert expected.sum() > 20
    np.testing.assert_array_equal(float_.simulate(check(graph), x.numpy())["output"], expected)
    np.testing.assert_array_equal(run(import_from_nir(graph), x, "s"), expected)


def test_a_neuron_without_a_node_is_named() -> None:
    with pytest.raises(ExportError, match=r"no NIR node for 1 \(EIFNode\)"):
        export_to_nir(nn.Sequential(layer.Linear(3, 3), neuron.EIFNode()), torch.rand(2, 3))


def test_exporting_leaves_the_state_alone() -> None:
    net: Any = nn.Sequential(layer.Linear(3, 3), neuron.LIFNode())
    net(torch.ones(2, 3))
    before = net[1].v.clone()
    export_to_nir(net, torch.rand(5, 3))
    torch.testing.assert_close(net[1].v, before, rtol=0, atol=0)
