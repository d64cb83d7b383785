"""Xylo: placement, what is rendered, read back and run; and the way through the command line."""

from __future__ import annotations

import itertools
import json
import runpy
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.backends.xylo import wiring
from nirdeploy.backends.xylo.placement import place
from nirdeploy.errors import InternalError
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.operators import Dense
from nirdeploy.targets.emit import emit
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target
from tests.chips import xylo_networks as networks
from tests.chips.fits import chip_populations, network_of, placement_of
from tests.chips.xylo_networks import BACKEND, NAMES, Drawn, built, chain, states, target
from tests.chips.xylo_scalar import Chip, recorded
from tests.conftest import examples
from tests.unit.cli.conftest import Cli, Outcome

#: For all aliases, wherever they stand.
ROOM = {"hidden": 2000, "input_reach": 2000, "output_reach": 2000, "hidden_weights": 32_000}

# --- placement ------------------------------------------------------------------------


def test_memory_and_numbers_by_hand() -> None:
    """3 inputs, 4 + 5 hidden, 2 outputs: 4 x 5 + 5 x 2 synapses, less the one that is zero."""
    first = np.full((4, 3), 0.4)
    second = np.full((5, 4), 0.3)
    second[2, 1] = 0
    graph = chain([Dense(first), Dense(second), Dense(np.full((2, 5), 0.4))], tau_syn=2.0, tau_mem=8.0)
    placement = built(graph).placement
    (core,) = placement.cores
    assert core.used == {"inputs": 3, "hidden": 9, "outputs": 2, "fan_out": 5, "hidden_weights": 29}
    assert core.limits == {"inputs": 16, "hidden": 1000, "outputs": 8, "fan_out": 64, "hidden_weights": 32_000}
    assert placement.layout == {
        "inputs": {"in": [0, 1, 2]},
        "hidden": {"h1": [0, 1, 2, 3], "h2": [4, 5, 6, 7, 8]},
        "outputs": {"out": [0, 1]},
        "hidden_neurons": 9,
        "aliases": [],
    }


def test_aliases_by_hand() -> None:
    """Fan-outs of 5, 5, 5, 2 where a neuron has 2 synapses: two aliases each but for the last, right behind it."""
    weight = np.full((5, 4), 0.3)
    weight[2:, 3] = 0
    graph = chain([Dense(np.eye(4)), Dense(weight), Dense(np.ones((2, 5)))], tau_syn=2.0, tau_mem=8.0)
    network, chip = built(graph).network, target("xylo_a2", fan_out=2)
    placement = placement_of(place(network, chip))
    assert placement.layout["hidden"] == {"h1": [0, 3, 6, 9], "h2": [10, 11, 12, 13, 14]}
    assert placement.layout["aliases"] == [[0, 1], [1, 2], [3, 4], [4, 5], [6, 7], [7, 8]]
    assert placement.cores[0].used == {"inputs": 4, "hidden": 15, "outputs": 2, "fan_out": 2, "hidden_weights": 27}
    configuration = json.loads(emit(chip, network, placement)["configuration.json"])
    assert [len(row) for row in configuration["synapses"]["hidden"]] == [2, 2, 1, 2, 2, 1, 2, 2, 1, 2, 0, 0, 0, 0, 0]
    assert configuration["alias"] == [1, 2, -1, 4, 5, -1, 7, 8, -1, -1, -1, -1, -1, -1, -1]


@pytest.mark.law
@settings(max_examples=examples(150))
@given(st.data())
def test_an_order_of_the_populations_is_found_wherever_there_is_one(data: st.DataObject) -> None:
    """Against all orders: inputs must lead to the first neurons, outputs be read from the last."""
    names = "abcde"[: data.draw(st.integers(1, 5))]
    sizes = {name: data.draw(st.integers(1, 9)) for name in names}
    entered = set(data.draw(st.lists(st.sampled_from(names), min_size=1)))
    leaving = set(data.draw(st.lists(st.sampled_from(names), min_size=1)))
    total = sum(sizes.values())
    reach, read = data.draw(st.integers(1, total)), data.draw(st.integers(1, total))

    def works(order: tuple[str, ...]) -> bool:
        last = dict(zip(order, itertools.accumulate(sizes[n] for n in order), strict=True))
        into = all(last[name] <= reach for name in entered)
        return into and all(total - last[name] + sizes[name] <= read for name in leaving)

    synapses = [wiring.Synapses("in", name, np.ones((sizes[name], 1), dtype=bool)) for name in entered]
    synapses += [wiring.Synapses(name, "out", np.ones((1, sizes[name]), dtype=bool)) for name in leaving]
    hardware = target("xylo_a2", input_reach=reach, output_reach=read).hardware
    found = wiring.wired({"in": 1}, {**sizes, "out": 1}, ["out"], tuple(synapses), hardware)
    assert works(tuple(found.hidden)) == any(works(order) for order in itertools.permutations(names))


@pytest.mark.law
@settings(max_examples=examples(30))
@given(st.integers(0, 2**32 - 1))
def test_every_neuron_has_a_number_of_its_own_and_no_more_synapses_than_the_chip(seed: int) -> None:
    drawn = Drawn(seed, target(NAMES[seed % 3], fan_out=1 + seed % 7, **ROOM))
    network = drawn.network()
    placement = placement_of(place(network, drawn.target))
    BACKEND.validate(placement, network, drawn.target)
    configuration = json.loads(emit(drawn.target, network, placement)["configuration.json"])
    numbers = [n for p in configuration["populations"] if p["kind"] == "hidden" for n in p["numbers"]]
    copies = [copy for copy in configuration["alias"] if copy >= 0]
    assert sorted([*numbers, *copies]) == list(range(placement.layout["hidden_neurons"]))
    fan_outs = [
        len(hidden) + len(output)
        for hidden, output in zip(configuration["synapses"]["hidden"], configuration["synapses"]["output"], strict=True)
    ]
    assert max(fan_outs) <= placement.cores[0].limits["fan_out"] == 1 + seed % 7
    assert sum(fan_outs) == placement.cores[0].used["hidden_weights"]


def test_a_placement_that_does_not_hold_is_seen() -> None:
    network, chip = Drawn(3, target("xylo_a2")).network(), target("xylo_a2")
    placement = placement_of(place(network, chip))
    hidden = dict(placement.layout["hidden"])
    name = next(iter(hidden))
    hidden[name] = [hidden[name][1], *hidden[name][1:]]
    with pytest.raises(InternalError, match="do not have a number each"):
        BACKEND.validate(replace(placement, layout={**placement.layout, "hidden": hidden}), network, chip)
    late = tuple(replace(p, delay=1) for p in network.projections)
    with pytest.raises(InternalError, match="have other delays than the chip"):
        validated(replace(network, projections=late), placement, chip)
    turned = tuple(reversed(network.projections))
    with pytest.raises(InternalError, match="not in the order of the chip's numbers"):
        validated(replace(network, projections=turned), placement, chip)


def validated(network: IntegerNetwork, placement: Placement, chip: Target) -> None:
    BACKEND.validate(replace(placement, network=network.digest()), network, chip)


# --- rendered -------------------------------------------------------------------------


def rebuilt(text: bytes, model: IntegerNetwork) -> IntegerNetwork:
    """The integer network that a configuration describes; what is no register is taken from ``model``."""
    kept = json.loads(text)
    populations = []
    for entry, own in zip(kept["populations"], chip_populations(model), strict=True):
        registers = {name: np.array(values)[entry["numbers"]] for name, values in kept[entry["kind"]].items()}
        limits = {"spikes_max": own.registers["spikes_max"], "events_max": np.array(kept["input_events"])}
        changes = {"threshold": registers["threshold"] - 1, "registers": {**registers, **limits}}
        about = {"name": entry["name"], "shape": tuple(entry["shape"]), "latency": entry["latency"]}
        populations.append(replace(own, **about, **changes))
    where = {e["name"]: e["numbers"] for e in (*kept["inputs"], *kept["populations"])}
    outputs = {e["name"] for e in kept["populations"] if e["kind"] == "output"}
    projections = []
    for p in model.projections:
        kind = "input" if p.source in dict(model.inputs) else "output" if p.target in outputs else "hidden"
        weight = np.zeros((len(where[p.target]), len(where[p.source])), dtype=np.int32)
        for column, number in enumerate(where[p.source]):
            for neuron, value in synapses_of(kept, kind, number):
                if neuron in where[p.target]:
                    weight[where[p.target].index(neuron), column] = value
        projections.append(replace(p, operator=Dense(weight), shift=kept["weight_shift"][kind]))
    inputs = tuple((e["name"], tuple(e["shape"])) for e in kept["inputs"])
    return replace(
        model,
        target=kept["target"],
        populations=tuple(populations),
        projections=tuple(projections),
        inputs=inputs,
        outputs=kept["outputs"],
        dt=kept["dt"],
    )


def synapses_of(kept: Mapping[str, Any], kind: str, number: int) -> Iterator[list[int]]:
    """A source's, with those that its aliases hold for it."""
    while number >= 0:
        yield from kept["synapses"][kind][number]
        number = -1 if kind == "input" else kept["alias"][number]


@pytest.mark.law
@settings(max_examples=examples(30))
@given(st.integers(0, 2**32 - 1))
def test_the_configuration_holds_the_whole_network(seed: int) -> None:
    chip = target(NAMES[seed % 3], fan_out=8) if seed % 2 else target(NAMES[seed % 3])
    for network in (Drawn(seed, chip).network(), network_of(BACKEND.fit(networks.graph(seed), chip))):
        artifacts = emit(chip, network, placement_of(place(network, chip)))
        text = artifacts["configuration.json"]
        assert rebuilt(text, network).digest() == network.digest() == json.loads(text)["network"]
        assert artifacts.digest() == emit(chip, network, placement_of(place(network, chip))).digest()


def test_names_are_data_and_never_code() -> None:
    name = 'h"]; import os # \n</script>{{ x }}'
    graph = chain([Dense(np.eye(3)), Dense(np.eye(3))], tau_syn=2.0, tau_mem=8.0)
    ways = (replace(graph.projections[0], target=name), replace(graph.projections[1], source=name))
    populations = tuple(replace(p, name=name) if p.name == "h1" else p for p in graph.populations)
    chip = target("xylo_imu")
    network = network_of(BACKEND.fit(replace(graph, populations=populations, projections=ways), chip))
    configuration = json.loads(emit(chip, network, placement_of(place(network, chip)))["configuration.json"])
    assert configuration["populations"][0]["name"] == name


def test_without_a_network_there_is_nothing_to_configure() -> None:
    assert json.loads(emit(target("xylo_a3"))["configuration.json"]) is None


# --- the script -----------------------------------------------------------------------


def lists(weights: np.ndarray, skipped: int = 0) -> list[list[list[int]]]:
    """A matrix (sources, targets) as each source's synapses, behind sources that have none."""
    rows = [[[target, int(row[target])] for target in np.flatnonzero(row).tolist()] for row in weights]
    return [[] for _ in range(skipped)] + rows


def chip_of(
    *,
    weights_in: np.ndarray,
    weights_rec: np.ndarray,
    weights_out: np.ndarray,
    aliases: list[list[int]],
    bias: np.ndarray | None,
    bias_out: np.ndarray | None,
    **given: Any,
) -> Chip:
    """The scalar evaluation of what Rockpool is given, by its names and shapes (inputs, neurons, synapses of one)."""
    neurons, outputs = len(given["threshold"]), len(given["threshold_out"])
    assert weights_rec.shape == (neurons, neurons, 1)
    registers = {
        kind: {key: given[f"{key}{ending}"].tolist() for key in ("dash_mem", "dash_syn", "threshold")}
        | {"bias": [0] * size if biases is None else biases.tolist()}
        for kind, ending, size, biases in (("hidden", "", neurons, bias), ("output", "_out", outputs, bias_out))
    }
    return Chip(
        {
            **registers,
            "alias": [copy[0] if copy else -1 for copy in aliases],
            "synapses": {
                "input": lists(weights_in[:, :, 0]),
                "hidden": lists(weights_rec[:, :, 0]),
                "output": lists(weights_out, neurons - len(weights_out)),
            },
            "weight_shift": {
                "input": given["weight_shift_in"],
                "hidden": given["weight_shift_rec"],
                "output": given["weight_shift_out"],
            },
        }
    )


class Simulation:
    """Rockpool's interface over the scalar evaluation."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip

    @classmethod
    def from_specification(cls, *, dt: float, **specification: Any) -> Simulation:
        return cls(chip_of(**specification))

    def evolve(self, events: np.ndarray, record: bool = False) -> tuple[np.ndarray, dict[str, Any], dict[str, Any]]:
        found = self.chip.run(events)
        hidden, output = found["hidden"], found["output"]
        states = {"Spikes": hidden["spikes"], "Vmem": hidden["v"], "Isyn": hidden["i"]}
        states |= {"Vmem_out": output["v"], "Isyn_out": output["i"]}
        return output["spikes"], {}, states if record else {}


def kit(valid: bool) -> ModuleType:
    """A package of rockpool.devices.xylo, with its own name for the hidden biases of a configuration."""
    package: Any = ModuleType("package")
    package.XyloSim = Simulation
    package.config_from_specification = lambda *, bias_hidden, **rest: (
        chip_of(bias=bias_hidden, **rest),
        valid,
        "" if valid else "too many synapses",
    )
    package.XyloSamna = lambda device, chip, dt: Simulation(chip)
    return package


@pytest.fixture(params=NAMES)
def placed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, IntegerNetwork, dict[str, np.ndarray]]:
    """A network with two inputs and aliases, rendered; and its stimulus beside it."""
    chip = target(request.param, fan_out=4)
    drawn = next(d for d in (Drawn(seed, chip) for seed in range(0, 99, 3)) if len(d.inputs) == 2)
    network, x = drawn.network(), drawn.stimulus(30)
    emit(chip, network, placement_of(place(network, chip))).save(tmp_path)
    np.savez(tmp_path / "x.npz", **dict[str, Any]({name: values[:, 0] for name, values in x.items()}))
    return tmp_path, network, x


def ran(folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str, valid: bool = True, found: int = 3) -> Any:
    """The record of the script, run as a program on the scalar evaluation, with so many kits plugged in."""
    xylo: Any
    rockpool, devices, xylo = (ModuleType(name) for name in ("rockpool", "rockpool.devices", "rockpool.devices.xylo"))
    versions = ["syns61201", "syns65302", "syns63300"]
    packages = {version: kit(valid) for version in versions}
    plugged = [SimpleNamespace()] * found, [packages[v] for v in versions[:found]], versions[:found]
    xylo.find_xylo_hdks = lambda: plugged
    for made in (rockpool, devices, xylo):
        monkeypatch.setitem(sys.modules, made.__name__, made)
    for version, package in packages.items():
        monkeypatch.setitem(sys.modules, f"rockpool.devices.xylo.{version}", package)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "argv", ["run", str(folder / "x.npz"), str(folder / "record.npz"), *more])
    runpy.run_path(str(folder / "run_rockpool.py"), run_name="__main__")
    return np.load(folder / "record.npz")


def test_the_script_hands_rockpool_the_network(placed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, network, x = placed
    record, ours = ran(folder, monkeypatch), states(network, x).values
    assert set(record.files) == {f"{key}.{p.name}" for key in "svi" for p in network.populations}
    for p in network.populations:
        for key, name in (("s", "spikes"), ("v", "v"), ("i", "i")):
            np.testing.assert_array_equal(record[f"{key}.{p.name}"], ours[f"{name}.{p.name}"])
    assert sum(int(record[f"s.{p.name}"].sum()) for p in network.populations) > 20


def test_the_script_hands_a_kit_the_network(placed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, network, x = placed
    record, ours = ran(folder, monkeypatch, "--hardware"), states(network, x).values
    assert set(record.files) == {f"s.{name}" for name in network.outputs.values()}
    for name in network.outputs.values():
        np.testing.assert_array_equal(record[f"s.{name}"], ours[f"spikes.{name}"])


def test_the_script_says_what_is_missing(placed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, network, _ = placed
    with pytest.raises(SystemExit, match="no development kit with a syns6.* is plugged in; found: none"):
        ran(folder, monkeypatch, "--hardware", found=0)
    with pytest.raises(SystemExit, match="samna refuses the configuration: too many synapses"):
        ran(folder, monkeypatch, "--hardware", valid=False)
    np.savez(folder / "x.npz", **dict[str, Any]({name: np.full((3, *shape), 16) for name, shape in network.inputs}))
    with pytest.raises(SystemExit, match="has 0 to 16 events in a step, the chip takes 0 to 15"):
        ran(folder, monkeypatch)
    np.savez(folder / "x.npz", **dict[str, Any]({name: np.zeros((3, 9)) for name, _ in network.inputs}))
    with pytest.raises(SystemExit, match="the stimulus has 18 channels, the network"):
        ran(folder, monkeypatch)


def test_the_scalar_evaluation_reads_the_rendered_file(placed: Any) -> None:
    folder, network, x = placed
    configuration = json.loads((folder / "configuration.json").read_text())
    paper = recorded(configuration, Chip(configuration).run(np.concatenate([v[:, 0] for v in x.values()], axis=1)))
    ours = states(network, x).values
    assert all((ours[key] == values).all() for key, values in paper.items())


def test_the_artifacts_are_the_script_and_its_configuration() -> None:
    artifacts = built(networks.graph(0)).artifacts
    assert sorted(artifacts) == ["configuration.json", "run_rockpool.py"]
    compile(artifacts["run_rockpool.py"], "run_rockpool.py", "exec")


# --- the way through ------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_a_source(name: str) -> None:
    chip = target(name)
    figures = {f"formats.{n}" for n in type(chip.formats).model_fields}
    figures |= {f"hardware.{n}" for n in type(chip.hardware).model_fields}
    assert figures | {"models", "connections.delay_max"} == set(chip.sources)


def test_estimate_counts_events() -> None:
    build = built(networks.graph(3))
    synapses = sum(int(np.count_nonzero(p.weight)) for p in build.network.projections)
    assert BACKEND.estimate(build.network, build.placement, build.plan, build.target, 0.25) == {
        "synaptic_events": 0.25 * synapses,
        "latency_steps": 2.0,
    }


@pytest.mark.parametrize("name", NAMES)
def test_through_the_command_line(name: str, tmp_path: Path, cli: Cli) -> None:
    graph, rng = networks.graph(5), np.random.default_rng(0)
    folder, stimulus, record = tmp_path / "build", tmp_path / "x.npy", tmp_path / "a.nird"
    x = (rng.random((60, 2, graph.population("in").size)) < 0.5).astype(np.uint8)
    nirfile.write(tmp_path / "net.nir", as_nir(graph))
    np.save(stimulus, x)

    def call(*arguments: Any) -> Outcome:
        done = cli(*arguments)
        assert done.code == 0, done.err
        return done

    said = call("build", tmp_path / "net.nir", "--target", name, "--out", folder, "--json").json
    assert said["cores"][0]["used"]["hidden"] == graph.population("h1").size + graph.population("h2").size
    assert {"tau_mem_error", "tau_syn_error", "spikes_max"} <= set(said["quantization"][0])
    assert sorted(p.name for p in (folder / "hardware").iterdir()) == ["configuration.json", "run_rockpool.py"]
    call("run", folder, stimulus, "--port", "sim", "--out", record)
    verified = cli("verify", folder, "-x", stimulus, "--port", "sim", "--json")
    assert (verified.code, verified.json["equal"]) == (1, False)
    call("regress", "record", tmp_path / "golden.json", record)
    call("regress", "check", tmp_path / "golden.json", record)
    rows = call("estimate", tmp_path / "net.nir", "--target", name, "--json").json
    assert "synaptic_events" in json.dumps(rows)
    expected = nd.simulate(nd.build(as_nir(graph), name), x)
    np.testing.assert_array_equal(SpikeRecord.load(record).spikes["out"], expected.spikes["out"])
    assert expected.spikes["out"].any()
