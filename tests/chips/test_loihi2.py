"""Loihi 2: the neuron, its connections and delays, the rounding and the start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.backends.loihi2.dynamics import wrap
from nirdeploy.backends.loihi2.synapses import connection, mantissas
from nirdeploy.errors import InputShapeError
from nirdeploy.graph.parts import Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Pool
from nirdeploy.sim import float_, integer
from nirdeploy.targets import registry as targets
from tests.chips.fits import chip_populations
from tests.chips.loihi2_networks import DT, network, stimulus
from tests.chips.table import Table
from tests.conftest import examples
from tests.networks import two_layers

TARGET = targets.load("loihi2")
DIALECT = f"nir,dt={DT}"
SEEDS = st.integers(0, 2**32 - 1)


def built(seed: int, input_bits: int = 1) -> nd.Build:
    return nd.build(network(seed), TARGET, dialect=DIALECT, input_bits=input_bits)


def latency(net: IntegerNetwork) -> dict[str, int]:
    return {p.name: p.latency for p in net.populations}


def simulated(net: IntegerNetwork, x: Any) -> SpikeRecord:
    return integer.simulate(net, x, membrane=[p.name for p in net.populations])


# --- the neuron -----------------------------------------------------------------------


def scalar_run(net: IntegerNetwork, x: np.ndarray) -> dict[str, list[list[tuple[int, int]]]]:
    """An evaluation of its own: one neuron at a time, in Python's integers. By population (steps, neurons) of
    (spike, membrane)."""
    populations = chip_populations(net)
    matrices = {id(p): p.matrix().astype(int).tolist() for p in net.projections}
    spikes: dict[str, list[list[int]]] = {net.inputs[0][0]: x.reshape(len(x), -1).tolist()}
    spikes |= {p.name: [] for p in populations}
    state = {
        p.name: [[int(u), int(v)] for u, v in zip(p.registers["u"], p.registers["v"], strict=True)] for p in populations
    }
    seen: dict[str, list[list[tuple[int, int]]]] = {p.name: [] for p in populations}
    for t in range(len(x)):
        for p in populations:
            row = []
            for n in range(p.size):
                a = 0
                for q in net.into(p.name):
                    if t >= q.delay:
                        sent = spikes[q.source][t - q.delay]
                        a += sum(w * s for w, s in zip(matrices[id(q)][n], sent, strict=True)) << q.shift
                u, v = state[p.name][n]
                u = scalar_decay(u, 4096 - int(p.registers["du"]) - 1) + (a << 6)
                if u > 1 << 23:
                    u -= 1 << 24
                elif u <= -(1 << 23):
                    u += 1 << 24
                bias = int(p.registers["bias_mant"][n]) << int(p.registers["bias_exp"][n])
                v = scalar_decay(v, 4096 - int(p.registers["dv"])) + u + bias
                v = max(-(2**23) + 1, min(2**23 - 1, v))
                fires = v > int(p.registers["vth"]) << 6
                state[p.name][n] = [u, 0 if fires else v]
                row.append((int(fires), state[p.name][n][1]))
            spikes[p.name].append([fires for fires, _ in row])
            seen[p.name].append(row)
    return seen


def scalar_decay(value: int, keeps: int) -> int:
    return (1 if value >= 0 else -1) * (abs(value) * keeps // 4096)


@pytest.mark.law
@settings(max_examples=examples(100))
@given(SEEDS, st.booleans())
def test_the_dynamics_are_the_scalar_ones(table: Table, seed: int, strained: bool) -> None:
    net = built(seed).network
    if strained:  # with exponents that the quantizer never takes, so that currents wrap
        net = replace(net, projections=tuple(replace(p, shift=9) for p in net.projections))
    x = stimulus(network(seed), seed, steps=10)
    found = simulated(net, x)
    wrong = values = spikes = 0
    for name, rows in scalar_run(net, x[:, 0]).items():
        expected = np.array(rows)
        ours = np.stack([found.spikes[name].reshape(10, -1), found.membrane[name].reshape(10, -1)], axis=-1)
        wrong += int((ours != expected).sum())
        values, spikes = values + expected.size, spikes + int(expected[..., 0].sum())
    table.compared("loihi2", "a scalar evaluation", networks=1, values=values, spikes=spikes, mismatches=wrong)
    assert wrong == 0


def test_a_current_wraps_where_lava_s_does() -> None:
    half = 1 << 23
    values = np.array([half, half + 1, -half, -half + 1, 0])
    inside, wrapped = wrap(values, 24)
    assert inside.tolist() == [half, 1 - half, half, 1 - half, 0]
    assert wrapped.tolist() == [False, True, True, False, False]


def test_a_count_where_spikes_are_binary_is_an_error() -> None:
    build = nd.build(two_layers(), TARGET)
    x = np.full((3, 1, 20), 2, dtype=np.uint8)
    with pytest.raises(InputShapeError, match="'input' sends 2 in one step, the network was built for at most 1"):
        nd.simulate(build, x)
    graded = nd.build(two_layers(), TARGET, input_bits=2)
    assert nd.simulate(graded, x).spikes["lif1"].shape == (3, 1, 30)


# --- connections ----------------------------------------------------------------------


@st.composite
def images(draw: st.DrawFn) -> tuple[Pool | None, Convolution]:
    """A convolution of any padding, stride, dilation and grouping, at times of a pooled image."""
    small, pads = st.integers(1, 3), st.integers(0, 2)
    shape = (draw(st.sampled_from([1, 2, 4])), draw(st.integers(3, 9)), draw(st.integers(3, 9)))
    pool = None
    if draw(st.booleans()):
        pool = Pool(
            shape,
            (draw(small), draw(small)),
            (draw(small), draw(small)),
            ((draw(pads), draw(pads)), (draw(pads), draw(pads))),
        )
        assume(min(pool.out_shape) >= 1)
        shape = pool.out_shape
    groups = draw(st.sampled_from([1, shape[0]]))
    rng = np.random.default_rng(draw(SEEDS))
    weight = rng.normal(size=(groups * draw(small), shape[0] // groups, draw(small), draw(small)))
    conv = Convolution(
        weight,
        shape,
        (draw(small), draw(small)),
        ((draw(pads), draw(pads)), (draw(pads), draw(pads))),
        (draw(small), draw(small)),
        groups,
    )
    assume(min(conv.out_shape) >= 1)
    return pool, conv


@pytest.mark.law
@settings(max_examples=examples(300))
@given(images(), SEEDS)
def test_a_connection_computes_pool_and_kernel_in_one(image: tuple[Pool | None, Convolution], seed: int) -> None:
    pool, conv = image
    p = Projection("a", "b", conv, pool=pool)
    operator = connection(p, late=False)
    x = np.random.default_rng(seed).normal(size=(3, p.inputs))
    if operator is None:  # a border that only a matrix has
        assert pool is not None
        return
    assert isinstance(operator, Convolution)
    assert all(first == last for first, last in operator.padding)
    np.testing.assert_allclose(operator.apply(x), p.apply(x), atol=1e-9)


def test_common_pools_fold_into_kernels() -> None:
    pool = Pool((2, 8, 8), (2, 2), (2, 2))
    kernel = Convolution(np.ones((3, 2, 3, 3)), (2, 4, 4), padding=((1, 1), (1, 1)))
    folded = connection(Projection("a", "b", kernel, pool=pool), late=False)
    assert isinstance(folded, Convolution)
    assert (folded.weight.shape, folded.stride, folded.padding) == ((3, 2, 6, 6), (2, 2), ((2, 2), (2, 2)))
    alone = connection(Projection("a", "b", Elementwise(np.full(32, 0.25)), pool=pool), late=False)
    assert isinstance(alone, Convolution)
    assert (alone.groups, alone.weight.shape) == (2, (2, 1, 2, 2))
    assert connection(Projection("a", "b", kernel, pool=pool), late=True) is None
    assert connection(Projection("a", "b", Dense(np.ones((3, 32))), pool=pool), late=False) is None


@pytest.mark.law
@given(st.lists(st.floats(-300, 300), min_size=1, max_size=20))
def test_mantissas_of_mixed_signs_are_even(values: list[float]) -> None:
    weight = np.array(values)
    allowed = mantissas(weight, 8)
    rounded = allowed.rounded(weight)
    mixed = weight.min() < 0 < weight.max()
    assert (allowed.sign_mode == "mixed") == mixed
    # What lava does to them, an arithmetic shift, leaves them as they are.
    np.testing.assert_array_equal((rounded >> int(mixed)) << int(mixed), rounded)
    assert allowed.lowest <= rounded.min()
    assert rounded.max() <= allowed.highest
    if allowed.overrun(weight) <= 1:
        assert np.abs(rounded - weight).max() <= allowed.step / 2


# --- delays ---------------------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=examples(60))
@given(SEEDS)
def test_every_connection_takes_a_step_and_the_alignment_undoes_it(seed: int) -> None:
    """The float graph with the chip's delays, cut by the latencies, is the float graph: delays alone change nothing."""
    build = built(seed)
    late = [p.delay for p in build.network.projections]
    assert min(late) >= 1
    graph = build.graph
    delayed = replace(
        graph,
        projections=tuple(replace(p, delay=delay) for p, delay in zip(graph.projections, late, strict=True)),
        populations=tuple(replace(p, bias=0 * p.bias, params=_without_leak(p.params)) for p in graph.populations),
    )
    plain = replace(delayed, projections=graph.projections)
    x = stimulus(network(seed), seed)
    shifted = replace(float_.simulate(delayed, x), latency=latency(build.network)).aligned()
    expected = float_.simulate(plain, x)
    assert shifted.steps == 30 - max(latency(build.network).values())
    for name, spikes in shifted.spikes.items():
        np.testing.assert_array_equal(spikes, expected.spikes[name][: shifted.steps])


def _without_leak(params: Any) -> dict[str, np.ndarray]:
    return {name: 0 * values if name == "v_leak" else values for name, values in params.items()}


def test_the_dialect_of_lava_has_the_chip_s_delays() -> None:
    """Where a connection takes a step in the graph too, nothing lags."""
    build = nd.build(two_layers(), TARGET, dialect="nir,connection_delay=true")
    assert latency(build.network) == {"lif1": 0, "lif2": 0}
    assert [p.delay for p in build.network.projections] == [1, 1]


# --- rounding -------------------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=examples(60))
@given(SEEDS, st.sampled_from([1, 8]))
def test_what_the_quantizer_guarantees(seed: int, input_bits: int) -> None:
    """Mantissas fit; with every spike at its worst no activation overflows and no current wraps."""
    build = built(seed, input_bits)
    f = TARGET.formats
    for population in chip_populations(build.network):
        assert 1 <= int(population.registers["vth"]) <= f.threshold_max
        assert np.abs(population.registers["bias_mant"]).max() <= f.bias_max
        assert population.registers["bias_exp"].min() >= 0
        assert population.registers["bias_exp"].max() <= f.bias_exponent_max
        assert 0 <= int(population.registers["du"]) < f.unity
        assert 0 <= int(population.registers["dv"]) < f.unity
        exact = build.graph.population(population.name).params["v_threshold"].ravel()
        np.testing.assert_allclose(population.threshold * population.scale, exact)
        up, down = np.zeros(population.size), np.zeros(population.size)
        for p in build.network.into(population.name):
            allowed = mantissas(p.weight, f.weight_bits)
            assert allowed.lowest <= p.weight.min()
            assert p.weight.max() <= allowed.highest
            assert not (p.weight % allowed.step).any()
            assert 0 <= p.shift <= (0 if isinstance(p.operator, Convolution) else f.weight_exponent_max)
            most = 2**input_bits - 1 if p.source == "input" else 1
            matrix = p.matrix() * 2.0**p.shift * most
            up, down = up + np.maximum(matrix, 0).sum(axis=1), down - np.minimum(matrix, 0).sum(axis=1)
        worst = np.maximum(up, down)
        keeps = (f.unity - int(population.registers["du"]) - 1) / f.unity
        assert worst.max() <= f.activation_max
        assert ((worst / (1 - keeps) + np.abs(population.registers["u"]) / 64) * 64 <= f.state_max * 1.02).all()


def test_a_weight_fills_its_mantissa() -> None:
    """The largest of a population's weights, wherever no other register stops the scale before."""
    fills = [
        max(mantissas(p.weight, 8).overrun(p.weight) for p in net.into(population.name))
        for net in (built(seed).network for seed in range(60))
        for population in net.populations
    ]
    assert np.mean(np.array(fills) > 0.95) > 0.9


def test_the_chip_stays_close_to_the_graph() -> None:
    """Over a hundred random networks less than 1.5 % of all cells differ."""
    cells = differing = 0
    for seed in range(100):
        build, x = built(seed), stimulus(network(seed), seed)
        record = nd.simulate(build, x).aligned()
        reference = float_.simulate(build.graph, x)
        for name, spikes in record.spikes.items():
            differing += int((spikes != reference.spikes[name][: record.steps]).sum())
            cells += spikes.size
    assert cells > 80_000
    assert differing < 0.015 * cells


# --- the start ------------------------------------------------------------------------


def test_biases_do_not_run_ahead_of_the_signal() -> None:
    """A layer of latency L has its bias L steps early; its registers start where that leads to the graph's start."""
    with_start = without = cells = 0
    for seed in range(60):
        build, x = built(seed), stimulus(network(seed), seed)
        reference = float_.simulate(build.graph, x)
        plain = replace(
            build.network,
            populations=tuple(
                replace(p, registers={**p.registers, "u": 0 * p.registers["u"], "v": 0 * p.registers["v"]})
                for p in chip_populations(build.network)
            ),
        )
        found = simulated(build.network, x).aligned()
        bare = simulated(plain, x).aligned()
        for name, spikes in found.spikes.items():
            expected = reference.spikes[name][: found.steps]
            with_start += int((spikes != expected).sum())
            without += int((bare.spikes[name] != expected).sum())
            cells += spikes.size
    assert 3 * with_start < without


def test_a_synapse_with_a_constant_current_starts_as_the_graph_s() -> None:
    """The chip's bias does not pass the synapse: a current that fades in its place makes up for the start."""
    params = {"tau_syn": 8e-4, "tau_mem": 1e-3, "w_in": 8.0, "r": 4.0}
    params |= {"v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    neurons = nir.CubaLIF(**{name: np.full(4, value) for name, value in params.items()})
    affine = nir.Affine(np.zeros((4, 2)), np.array([0.05, 0.1, -0.2, 0.2]))
    nodes = {"input": nir.Input({"input": np.array([2])}), "fc": affine, "lif": neurons}
    nodes["output"] = nir.Output({"output": np.array([4])})
    graph = nir.NIRGraph(nodes, [("input", "fc"), ("fc", "lif"), ("lif", "output")], type_check=False)
    build = nd.build(graph, TARGET, dialect=DIALECT)
    x = np.zeros((40, 1, 2), dtype=np.uint8)
    found = simulated(build.network, x).aligned()
    reference = float_.simulate(build.graph, x, membrane=["lif"])
    np.testing.assert_array_equal(found.spikes["lif"], reference.spikes["lif"][:39])
    np.testing.assert_allclose(found.volts("lif"), reference.membrane["lif"][:39], rtol=2e-3, atol=1e-4)
