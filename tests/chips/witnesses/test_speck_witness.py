"""Speck against sinabs, its makers' own tool: core mapper, memory model, discretiser, configuration and simulation.

And what sinabs accepts that the chip's documentation forbids.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nirdeploy.backends.speck import layers
from nirdeploy.backends.speck.configuration import written
from nirdeploy.backends.speck.placement import place
from nirdeploy.graph import file as nirfile
from nirdeploy.sim import integer
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets
from tests.chips import speck_graphs as graphs
from tests.chips import speck_networks as networks
from tests.chips.fits import placement_of
from tests.chips.table import Table
from tests.chips.witnesses.asking import ask
from tests.witnesses import seeds

pytestmark = pytest.mark.witness

NETWORKS = 240
# The scale that sinabs takes: weights, thresholds and spikes are to be the same.
TARGET = targets.load("speck2f").with_hardware(scaling="largest")
BACKEND = registry.backend_of(TARGET)


def hand_over(network: dict[str, Any], folder: Path, **more: Any) -> None:
    """A network as the witness reads it."""
    folder.mkdir(parents=True)
    arrays: dict[str, Any] = {}
    layers = []
    for layer in network["layers"]:
        given = {f"{layer['name']}.{key}": layer[key] for key in ("weight", "bias") if layer[key] is not None}
        arrays |= {name: np.asarray(values, dtype=np.float32) for name, values in given.items()}
        layers.append({key: value for key, value in layer.items() if key not in ("weight", "bias")})
    stimulus = more.pop("stimulus", None)
    (folder / "network.json").write_text(json.dumps({"image": network["image"], "layers": layers, **more}))
    np.savez(folder / "network.npz", **arrays, **({} if stimulus is None else {"stimulus": stimulus}))


@dataclass
class Pair:
    """A network by us (the problems, or the integers and the configuration) and by sinabs."""

    seed: int
    network: dict[str, Any]
    problems: list[str]
    integers: Any
    settings: dict[str, Any]
    core_of: dict[str, int]
    said: dict[str, Any]
    arrays: dict[str, np.ndarray]
    stimulus: np.ndarray


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    folder = tmp_path_factory.mktemp("sinabs")
    made = []
    for seed in seeds(NETWORKS):
        network = networks.network(seed)
        graph = networks.as_graph(network)
        problems = graphs.problems(graph, TARGET)
        integers = graphs.integers(graph, TARGET)
        core_of: dict[str, int] = {}
        settings: dict[str, Any] = {}
        if not problems:
            placement = placement_of(place(integers, TARGET))
            core_of = {part.population: part.core for part in placement.slices}
            whole = written(integers, placement, TARGET)
            settings = {name: whole["samna"]["cnn_layers"][core] for name, core in core_of.items()}
        stimulus = networks.stimulus(network, seed)
        hand_over(network, folder / str(seed), cores=core_of, stimulus=stimulus)
        made.append(Pair(seed, network, problems, integers, settings, core_of, {}, {}, stimulus))
    ask("sinabs", folder)
    for pair in made:
        own = folder / str(pair.seed)
        pair.said = json.loads((own / "witness.json").read_text())
        with np.load(own / "witness.npz") as loaded:
            pair.arrays = dict(loaded)
    return made


def test_a_network_has_cores_for_both_or_for_none(pairs: list[Pair], table: Table) -> None:
    verdicts = Counter((not pair.problems, "refused" not in pair.said) for pair in pairs)
    differ = verdicts[True, False] + verdicts[False, True]
    both, none = f"{verdicts[True, True]} fit by both", f"{verdicts[False, False]} by none"
    counts = {"networks": len(pairs), "values": len(pairs), "spikes": 0, "mismatches": differ}
    table.compared("speck", f"sinabs 3.1.3, core mapper ({both}, {none})", **counts)
    assert verdicts[True, False] == verdicts[False, True] == 0
    assert verdicts[True, True] >= 100
    assert verdicts[False, False] >= 20
    assert any("fit only on" in problem for pair in pairs for problem in pair.problems)  # a crowd, no layer too large
    for pair in pairs:
        if "refused" in pair.said:
            assert "No valid mapping found" in pair.said["refused"]


def test_the_memories_are_as_large(pairs: list[Pair], table: Table) -> None:
    compared = 0
    for pair in pairs:
        # It counts biases that are zero, or round to it, too.
        biased = {layer["name"]: layer["bias"] is not None for layer in pair.network["layers"]}
        for name, layer in layers.of_network(pair.integers, TARGET.hardware).layers.items():
            ours = layer.memory(biased[name])
            assert {key: by[name] for key, by in pair.said["memory"].items()} == ours
            assert pair.said["validated"][name][0] == ours["kernel"]
            compared += 3
    counts = {"networks": len(pairs), "values": compared, "spikes": 0, "mismatches": 0}
    table.compared("speck", "sinabs 3.1.3, memory model", **counts)


def test_the_configurations_are_the_same(pairs: list[Pair], table: Table) -> None:
    values = layers = 0
    for pair in pairs:
        for name, theirs in pair.said.get("settings", {}).items():
            ours = pair.settings[name]
            going = [{key: to[key] for key in ("layer", "enable", "pooling")} for to in ours["destinations"]]
            by_core = sorted(going, key=lambda to: to["layer"])
            assert by_core == sorted(theirs.pop("destinations"), key=lambda to: to["layer"])
            theirs.pop("monitor_enable")  # sinabs asks for it later
            assert {key: ours[key] for key in theirs} == theirs, name
            assert theirs["threshold_high"] > 0
            values += np.size(theirs["weights"]) + np.size(theirs["biases"]) + 2
            layers += 1
    fit = sum("settings" in pair.said for pair in pairs)
    table.compared("speck", "sinabs 3.1.3, configuration", networks=fit, values=values, spikes=0, mismatches=0)
    assert layers > 300


def test_spikes_and_membranes_are_the_same(pairs: list[Pair], table: Table) -> None:
    """Where no membrane reaches the ends of its 16 bits: sinabs knows none."""
    wrong: Counter[str] = Counter()
    values = spikes = several = compared = 0
    for pair in pairs:
        names = [p.name for p in pair.integers.populations]
        ours = integer.simulate(pair.integers, pair.stimulus[:, None], membrane=names)
        if ours.stats["saturations"]:
            continue
        compared += 1
        for name in names:
            theirs = pair.arrays[f"{name}.spikes"].reshape(ours.spikes[name].shape)
            v = pair.arrays[f"{name}.v"].reshape(theirs.shape)
            wrong[str(pair.seed)] += int((ours.spikes[name] != theirs).sum() + (ours.membrane[name] != v).sum())
            spikes, several = spikes + int(theirs.sum()), several + int((theirs > 1).sum())
            values += theirs.size + v.size
    counts = {"networks": compared, "values": values, "spikes": spikes, "mismatches": wrong.total()}
    table.compared("speck", "sinabs 3.1.3, DynapcnnNetwork", **counts)
    assert not +wrong
    assert compared >= 150
    assert spikes > 100_000
    assert several > 10_000


def test_the_papers_network_is_the_same(paper: Path, tmp_path: Path, table: Table) -> None:
    """The convolutional network of the NIR paper: sinabs maps it to as many cores and spikes as we do."""
    network = networks.sequential(nirfile.read(paper / "cnn_sinabs.nir"))
    integers = graphs.integers(networks.as_graph(network), TARGET)
    x = (np.random.default_rng(0).random((50, 2, 34, 34)) < 0.05).astype(np.uint8)
    hand_over(network, tmp_path / "scnn" / "000", stimulus=x)
    ask("sinabs", tmp_path / "scnn")
    said = json.loads((tmp_path / "scnn" / "000" / "witness.json").read_text())
    assert "refused" not in said, said
    assert sorted(said["cores"].values()) == sorted(p.core for p in placement_of(place(integers, TARGET)).slices)
    ours = integer.simulate(integers, x[:, None])
    with np.load(tmp_path / "scnn" / "000" / "witness.npz") as arrays:
        wrong = {
            name: int((spikes[:, 0] != arrays[f"{name}.spikes"].reshape(spikes[:, 0].shape)).sum())
            for name, spikes in ours.spikes.items()
        }
    total = {name: int(spikes.sum()) for name, spikes in ours.spikes.items()}
    cells = sum(spikes.size for spikes in ours.spikes.values())
    counts = {"networks": 1, "values": cells, "spikes": sum(total.values()), "mismatches": sum(wrong.values())}
    table.compared("speck", "sinabs 3.1.3, cnn_sinabs of the NIR paper", **counts)
    assert not any(wrong.values())
    assert min(total.values()) > 50


# --- where the two part ---------------------------------------------------------------


def one(image: tuple[int, int, int], weight: tuple[int, ...], **fields: Any) -> dict[str, Any]:
    """A network of one layer, of weights that are all alike."""
    return {"image": image, "layers": [networks.conv("here", [["input", "none", 1]], np.full(weight, 0.25), **fields)]}


def three_ways() -> dict[str, Any]:
    """A layer with three destinations."""
    layers = [networks.conv("here", [["input", "none", 1]], np.full((2, 2, 1, 1), 0.25))]
    for name, before in (("a", None), ("b", "a"), ("c", "b")):
        sources = [["here", "none", 1], *([] if before is None else [[before, "none", 1]])]
        layers.append(networks.conv(name, sources, np.full((2, 2, 1, 1), 0.25)))
    return {"image": (2, 4, 4), "layers": layers}


def pooled_by_three() -> dict[str, Any]:
    made = one((1, 9, 9), (2, 1, 1, 1))
    made["layers"].append({**networks.conv("here", [["here", "sum", 3]], np.full((2, 2, 1, 1), 0.25)), "name": "here2"})
    return made


#: What the chip's documentation forbids and sinabs (without samna's validator) maps: the network, and our message.
FORBIDDEN: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a kernel of 17": (one((1, 20, 20), (2, 1, 17, 17)), ("kernel of 17x17", "16x16 at most")),
    "a stride of 3": (one((1, 12, 12), (2, 1, 2, 2), stride=3), ("stride of 3x3", "1, 2, 4, 8")),
    "a pool of 3": (pooled_by_three(), ("windows 3x3", "1x1, 2x2, 4x4")),
    "a padding of 8": (one((1, 4, 4), (2, 1, 2, 2), padding=8), ("padding of 8x8", "0 to 7")),
    "an image of 129": (one((1, 129, 129), (2, 1, 3, 3), stride=4), ("image of 129x129", "128x128")),
    "an output of 65": (one((1, 65, 65), (1, 1, 1, 1)), ("computes an image of 65x65", "64x64")),
    "1,025 features in": (one((1025, 1, 1), (2, 1025, 1, 1)), ("takes 1025 features", "1024")),
    "1,025 features out": (one((1, 1, 1), (1025, 1, 1, 1)), ("computes 1025 features", "1024")),
    "three destinations": (three_ways(), ("3 destinations ('a', 'b', 'c')", "to 2")),
    "a limit of spikes": (one((1, 4, 4), (2, 1, 1, 1), neuron={"max_spikes": 1}), ("max_spikes=0",)),
    "a reset to 0.5": (
        one((1, 4, 4), (2, 1, 1, 1), reset="zero", neuron={"reset_value": 0.5}),
        ("v_reset = 0.5", "fall to 0 or by their whole threshold"),
    ),
    "a reset by 0.5": (one((1, 4, 4), (2, 1, 1, 1), neuron={"subtract_value": 0.5}), ("v_reset = 0.5",)),
    "a synaptic current": (one((1, 4, 4), (2, 1, 1, 1), neuron={"tau_syn": 5.0}), ("is a CubaLIF", "neurons are IF")),
}
#: What sinabs maps to a configuration that computes something else; ours is right.
MISREAD: dict[str, dict[str, Any]] = {
    "a dilation of 2": one((1, 12, 12), (2, 1, 3, 3), dilation=2),
    "two groups": one((4, 6, 6), (4, 2, 3, 3), groups=2),
    "no lowest membrane": one((1, 4, 4), (2, 1, 1, 1), floor=None),
}
#: What sinabs refuses and the chip can do, with zeros in the kernel.
REFUSED: dict[str, dict[str, Any]] = {
    "a kernel of 3x5": one((1, 9, 9), (2, 1, 3, 5)),
    "an image that is not square into a Linear": {
        "image": (1, 3, 8),
        "layers": [
            networks.conv("a", [["input", "none", 1]], np.full((2, 1, 1, 1), 0.25)),
            {**networks.conv("here", [["a", "none", 1]], np.full((3, 48), 0.25)), "kind": "linear"},
        ],
    },
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What sinabs says of the networks above."""
    folder = tmp_path_factory.mktemp("parting")
    every = {**{name: network for name, (network, _) in FORBIDDEN.items()}, **MISREAD, **REFUSED}
    for index, network in enumerate(every.values()):
        cores_of = {layer["name"]: i for i, layer in enumerate(network["layers"])}
        hand_over(network, folder / f"{index:02}", cores=cores_of)
    ask("sinabs", folder)
    answers = [json.loads((own / "witness.json").read_text()) for own in sorted(folder.iterdir())]
    return dict(zip(every, answers, strict=True))


@pytest.mark.parametrize("name", FORBIDDEN)
def test_sinabs_takes_what_the_documentation_forbids(name: str, said: dict[str, dict[str, Any]]) -> None:
    network, parts = FORBIDDEN[name]
    assert "refused" not in said[name], said[name]
    (message,) = graphs.problems(networks.as_graph(network), TARGET)
    assert "'here'" in message
    assert all(part in message for part in parts), message


def test_sinabs_configures_something_else(said: dict[str, dict[str, Any]]) -> None:
    theirs = {name: said[name]["settings"]["here"] for name in MISREAD}
    ours = {}
    for name, network in MISREAD.items():
        graph = networks.as_graph(network)
        assert graphs.problems(graph, TARGET) == []
        integers = graphs.integers(graph, TARGET)
        whole = written(integers, placement_of(place(integers, TARGET)), TARGET)
        (ours[name],) = [settings for settings in whole["samna"]["cnn_layers"] if settings]
    assert theirs["a dilation of 2"]["dimensions"]["kernel_size"] == 3  # not dilated
    assert ours["a dilation of 2"]["dimensions"]["kernel_size"] == 5
    assert np.shape(theirs["two groups"]["weights"]) == (4, 2, 3, 3)  # of an input of four features
    assert np.shape(ours["two groups"]["weights"]) == (4, 4, 3, 3)
    assert not np.any(theirs["no lowest membrane"]["weights"])  # it would scale the bound of -32768 with the weights
    assert np.all(ours["no lowest membrane"]["weights"])


@pytest.mark.parametrize("name", REFUSED)
def test_sinabs_refuses_what_the_chip_can_do(name: str, said: dict[str, dict[str, Any]]) -> None:
    assert "ValueError" in said[name]["refused"]
    graph = networks.as_graph(REFUSED[name])
    assert graphs.problems(graph, TARGET) == []
    assert BACKEND.fit(graph, TARGET).fits
