"""Xylo: its dynamics against a scalar evaluation of the rendered configuration, its rounding, its diagnosis of silence.

The witness of the chip itself, the vendor's simulator, is in ``witnesses/test_xylo_witness.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.backends.xylo import decays, silence
from nirdeploy.backends.xylo.placement import place
from nirdeploy.backends.xylo.schema import Formats
from nirdeploy.backends.xylo.wiring import merged
from nirdeploy.errors import InputShapeError
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.semantics.operators import Dense
from nirdeploy.sim import float_, integer
from nirdeploy.targets.emit import emit
from tests.chips import xylo_networks as networks
from tests.chips.fits import chip_populations, network_of, placement_of
from tests.chips.table import Table
from tests.chips.xylo_networks import BACKEND, DT, NAMES, Drawn, built, states, target
from tests.chips.xylo_scalar import Chip, recorded
from tests.conftest import examples

FORMATS = target("xylo_a2").formats

# --- dynamics -------------------------------------------------------------------------


def on_paper(drawn: Drawn, network: IntegerNetwork, x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    placement = placement_of(place(network, drawn.target))
    BACKEND.validate(placement, network, drawn.target)
    configuration = json.loads(emit(drawn.target, network, placement)["configuration.json"])
    events = np.concatenate([values[:, 0] for values in x.values()], axis=1)
    return recorded(configuration, Chip(configuration).run(events))


@pytest.mark.law
def test_the_model_is_the_scalar_evaluation_of_the_configuration(table: Table) -> None:
    """Registers at random, every second network with so small a fan-out that many neurons need aliases."""
    tally = {"networks": 0, "values": 0, "spikes": 0, "aliases": 0, "saturated": 0, "mismatches": 0}

    @settings(max_examples=examples(100))
    @given(st.integers(0, 2**32 - 1))
    def law(seed: int) -> None:
        name = NAMES[seed % len(NAMES)]
        drawn = Drawn(seed, target(name, fan_out=4) if seed % 2 else target(name))
        network, x = drawn.network(), drawn.stimulus(25)
        ours, paper = states(network, x), on_paper(drawn, network, x)
        wrong = sum(int((ours.values[key] != values).sum()) for key, values in paper.items())
        tally["networks"] += 1
        tally["values"] += sum(values.size for values in paper.values())
        tally["spikes"] += sum(int(values.sum()) for key, values in paper.items() if key.startswith("spikes."))
        tally["aliases"] += len(placement_of(place(network, drawn.target)).layout["aliases"])
        tally["saturated"] += ours.saturations
        tally["mismatches"] += wrong
        assert wrong == 0

    law()
    counts = {name: tally[name] for name in ("networks", "values", "spikes", "mismatches")}
    table.compared("xylo", "a scalar evaluation of the configuration", **counts)
    assert tally["networks"] >= 100
    assert min(tally["spikes"], tally["saturated"], tally["aliases"]) > 300


def test_a_weight_changed_is_seen() -> None:
    """So that the comparison above is known to be able to fail."""
    drawn = Drawn(2, target("xylo_a2"))
    network, x = drawn.network(), drawn.stimulus(25)
    paper, (first, *others) = on_paper(drawn, network, x), network.projections
    other = replace(first, operator=Dense(first.weight + np.eye(*first.weight.shape, dtype=np.int32)))
    ours = states(replace(network, projections=(other, *others)), x).values
    assert any((ours[key] != values).any() for key, values in paper.items())


def test_more_events_than_a_channel_takes_are_refused() -> None:
    drawn = Drawn(1, target("xylo_a2"))
    x = {name: np.full_like(values, 15) for name, values in drawn.stimulus(3).items()}
    assert states(drawn.network(), x).values
    with pytest.raises(InputShapeError, match="has 16 events in one step, the chip takes 15 on a channel"):
        states(drawn.network(), {name: values + 1 for name, values in x.items()})


def test_samples_do_not_see_each_other() -> None:
    drawn = Drawn(4, target("xylo_a3"))
    network, x = drawn.network(), drawn.stimulus(40)
    other = drawn.stimulus(40)
    both = integer.simulate(network, {name: np.concatenate([other[name], x[name]], axis=1) for name in x})
    alone = integer.simulate(network, x)
    for name, spikes in alone.spikes.items():
        np.testing.assert_array_equal(both.spikes[name][:, 1], spikes[:, 0])


# --- decays ---------------------------------------------------------------------------


@pytest.mark.law
@given(st.floats(2.0, 30_000.0), st.floats(2.0, 30_000.0))
def test_time_constants_become_the_nearest_powers_of_two(membrane: float, synapse: float) -> None:
    """In steps; the error is what it says, and at most half an octave."""
    fitted = decays.fit(np.array([1 - 1 / membrane]), np.array([1 - 1 / synapse]), FORMATS)
    for tau, dash, error in (
        (membrane, fitted.dash_mem, fitted.membrane_error),
        (synapse, fitted.dash_syn, fitted.synapse_error),
    ):
        assert error[0] == pytest.approx(2.0 ** dash[0] / tau - 1, rel=1e-6, abs=1e-9)
        assert 2**-0.5 * 0.999 <= 2.0 ** dash[0] / tau <= 2**0.5 * 1.001


@pytest.mark.law
@settings(max_examples=examples(30))
@given(st.integers(0, 2**32 - 1))
def test_a_spike_brings_as_much_as_in_the_graph(seed: int) -> None:
    """Its current summed over all steps, in thresholds: whatever the dash is, but for the rounding of the weight."""
    graph = networks.graph(seed)
    network = built(graph).network
    for population in chip_populations(network):
        params, threshold = graph.population(population.name).params, population.registers["threshold"][:, None]
        # Euler: i' = (1 - dt/tau_syn) i + dt/tau_syn w_in I, dv = dt/tau_mem r i
        gain = params["w_in"] * params["r"] * DT / params["tau_mem"] / params["v_threshold"]
        into = network.into(population.name)
        matrices = {q.source: q.matrix() for q in merged(graph).into(population.name)}
        exact = np.concatenate([matrices[p.source] * gain[:, None] for p in into], axis=1)
        kept = 1 - 0.5 ** population.registers["dash_syn"]
        units = [np.ones(p.weight.shape) * 2.0**p.shift * (kept / (1 - kept))[:, None] / threshold for p in into]
        unit = np.concatenate(units, axis=1)
        weight = np.concatenate([p.weight for p in into], axis=1)
        # The threshold, one for all weights of the neuron, is nudged by no more than all of them err together.
        nudged = np.linalg.norm(unit * (exact != 0) / 2, axis=1) / np.linalg.norm(exact, axis=1)
        within = unit * (0.5 + np.abs(weight) * 0.6 / threshold) + np.abs(exact) * 1.1 * nudged[:, None]
        assert (np.abs(weight * unit - exact) <= within).all()
        assert np.median(nudged) < 0.05


def miscounted(graphs: Iterable[CheckedGraph]) -> float:
    """How far the spike counts of hidden neurons are from the float model's, as a part of all spikes."""
    wrong = total = 0
    for graph in graphs:
        x = (np.random.default_rng(0).random((200, 1, graph.population("in").size)) < 0.3).astype(np.uint8)
        build = built(graph)
        reference, found = float_.simulate(build.graph, x), nd.simulate(build, x).aligned()
        for name in ("h1", "h2"):
            counts = [r.spikes[name][: found.steps].sum(axis=(0, 1), dtype=np.int64) for r in (reference, found)]
            wrong += int(np.abs(counts[0] - counts[1]).sum())
            total += int(counts[0].sum())
    return wrong / total


def test_the_repair_of_the_time_constants_repairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against weights with which a spike adds in its step what it adds in the graph."""
    graphs = [networks.graph(seed, recurrent=False, multi=True) for seed in range(15)]
    fit, repaired = decays.fit, miscounted(graphs)

    def unrepaired(membrane: np.ndarray, synapse: np.ndarray, formats: Formats) -> decays.Decays:
        made = fit(membrane, synapse, formats)
        return replace(made, factor=1.0 / decays.kept_by(made.dash_syn))

    monkeypatch.setattr("nirdeploy.backends.xylo.rounding.fit", unrepaired)
    without = miscounted(graphs)
    print(f"xylo, spike counts off by {repaired:.1%} with the repair, {without:.1%} without")  # noqa: T201
    assert repaired < 0.05
    assert without > 4 * repaired


# --- registers ------------------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=examples(30))
@given(st.integers(0, 2**32 - 1))
def test_every_register_is_within_its_bits_and_the_report_says_what_was_done(seed: int) -> None:
    graph = networks.graph(seed)
    network = built(graph).network
    shifts: dict[str, set[int]] = {}
    for p in network.projections:
        kind = "input" if p.source == "in" else "output" if p.target == "out" else "hidden"
        shifts.setdefault(kind, set()).add(p.shift)
        assert np.abs(p.weight).max() <= 127
        assert p.delay == int(kind != "input")
    assert all(len(each) == 1 and max(each) <= 7 for each in shifts.values())
    for population, row in zip(chip_populations(network), network.report, strict=True):
        registers = population.registers
        assert row["threshold_min"] == registers["threshold"].min() >= 1
        assert row["threshold_max"] == registers["threshold"].max() <= 32767
        assert np.abs(registers["bias"]).max() <= 32767
        assert registers["dash_syn"].min() >= 1
        assert max(registers["dash_syn"].max(), registers["dash_mem"].max()) <= 15
        params = graph.population(population.name).params
        for key, dash, said in (
            ("tau_mem", "dash_mem", "tau_mem_error"),
            ("tau_syn", "dash_syn", "tau_syn_error"),
        ):
            errors = 2.0 ** registers[dash] * DT / params[key] - 1
            assert abs(float(row[said])) == pytest.approx(np.abs(errors).max(), abs=1e-9)
        assert row["cannot_spike"] == int((~silence.able(network)[population.name]).sum())
        assert row["latency"] == {"h1": 0, "h2": 1, "out": 2}[population.name]


def test_a_neuron_s_threshold_makes_good_what_rounding_its_weights_took() -> None:
    """One weight each: the ratio of weight and threshold is the graph's within the threshold's own half LSB."""
    weights = np.linspace(0.21, 0.93, 16)[:, None]
    graph = networks.chain([Dense(weights), Dense(np.full((2, 16), 0.4))], tau_syn=2.0, tau_mem=8.0)
    network = built(graph).network
    hidden, (p,) = network.on_chip("h1"), network.into("h1")
    ratio = p.weight[:, 0] * 2.0**p.shift / hidden.registers["threshold"]
    assert (np.abs(ratio / weights[:, 0] - 1) <= 0.51 / hidden.registers["threshold"]).all()
    assert hidden.registers["threshold"].min() > 50


def test_what_integers_stand_for_is_the_chip_but_for_its_own_rounding() -> None:
    """The float model of the registers: with powers of two and thresholds far above an LSB it spikes as the chip."""
    graph = networks.graph(11, powers=True, multi=True)
    build = built(graph)
    x = (np.random.default_rng(1).random((150, 1, graph.population("in").size)) < 0.3).astype(np.uint8)
    why = nd.explain(build.graph, build.network, x)
    state = next(cause for cause in why.causes if cause.rounding == "state")
    decay = next(cause for cause in why.causes if cause.rounding == "decay")
    assert set(decay.differing.values()) == {0}
    assert state.differing["h1"] <= 0.01 * 150 * graph.population("h1").size
    assert nd.simulate(build, x).spikes["h1"].sum() > 200


def test_a_constant_current_is_a_bias() -> None:
    graph = networks.chain([Dense(np.eye(3)), Dense(np.ones((2, 3)))], tau_syn=2.0, tau_mem=8.0, bias=0.05)
    network = built(graph).network
    for population in chip_populations(network):
        np.testing.assert_array_equal(population.registers["bias"], np.rint(0.05 * population.registers["threshold"]))
    record = nd.simulate(built(graph), np.zeros((100, 1, 3), dtype=np.uint8))
    assert record.spikes["h1"].sum() == 0  # it settles at 0.05 x 8 thresholds
    assert [row["start_error"] for row in network.report] == [0.0, pytest.approx(0.05, rel=0.05)]


def test_parallel_projections_become_one_synapse() -> None:
    a, b = np.random.default_rng(0).normal(0, 0.5, (2, 4, 3))
    graph = networks.chain([Dense(a), Dense(np.ones((2, 4)))], tau_syn=2.0, tau_mem=8.0)
    twice = replace(graph, projections=(graph.projections[0], Projection("in", "h1", Dense(b)), graph.projections[1]))
    once = replace(graph, projections=(Projection("in", "h1", Dense(a + b)), graph.projections[1]))
    chip = target("xylo_a2")
    found, wanted = BACKEND.fit(twice, chip), BACKEND.fit(once, chip)
    assert found.fits
    assert network_of(found).digest() == network_of(wanted).digest()


# --- silence --------------------------------------------------------------------------


def silent(graph: CheckedGraph) -> str:
    fit = BACKEND.fit(graph, target("xylo_a2"))
    assert fit.network is None
    assert all("emits nothing" in str(problem) for problem in fit.problems)
    return "; ".join(map(str, fit.problems))


def test_weights_that_all_round_to_zero() -> None:
    """Two populations share the shift of the hidden matrix; what sets it leaves nothing of the other's weights."""
    graph = networks.chain([Dense(np.eye(3)), Dense(np.full((3, 3), 1e-7)), Dense(np.eye(3))], tau_syn=2, tau_mem=8)
    message = silent(graph)
    assert "node 'h2' emits nothing" in message
    assert "node 'out' emits nothing: what feeds it ('h2') emits nothing; mend that first" in message


def test_a_membrane_that_never_reaches_its_threshold() -> None:
    """At most one event a step: 0.1 settles at 0.1 tau_mem = 0.8 thresholds, 0.135 passes."""
    for weight, reaches in ((0.1, False), (0.135, True)):
        graph = networks.chain([Dense(np.full((3, 1), weight)), Dense(np.eye(3))], tau_syn=2.0, tau_mem=8.0)
        if reaches:
            assert silence.able(network_of(BACKEND.fit(graph, target("xylo_a2"))))["h1"].all()
        else:
            assert "node 'h1' emits nothing: with all the spikes there can be its membrane reaches 0.8" in silent(graph)


def test_inhibition_alone() -> None:
    graph = networks.chain([Dense(-np.eye(3)), Dense(np.eye(3))], tau_syn=2.0, tau_mem=8.0)
    assert "'h1' emits nothing: it has no excitatory weight and no bias; train it with some" in silent(graph)


def test_a_bias_is_enough() -> None:
    graph = networks.chain([Dense(-np.eye(3)), Dense(np.eye(3))], tau_syn=2.0, tau_mem=8.0, bias=0.2)
    network = network_of(BACKEND.fit(graph, target("xylo_a2")))
    assert silence.able(network)["h1"].all()


@pytest.mark.law
@settings(max_examples=examples(20))
@given(st.integers(0, 2**32 - 1))
def test_what_cannot_spike_never_does(seed: int) -> None:
    """Thresholds high, all inputs at their most in every step."""
    network = strained(Drawn(seed, target("xylo_a2")))
    found = states(network, full(network)).values
    for name, can in silence.able(network).items():
        assert not found[f"spikes.{name}"][:, ~can].any()


@pytest.mark.law
@settings(max_examples=examples(20))
@given(st.integers(0, 2**32 - 1))
def test_what_can_spike_does_where_nothing_inhibits(seed: int) -> None:
    """The first population, without what comes back to it; but for neurons that need more steps than are run."""
    network = strained(Drawn(seed, target("xylo_a2")))
    first = network.populations[0].name
    ways = [p for p in network.projections if p.target != first or p.source.startswith("input")]
    ways = [replace(p, operator=Dense(np.maximum(p.weight, 0))) for p in ways]
    network = replace(network, projections=tuple(ways))
    registers = network.on_chip(first).registers
    slow = np.maximum(registers["dash_mem"], registers["dash_syn"]) > 4
    spikes = states(network, full(network)).values[f"spikes.{first}"].any(axis=0)
    assert ((spikes == silence.able(network)[first]) | slow).all()


def strained(drawn: Drawn) -> IntegerNetwork:
    """With thresholds that many neurons do not reach."""
    network = drawn.network()
    own = chip_populations(network)
    high = [{**p.registers, "threshold": drawn.rng.integers(2000, 32768, p.size)} for p in own]
    populations = [replace(p, registers=registers) for p, registers in zip(own, high, strict=True)]
    return replace(network, populations=tuple(populations))


def full(network: IntegerNetwork) -> dict[str, np.ndarray]:
    return {name: np.full((200, 1, *shape), 15, dtype=np.uint8) for name, shape in network.inputs}


def test_a_threshold_that_is_met_exactly() -> None:
    drawn = Drawn(0, target("xylo_a2"))
    network = drawn.network()
    (first, *others) = chip_populations(network)
    into = replace(network, populations=(replace(first, registers={**first.registers, **_never(first.size)}), *others))
    most = silence.peak(into, into.on_chip(first.name), silence.able(into))
    for more, can in ((0, True), (1, False)):
        registers = {**first.registers, **_never(first.size), "threshold": np.maximum(most + more, 1)}
        made = replace(into, populations=(replace(first, registers=registers), *others))
        reaches = silence.peak(made, made.on_chip(first.name), silence.able(made)) >= registers["threshold"]
        assert (reaches[most > 0] == can).all()


def _never(size: int) -> dict[str, np.ndarray]:
    """Small dashes, no bias, a threshold at the end of the register."""
    return {
        "threshold": np.full(size, 32767),
        "dash_mem": np.full(size, 2),
        "dash_syn": np.full(size, 1),
        "bias": np.zeros(size, dtype=np.int64),
    }


def test_what_no_threshold_holds_is_refused() -> None:
    graph = networks.chain([Dense(np.full((3, 1), 1e6)), Dense(np.eye(3))], tau_syn=2.0, tau_mem=8.0)
    (problem,) = BACKEND.fit(graph, target("xylo_a2")).problems
    assert problem.node == "h1"
    assert "node 'h1' has 3 neuron(s) whose threshold register would be below 1" in str(problem)


def test_shifts_are_large_enough_for_the_largest_weight() -> None:
    """One neuron of 200 has weights of 300 thresholds; the others, which need no shift, do not outvote it."""
    weights = np.full((200, 3), 0.02)
    weights[7] = 300.0
    graph = networks.chain([Dense(weights), Dense(np.full((2, 200), 0.3))], tau_syn=2.0, tau_mem=8.0)
    network = network_of(BACKEND.fit(graph, target("xylo_a2")))
    (p,) = network.into("h1")
    assert p.shift >= 2
    assert network.on_chip("h1").registers["threshold"][7] >= 1
    assert (p.weight[7] << p.shift >= 300 * network.on_chip("h1").registers["threshold"][7] * 0.95).all()
