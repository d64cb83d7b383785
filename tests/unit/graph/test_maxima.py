"""Maxima over windows: of spikes as NIR has them, of currents as our own node; what is no maximum is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest
import torch

from nirdeploy.errors import DoesNotFit, GraphError
from nirdeploy.exchange import import_from_nir
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.extension import MaxPool2d
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.sim import float_, integer
from nirdeploy.targets import registry
from nirdeploy.targets.fitting import fit

WINDOW = (np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))


def given_input(*shape: int) -> nir.Input:
    return nir.Input({"input": np.array(shape)})


def given_output(*shape: int) -> nir.Output:
    return nir.Output({"output": np.array(shape)})


def conv(out: int, channels: int, seed: int = 0, bias: float = 0.1) -> nir.Conv2d:
    weight = np.random.default_rng(seed).normal(0.1, 0.6, (out, channels, 3, 3))
    return nir.Conv2d((8, 8), weight, 1, 1, 1, 1, np.full(out, bias))


def neurons(*shape: int) -> nir.LIF:
    one = np.ones(shape)
    return nir.LIF(tau=1e-3 * one, r=5 * one, v_leak=0 * one, v_threshold=0.6 * one, v_reset=0 * one)


def chain(*edges: tuple[str, str], **nodes: nir.NIRNode) -> nir.NIRGraph:
    return nir.NIRGraph(nodes, list(edges) or list(pairwise(nodes)), type_check=False)


def pooled_currents() -> nir.NIRGraph:
    """snnTorch's habit: convolution, pool, neurons."""
    return chain(
        x=given_input(2, 8, 8), c=conv(3, 2), p=MaxPool2d(*WINDOW), n=neurons(3, 4, 4), y=given_output(3, 4, 4)
    )


def spikes(seed: int, *shape: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < 0.3).astype(np.float64)


def test_a_projection_ends_in_the_maximum() -> None:
    (projection,) = check(pooled_currents()).projections
    assert projection.maximum is not None
    assert projection.maximum.out_shape == (3, 4, 4)
    x = spikes(0, 5, 128)
    image = torch.from_numpy(x.reshape(5, 2, 8, 8))
    own = torch.nn.functional.conv2d(image, torch.from_numpy(conv(3, 2).weight), padding=1)
    expected = torch.nn.functional.max_pool2d(own, 2).reshape(5, -1).numpy()
    np.testing.assert_allclose(projection.apply(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(check(pooled_currents()).population("n").bias, np.full((3, 4, 4), 0.1))


def test_padding_is_below_everything() -> None:
    """Where all that a window sees is negative, its maximum is, padded or not."""
    negative = nir.Conv2d((4, 4), -np.ones((1, 1, 1, 1)), 1, 0, 1, 1, np.zeros(1))
    pool = MaxPool2d(np.array([3, 3]), np.array([2, 2]), np.array([1, 1]))
    graph = check(chain(x=given_input(1, 4, 4), c=negative, p=pool, n=neurons(1, 2, 2), y=given_output(1, 2, 2)))
    np.testing.assert_array_equal(graph.projections[0].apply(np.ones(16)), -np.ones(4))


def test_float_integers_and_torch_agree() -> None:
    graph, x = check(pooled_currents()), spikes(1, 20, 2, 2, 8, 8)
    expected = float_.simulate(graph, x)["n"]
    assert 0.1 < expected.mean() < 0.9
    found, _ = import_from_nir(pooled_currents(), dtype=torch.float64, step_mode="m")(torch.from_numpy(x))
    np.testing.assert_array_equal(found.detach().numpy(), expected)
    wide = integer.simulate(quantize(graph, Formats(16, 40, 32, 20, shift_max=30)), x)["n"]
    assert (wide != expected).mean() < 0.01
    unpooled = check(
        chain(
            x=given_input(2, 8, 8), c=conv(3, 2), p=nir.SumPool2d(*WINDOW), n=neurons(3, 4, 4), y=given_output(3, 4, 4)
        )
    )
    assert (float_.simulate(unpooled, x)["n"] != expected).any()


def test_a_channel_has_one_unit_though_its_neurons_differ() -> None:
    """Otherwise the largest of the currents need not be the largest of the integers."""
    graph = pooled_currents()
    graph.nodes["n"].v_threshold = np.random.default_rng(3).uniform(0.2, 2000, (3, 4, 4))
    network = quantize(check(graph), Formats(8, 24, 24, 12))
    unit = network.projections[0].unit.reshape(3, -1)
    assert (unit == unit[:, :1]).all()
    assert len({float(u) for u in unit[:, 0]}) > 1


@pytest.mark.parametrize("load", [CheckedGraph, IntegerNetwork])
def test_it_is_kept_in_the_file_and_decides_the_digest(load: type, tmp_path: Path) -> None:
    graph = check(pooled_currents())
    saved = graph if load is CheckedGraph else quantize(graph, Formats(8, 24, 24, 12))
    saved.save(tmp_path / "saved")
    loaded = load.load(tmp_path / "saved")  # type: ignore[attr-defined]
    assert loaded.projections[0].maximum == saved.projections[0].maximum
    assert loaded.digest() == saved.digest()
    other = pooled_currents()
    other.nodes["p"].kernel_size = np.array([1, 2])
    assert check(other).digest() != graph.digest()


def test_maxima_of_spikes_are_sums_and_a_threshold() -> None:
    """Exact in all of float, integers and torch: what NIR has needs no extension."""
    spiking = neurons(3, 8, 8)
    graph = chain(
        x=given_input(2, 8, 8), c=conv(3, 2), n=spiking, s=nir.SumPool2d(*WINDOW),
        m=nir.Threshold(np.full((3, 4, 4), 0.5)), y=given_output(3, 4, 4),
    )  # fmt: skip
    graph.nodes["z"] = given_output(3, 8, 8)
    graph.edges.append(("n", "z"))
    x = spikes(2, 15, 2, 2, 8, 8)
    checked = check(graph)
    for record in (float_.simulate(checked, x), integer.simulate(quantize(checked, Formats(8, 24, 24, 12)), x)):
        before = torch.from_numpy(record["n"].astype(np.float64)).flatten(0, 1)
        expected = torch.nn.functional.max_pool2d(before, 2).reshape(15, 2, 3, 4, 4).numpy()
        assert 0 < expected.mean() < 1
        np.testing.assert_array_equal(record["m"], expected)


def test_a_positive_factor_and_a_flatten_behind_it_fold() -> None:
    scale = nir.Scale(np.repeat([0.5, 1.0, 2.0], 16).reshape(3, 4, 4))
    flat = nir.Flatten({"input": np.array([3, 4, 4])}, 0, -1)
    graph = chain(
        x=given_input(2, 8, 8), c=conv(3, 2), p=MaxPool2d(*WINDOW), s=scale, f=flat, n=neurons(48), y=given_output(48)
    )
    x = spikes(3, 6, 128)
    plain = check(pooled_currents()).projections[0].apply(x)
    np.testing.assert_allclose(check(graph).projections[0].apply(x), plain * scale.scale.ravel(), rtol=1e-12)


def test_channels_of_several_populations_are_maximized_apart() -> None:
    """A concatenation: each population in channels of its own."""
    first, second = conv(4, 2, seed=1, bias=0.0), conv(4, 2, seed=2, bias=0.0)
    first.weight[2:], second.weight[:2] = 0, 0
    edges = [("x", "a"), ("z", "b"), ("a", "p"), ("b", "p"), ("p", "n"), ("n", "y")]
    nodes = {"x": given_input(2, 8, 8), "z": given_input(2, 8, 8), "a": first, "b": second, "p": MaxPool2d(*WINDOW)}
    graph = check(chain(*edges, **nodes, n=neurons(4, 4, 4), y=given_output(4, 4, 4)))
    x, z = spikes(4, 3, 128), spikes(5, 3, 128)
    found = sum(p.apply(x if p.source == "x" else z) for p in graph.projections)
    each = [
        torch.nn.functional.conv2d(torch.from_numpy(v.reshape(3, 2, 8, 8)), torch.from_numpy(c.weight), padding=1)
        for v, c in ((x, first), (z, second))
    ]
    own = each[0] + each[1]
    np.testing.assert_allclose(found, torch.nn.functional.max_pool2d(own, 2).reshape(3, -1), rtol=1e-12, atol=1e-12)


FC = nir.Linear(np.ones((2, 48)))
FLAT = nir.Flatten({"input": np.array([3, 4, 4])}, 0, -1)
UNEVEN = conv(3, 3, seed=7)


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (
            chain(
                x=given_input(2, 8, 8), c=conv(3, 2), p=MaxPool2d(*WINDOW), f=FLAT, fc=FC, n=neurons(2),
                y=given_output(2),
            ),
            "node 'fc' works on a maximum over windows, with no neuron in between",
        ),
        (
            chain(
                x=given_input(2, 8, 8), c=conv(3, 2), p=MaxPool2d(*WINDOW), s=nir.Scale(-np.ones((3, 4, 4))),
                n=neurons(3, 4, 4), y=given_output(3, 4, 4),
            ),
            "node 's' works on a maximum",
        ),
        (
            chain(
                ("x", "a"), ("z", "b"), ("a", "p"), ("b", "p"), ("p", "n"), ("n", "y"),
                x=given_input(2, 8, 8), z=given_input(2, 8, 8), a=conv(3, 2), b=conv(3, 2, seed=1),
                p=MaxPool2d(*WINDOW), n=neurons(3, 4, 4), y=given_output(3, 4, 4),
            ),
            "node 'p' takes the maximum over windows of a sum",
        ),
        (
            chain(
                x=given_input(2, 8, 8), c=conv(3, 2), d=UNEVEN, p=MaxPool2d(*WINDOW), n=neurons(3, 4, 4),
                y=given_output(3, 4, 4),
            ),
            "node 'p' takes the maximum over windows where the biases differ within a channel",
        ),
        (
            chain(x=given_input(8), p=MaxPool2d(*WINDOW), n=neurons(4), y=given_output(4)),
            "node 'p' (MaxPool2d) takes (channels, height, width)",
        ),
    ],
    ids=["linear behind", "negative", "sum", "uneven bias", "no image"],
)  # fmt: skip
def test_what_no_projection_computes_is_refused(graph: nir.NIRGraph, said: str) -> None:
    with pytest.raises(GraphError) as caught:
        check(graph)
    assert said in str(caught.value)
    assert caught.value.hint or "channels" in said


def test_a_negative_gain_behind_it_is_refused_in_integers() -> None:
    graph = pooled_currents()
    graph.nodes["n"].r = -graph.nodes["n"].r
    with pytest.raises(DoesNotFit, match="multiplies the maximum over windows of c, p by a negative r"):
        quantize(check(graph), Formats(8, 24, 24, 12))


@pytest.mark.parametrize("target", registry.names())
def test_a_target_that_cannot_says_so(target: str) -> None:
    chosen = registry.load(target)
    if registry.backend_of(chosen).maxima(chosen):
        assert fit(pooled_currents(), target).fits
        return
    (problem,) = fit(pooled_currents(), target).problems
    assert problem.node == "x -> n"
    assert "takes the maximum over windows of currents (c, p)" in str(problem)
