"""Xylo: illegal networks. Each limit broken alone and in pairs: all is said at once, with node, limit and remedy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit, TargetFileError
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check
from nirdeploy.semantics import dialect as dialects
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets
from tests.chips.table import Table
from tests.unit.cli.conftest import Cli

TARGET = targets.load("xylo_imu")
BACKEND = registry.backend_of(TARGET)
DT = 1e-3
SIZE = 5
LAYERS = ("1", "2", "3")
Nodes = dict[str, nir.NIRNode]
Edges = list[tuple[str, str]]
Breaks = Callable[[Nodes, Edges, str], None]


def cuba(size: int = SIZE, **changes: Any) -> nir.CubaLIF:
    """Time constants of 2 and 8 steps; a weight of 1 brings the membrane a threshold in all."""
    params = {"tau_syn": 2 * DT, "tau_mem": 8 * DT, "w_in": 1.0, "r": 8.0}
    params |= {"v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changes
    return nir.CubaLIF(**{name: np.broadcast_to(value, size).astype(float) for name, value in params.items()})


def saying(rule: str) -> nir.CubaLIF:
    """A neuron of another dialect than the graph's."""
    node = cuba()
    node.metadata = {dialects.METADATA_KEY: f"nir,dt={DT},reset=subtract,{rule}"}
    return node


def neuron(make: Callable[[], nir.NIRNode]) -> Breaks:
    """Puts another neuron into a layer."""

    def breaks(nodes: Nodes, edges: Edges, layer: str) -> None:
        nodes[f"n{layer}"] = make()

    return breaks


def linear(make: Callable[[], nir.NIRNode]) -> Breaks:
    def breaks(nodes: Nodes, edges: Edges, layer: str) -> None:
        nodes[f"fc{layer}"] = make()

    return breaks


def late_bias(nodes: Nodes, edges: Edges, layer: str) -> None:
    """A bias of two steps' delay, beside the layer's own way."""
    nodes[f"b{layer}"] = nir.Affine(np.zeros((SIZE, SIZE)), full(0.1))
    nodes[f"late{layer}"] = nir.Delay(full(2 * DT))
    source = next(a for a, b in edges if b == f"fc{layer}")
    edges += [(source, f"b{layer}"), (f"b{layer}", f"late{layer}"), (f"late{layer}", f"n{layer}")]


def delayed(nodes: Nodes, edges: Edges, layer: str) -> None:
    """A second way into the layer, later than the first."""
    nodes[f"there{layer}"], nodes[f"late{layer}"] = nir.Linear(np.eye(SIZE)), nir.Delay(full(3 * DT))
    source = next(a for a, b in edges if b == f"fc{layer}")
    edges += [(source, f"there{layer}"), (f"there{layer}", f"late{layer}"), (f"late{layer}", f"n{layer}")]


def read(nodes: Nodes, edges: Edges, layer: str) -> None:
    """The layer is read; the last one comes back to itself."""
    if layer == "3":
        nodes["back"] = nir.Linear(np.eye(SIZE))
        edges += [("n3", "back"), ("back", "n3")]
    else:
        nodes[f"out{layer}"] = nir.Output({"output": np.array([SIZE])})
        edges.append((f"n{layer}", f"out{layer}"))


def full(value: float) -> np.ndarray:
    return np.full(SIZE, value)


def weights(value: float) -> Breaks:
    return linear(lambda: nir.Linear(np.full((SIZE, SIZE), value)))


#: By name: how a layer breaks it, and what must be said of it ({layer} stands for the layer).
LIMITS: dict[str, tuple[Breaks, tuple[str, ...]]] = {
    "LIF": (
        neuron(lambda: nir.LIF(full(8e-3), full(8.0), full(0.0), full(1.0), full(0.0))),
        ("'n{layer}' is a LIF, the chip has CubaLIF alone", "replace it by a CubaLIF"),
    ),
    "IF": (neuron(lambda: nir.IF(full(1e3), full(1.0), full(0.0))), ("'n{layer}' is a IF", "replace it by")),
    "Threshold": (neuron(lambda: nir.Threshold(full(1.0))), ("'n{layer}' is a Threshold", "replace it by")),
    "reset to 0": (neuron(lambda: saying("reset=zero")), ("'n{layer}' resets by 'zero'", "only by 'subtract'")),
    "no reset": (neuron(lambda: saying("reset=none")), ("'n{layer}' resets by 'none'", "train with that reset")),
    "late reset": (neuron(lambda: saying("reset_delay=true")), ("'n{layer}'", "cannot do reset_delay=true", "train")),
    "guard": (neuron(lambda: saying("reset_guard=true")), ("'n{layer}'", "cannot do reset_guard=true")),
    "late spikes": (neuron(lambda: saying("spike_delay=true")), ("'n{layer}'", "cannot do spike_delay=true")),
    "bounded": (neuron(lambda: saying("v_min=-threshold")), ("'n{layer}'", "cannot do v_min=-threshold")),
    "old current": (neuron(lambda: saying("synapse_order=old")), ("'n{layer}'", "cannot do synapse_order=old")),
    "threshold 0": (neuron(lambda: cuba(v_threshold=0.0)), ("'n{layer}' has a threshold of 0", "shift the membrane")),
    "threshold < 0": (neuron(lambda: cuba(v_threshold=-0.5)), ("'n{layer}' has a threshold of -0.5", "shift the")),
    "v_reset": (neuron(lambda: cuba(v_reset=0.25)), ("'n{layer}'", "v_reset of 0.25", "subtract v_reset from")),
    "short tau_mem": (neuron(lambda: cuba(tau_mem=0.8e-3)), ("'n{layer}' keeps -0.25 of its membrane", "a smaller dt")),
    "long tau_mem": (neuron(lambda: cuba(tau_mem=80.0)), ("'n{layer}'", "1 - 2^-15", "shorten the time constant")),
    "short tau_syn": (neuron(lambda: cuba(tau_syn=1.2e-3)), ("'n{layer}' keeps 0.167 of its current", "2 steps or")),
    "long tau_syn": (neuron(lambda: cuba(tau_syn=80.0)), ("'n{layer}'", "of its current", "to 32768 steps")),
    "late bias": (late_bias, ("'n{layer}' has a bias that begins in step 2", "put the bias behind the delay")),
    "weight": (weights(1e6), ("'n{layer}' has 5 neuron(s) whose threshold register", "a weight adds", "scale these")),
    "bias": (
        linear(lambda: nir.Affine(np.eye(SIZE), full(1e5))),
        ("'n{layer}' has 5 neuron(s) whose threshold register", "the bias 1e+05 times", "scale these down"),
    ),
    "tiny threshold": (neuron(lambda: cuba(v_threshold=1e-6)), ("'n{layer}'", "below 1", "or the threshold up")),
    "uneven ways": (delayed, ("-> 'n{layer}' is 3 step(s) late in the graph", "make the ways equally long")),
    "read and fed": (read, ("'n{layer}' is read out and feeds", "outputs lead nowhere", "behind it")),
}
NAMES = sorted(LIMITS)
#: How many sentences: what begins late comes by an uneven way, too.
SENTENCES = dict.fromkeys(NAMES, 1) | {"late bias": 2}
PAIRS = [(a, b) for a, b in itertools.combinations(NAMES, 2) if "read and fed" not in (a, b)]


def graph(broken: dict[str, str]) -> nir.NIRGraph:
    """Three layers; ``broken``: by layer, which limit it breaks."""
    rng = np.random.default_rng(0)
    nodes: Nodes = {"input": nir.Input({"input": np.array([SIZE])})}
    for layer in LAYERS:
        nodes |= {f"fc{layer}": nir.Linear(rng.normal(0.3, 0.5, (SIZE, SIZE))), f"n{layer}": cuba()}
    nodes["output"] = nir.Output({"output": np.array([SIZE])})
    edges = list(itertools.pairwise(nodes))
    for layer, name in broken.items():
        LIMITS[name][0](nodes, edges, layer)
    metadata = {dialects.METADATA_KEY: f"nir,dt={DT},reset=subtract"}
    return nir.NIRGraph(nodes, edges, metadata=metadata, type_check=False)


def refused(made: nir.NIRGraph, *said: str, target: Any = TARGET, input_bits: int = 1) -> str:
    with pytest.raises(DoesNotFit, match=f"target {target.name}") as raised:
        nd.build(made, target, input_bits=input_bits)
    message = str(raised.value)
    for part in said:
        assert part in message, message
    return message


def said_of(broken: dict[str, str]) -> list[str]:
    return [part.format(layer=layer) for layer, name in broken.items() for part in LIMITS[name][1]]


def test_the_network_that_is_broken_below_is_legal() -> None:
    for name in ("xylo_a2", "xylo_a3", "xylo_imu"):
        nd.build(graph({}), name)


@pytest.mark.parametrize("name", NAMES)
def test_a_limit_alone(name: str, table: Table) -> None:
    for layer in LAYERS:
        made = graph({layer: name})
        refused(made, *said_of({layer: name}))
        assert len(BACKEND.fit(check(made), TARGET).problems) == SENTENCES[name], layer
        table.refused("xylo", "a limit of a neuron or a projection")


def test_every_pair_of_limits_is_reported_at_once(table: Table) -> None:
    for pair in PAIRS:
        broken = {"1": pair[0], "3": pair[1]}
        found = list(map(str, BACKEND.fit(check(graph(broken)), TARGET).problems))
        assert all(part in "; ".join(found) for part in said_of(broken)), (pair, found)
        assert len(found) == sum(SENTENCES[name] for name in pair), pair
    table.refused("xylo", "two of these at once", len(PAIRS))
    assert len(PAIRS) > 200


def test_read_outs_and_inputs_stand_in_layers_of_their_own() -> None:
    nodes = {"input": nir.Input({"input": np.array([SIZE])}), "fc": nir.Linear(np.eye(SIZE)), "n": cuba()}
    nodes["output"] = nir.Output({"output": np.array([SIZE])})
    one = nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), type_check=False)
    one.metadata = {dialects.METADATA_KEY: f"nir,dt={DT},reset=subtract"}
    refused(one, "node 'n' is read out and gets the input 'input'", "put a hidden population between")


# --- the chip's neurons and synapses --------------------------------------------------

#: By name: a smaller chip that the legal network (5 in, two hidden layers of 5, 5 out; 50 synapses) does not fit.
CHIP: dict[str, tuple[dict[str, int], tuple[str, ...]]] = {
    "inputs": ({"inputs": 4}, ("the inputs 'input' have 5 channels, the chip 4", "use fewer, or sum some up")),
    "outputs": ({"outputs": 4}, ("the outputs 'n3' have 5 neurons, the chip 4", "use fewer, or split")),
    "hidden": ({"hidden": 9}, ("needs 10 hidden neurons ('n1' 5, 'n2' 5)", "the chip has 9; use fewer")),
    "weights": (
        {"hidden_weights": 49},
        ("have 50 synapses ('n1' 25, 'n2' 25), the chip's memory 49", "prune weights to zero, or use fewer neurons"),
    ),
    "fan-out": (
        {"fan_out": 4, "aliases": 0},
        ("node 'n1' has a neuron with 5 synapses, the chip at most 4", "node 'n2' has a neuron", "neurons behind it"),
    ),
    "inputs' reach": ({"input_reach": 4}, ("'n1' gets inputs and takes hidden neurons up to number 5", "first 4;")),
    "outputs' reach": (
        {"output_reach": 4},
        ("'n2' feeds an output from 5 hidden neurons before their end", "last 4; make the populations before"),
    ),
    "events": ({"input_events": 3}, ("up to 7 events in a step (3 bits), the chip takes 3", "at most 2 input bits")),
}


@pytest.mark.parametrize("name", CHIP)
def test_a_limit_of_the_chip_alone(name: str, table: Table) -> None:
    changes, said = CHIP[name]
    message = refused(graph({}), *said, target=TARGET.with_hardware(**changes), input_bits=3)
    assert message.partition(" (in target")[0].count("; ") == (3 if name == "fan-out" else 1)  # a sentence, a remedy
    table.refused("xylo", "a limit of the chip alone")


@pytest.mark.parametrize("pair", list(itertools.combinations(CHIP, 2)), ids=" and ".join)
def test_two_limits_of_the_chip_at_once(pair: tuple[str, str], table: Table) -> None:
    changes = CHIP[pair[0]][0] | CHIP[pair[1]][0]
    refused(graph({}), *CHIP[pair[0]][1], *CHIP[pair[1]][1], target=TARGET.with_hardware(**changes), input_bits=3)
    table.refused("xylo", "two limits of the chip at once")


def test_limits_of_the_chip_and_of_a_neuron_at_once() -> None:
    broken = {"2": "reset to 0"}
    for changes, said in CHIP.values():
        refused(graph(broken), *said, *said_of(broken), target=TARGET.with_hardware(**changes), input_bits=3)


def test_aliases_take_hidden_neurons() -> None:
    small = TARGET.with_hardware(fan_out=4, hidden=19)
    refused(
        graph({}),
        "needs 20 hidden neurons ('n1' 5, 'n2' 5, and 5 aliases of 'n1', whose neurons have up to 5 synapses where one "
        "holds 4, and 5 aliases of 'n2'",
        "the chip has 19; use fewer, or prune weights to zero",
        target=small,
    )
    assert nd.build(graph({}), small.with_hardware(hidden=20)).placement.cores[0].used["hidden"] == 20


def layers(*sizes: int, density: float = 1.0) -> nir.NIRGraph:
    """Dense layers, or with a part of the weights."""
    rng = np.random.default_rng(1)
    nodes: Nodes = {"input": nir.Input({"input": np.array([sizes[0]])})}
    for layer, (a, b) in enumerate(itertools.pairwise(sizes), 1):
        nodes[f"fc{layer}"] = nir.Linear(rng.uniform(0.5, 1, (b, a)) * (rng.random((b, a)) < density))
        nodes[f"n{layer}"] = cuba(b)
    nodes["output"] = nir.Output({"output": np.array([sizes[-1]])})
    metadata = {dialects.METADATA_KEY: f"nir,dt={DT},reset=subtract"}
    return nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), metadata=metadata, type_check=False)


#: Target, sizes of the layers, density of the weights; what is said (nothing: it fits).
SIZES: list[tuple[str, tuple[int, ...], float, str]] = [
    ("xylo_a2", (17, 20, 8), 1, "have 17 channels, the chip 16"),
    ("xylo_a2", (16, 20, 9), 1, "have 9 neurons, the chip 8"),
    ("xylo_a3", (16, 20, 33), 1, "have 33 neurons, the chip 32"),
    ("xylo_imu", (16, 20, 17), 1, "have 17 neurons, the chip 16"),
    ("xylo_a2", (16, 1001, 8), 0.5, "needs 1001 hidden neurons"),
    ("xylo_a3", (16, 100, 793, 100, 32), 0.05, "needs 993 hidden neurons"),
    ("xylo_imu", (16, 100, 297, 100, 16), 0.05, "needs 497 hidden neurons"),
    ("xylo_a2", (16, 500, 500, 8), 1, "32000; prune"),
    ("xylo_a3", (16, 128, 248, 8), 1, "have 33728 synapses ('n1' 31744, 'n2' 1984), the chip's memory 31744"),
    ("xylo_imu", (16, 129, 20, 8), 1, "'n1' gets inputs and takes hidden neurons up to number 129, inputs lead to the"),
    ("xylo_a3", (16, 20, 129, 8), 1, "'n2' feeds an output from 129 hidden neurons before their end"),
    ("xylo_imu", (16, 129, 8), 1, "read from the last 128"),
]
FIT = [
    ("xylo_a2", (16, 1000, 8)),
    ("xylo_a3", (16, 128, 90, 100, 32)),
    ("xylo_imu", (16, 128, 100, 100, 16)),
    ("xylo_imu", (16, 128, 16)),
]


@pytest.mark.parametrize(("name", "sizes", "density", "said"), SIZES)
def test_the_chips_own_sizes(name: str, sizes: tuple[int, ...], density: float, said: str, table: Table) -> None:
    refused(layers(*sizes, density=density), said, target=targets.load(name))
    table.refused("xylo", "a limit of the chip alone")


@pytest.mark.parametrize(("name", "sizes"), FIT)
def test_what_just_fits(name: str, sizes: tuple[int, ...]) -> None:
    built = nd.build(layers(*sizes), name)
    assert built.placement.cores[0].used["hidden"] == sum(sizes[1:-1])


def test_a_network_of_another_order_of_size_is_refused_without_writing_its_matrices_out() -> None:
    """Of 262,144 neurons with 131,072 inputs."""
    shape, taus = (64, 64, 64), {"tau_syn": 2 * DT, "tau_mem": 8 * DT, "r": 8.0, "w_in": 1.0}
    common = {"v_leak": 0.0, "v_reset": 0.0, "v_threshold": 1.0}
    nodes = {
        "input": nir.Input({"input": np.array([32, 64, 64])}),
        "conv": nir.Conv2d((64, 64), np.ones((64, 32, 3, 3)), 1, 1, 1, 1, np.zeros(64)),
        "n1": nir.CubaLIF(**{name: np.full(shape, value) for name, value in (taus | common).items()}),
        "output": nir.Output({"output": np.array(shape)}),
    }
    made = nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), type_check=False)
    problems = BACKEND.fit(check(made, dialect=f"nir,dt={DT},reset=subtract"), TARGET).problems
    found = "; ".join(map(str, problems))
    for said in ("131072 channels, the chip 16", "262144 neurons, the chip 16", "gets the input 'input'"):
        assert said in found


def test_what_does_not_fit_is_said_on_the_command_line(cli: Cli, tmp_path: Path) -> None:
    nirfile.write(tmp_path / "net.nir", graph({"1": "LIF", "3": "v_reset"}))
    for call in (["check", tmp_path / "net.nir"], ["build", tmp_path / "net.nir", "--out", tmp_path / "out"]):
        done = cli(*call, "--target", "xylo_a2")
        assert done.code == 4
        text = " ".join((done.out + done.err).split())
        assert "'n1' is a LIF" in text
        assert "v_reset of 0.25" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weight_bits": 9}, "weight_bits"),
        ({"state_bits": 12}, "state_bits"),
        ({"input_events": 16}, "input_events"),
        ({"hidden_spikes": 32}, "hidden_spikes"),
        ({"output_spikes": 2}, "output_spikes"),
        ({"weight_shift_max": 9}, "weight_shift_max"),
        ({"dash_bits": 5}, "dash_bits"),
        ({"hidden": 0}, "hidden"),
        ({"aliases": 2}, "aliases"),
    ],
)
def test_a_target_file_of_one_s_own_keeps_to_the_registers(changes: dict[str, int], said: str) -> None:
    with pytest.raises(TargetFileError, match=said):
        TARGET.with_hardware(**changes)
