"""Loihi 2: illegal networks. Each limit broken alone and in pairs: all is said at once, with node, limit and remedy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit, TargetFileError
from nirdeploy.graph.check import check
from nirdeploy.semantics import dialect as dialects
from nirdeploy.targets import placement as placing
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets
from tests.chips.table import Table

TARGET = targets.load("loihi2")
BACKEND = registry.backend_of(TARGET)
DT = 1e-4
SIZE = 5
Nodes = dict[str, nir.NIRNode]
Edges = list[tuple[str, str]]


def lif(**changes: Any) -> nir.LIF:
    params = {"tau": 1e-3, "r": 4.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changes
    return nir.LIF(**{name: np.broadcast_to(value, SIZE).astype(float) for name, value in params.items()})


def cuba(**changes: Any) -> nir.CubaLIF:
    params = {"tau_syn": 5e-4, "tau_mem": 1e-3, "w_in": 5.0, "r": 2.0}
    params |= {"v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changes
    return nir.CubaLIF(**{name: np.broadcast_to(value, SIZE).astype(float) for name, value in params.items()})


def saying(node: nir.NIRNode, rule: str) -> nir.NIRNode:
    """A node of another dialect than the graph's."""
    node.metadata = {dialects.METADATA_KEY: f"nir,dt={DT},{rule}"}
    return node


def neuron(make: Callable[[], nir.NIRNode]) -> Callable[[Nodes, Edges, str], None]:
    """Puts another neuron into a layer."""

    def breaks(nodes: Nodes, edges: Edges, layer: str) -> None:
        nodes[f"lif{layer}"] = make()

    return breaks


def bias(value: float) -> Callable[[Nodes, Edges, str], None]:
    def breaks(nodes: Nodes, edges: Edges, layer: str) -> None:
        fc = nodes[f"fc{layer}"]
        nodes[f"fc{layer}"] = nir.Affine(fc.weight, np.full(SIZE, value))

    return breaks


def weight(value: float) -> Callable[[Nodes, Edges, str], None]:
    def breaks(nodes: Nodes, edges: Edges, layer: str) -> None:
        nodes[f"fc{layer}"] = nir.Linear(np.full((SIZE, SIZE), value))

    return breaks


def delayed(steps: int, value: float = 0.0) -> Callable[[Nodes, Edges, str], None]:
    """A delay behind the layer's Affine."""

    def breaks(nodes: Nodes, edges: Edges, layer: str) -> None:
        bias(value)(nodes, edges, layer)
        nodes[f"late{layer}"] = nir.Delay(np.full(SIZE, steps * DT))
        edges.remove((f"fc{layer}", f"lif{layer}"))
        edges += [(f"fc{layer}", f"late{layer}"), (f"late{layer}", f"lif{layer}")]

    return breaks


def extra_node(nodes: Nodes, edges: Edges, layer: str) -> None:
    """A second neuron in the layer that closes a loop with it within a step."""
    nodes[f"there{layer}"], nodes[f"other{layer}"] = nir.Linear(np.eye(SIZE)), lif()
    nodes[f"back{layer}"] = nir.Linear(np.eye(SIZE))
    names = (f"lif{layer}", f"there{layer}", f"other{layer}", f"back{layer}", f"lif{layer}")
    edges += itertools.pairwise(names)


def full(value: float) -> np.ndarray:
    return np.full(SIZE, value)


#: By name: how a layer breaks it, and what must be said of it ({layer} stands for the layer).
LIMITS: dict[str, tuple[Callable[[Nodes, Edges, str], None], tuple[str, ...]]] = {
    "LI": (neuron(lambda: nir.LI(full(1e-3), full(1.0), full(0.0))), ("'lif{layer}' is a LI", "replace it")),
    "I": (neuron(lambda: nir.I(full(1.0))), ("'lif{layer}' is a I", "IF, LIF, CubaLIF")),
    "Threshold": (neuron(lambda: nir.Threshold(full(1.0))), ("'lif{layer}' is a Threshold", "replace it")),
    "subtract": (neuron(lambda: saying(lif(), "reset=subtract")), ("'lif{layer}' resets by 'subtract'", "train with")),
    "no reset": (neuron(lambda: saying(lif(), "reset=none")), ("'lif{layer}' resets by 'none'", "only by 'zero'")),
    "late reset": (neuron(lambda: saying(lif(), "reset_delay=true")), ("'lif{layer}'", "cannot do reset_delay=true")),
    "multi": (neuron(lambda: saying(lif(), "spikes=multi")), ("'lif{layer}'", "cannot do spikes=multi")),
    "late spikes": (neuron(lambda: saying(lif(), "spike_delay=true")), ("'lif{layer}'", "cannot do spike_delay=true")),
    "bounded": (neuron(lambda: saying(lif(), "v_min=-threshold")), ("'lif{layer}'", "cannot do v_min=-threshold")),
    "old current": (neuron(lambda: saying(cuba(), "synapse_order=old")), ("'lif{layer}'", "synapse_order=old")),
    "threshold 0": (neuron(lambda: lif(v_threshold=0.0)), ("'lif{layer}' has a threshold of 0", "shift the membrane")),
    "threshold < 0": (neuron(lambda: lif(v_threshold=-0.5)), ("'lif{layer}' has a threshold of -0.5",)),
    "v_reset": (neuron(lambda: lif(v_reset=0.25)), ("'lif{layer}' resets to 0.25, the chip to 0", "subtract v_reset")),
    "short tau": (neuron(lambda: lif(tau=0.8e-4)), ("'lif{layer}' has a membrane decay of -0.25", "smaller dt")),
    "short tau_syn": (neuron(lambda: cuba(tau_syn=0.8e-4)), ("'lif{layer}' has a synaptic decay of -0.25",)),
    "long tau_syn": (neuron(lambda: cuba(tau_syn=1.0)), ("'lif{layer}'", "shorten tau_syn to 4096")),
    "taus": (neuron(lambda: lif(tau=np.linspace(1e-3, 2e-3, SIZE))), ("'lif{layer}' has 5 different", "share one")),
    "tau_syns": (neuron(lambda: cuba(tau_syn=np.linspace(3e-4, 9e-4, SIZE))), ("'lif{layer}' has 5 different",)),
    "weight": (weight(1e6), ("'lif{layer}'", "times its threshold", "is at least 1", "scale these down")),
    "bias": (bias(1e7), ("'lif{layer}': its bias is", "times its threshold", "scale these down")),
    "tiny threshold": (neuron(lambda: lif(v_threshold=1e-9)), ("'lif{layer}'", "times its threshold")),
    "loop": (extra_node, ("-> 'lif{layer}'", "takes 1 step(s), on the chip at least 2", "add a delay of 1 step(s)")),
    "long delay": (delayed(80), ("-> 'lif{layer}' is", "at most 64", "make the delay shorter")),
    "late bias": (delayed(2, 0.1), ("'lif{layer}' has a bias that begins in step 2", "put the bias behind the delay")),
}
NAMES = sorted(LIMITS)
#: Once around the circle, so that each limit is broken together with two others.
PAIRS = [pair for pair in zip(NAMES, [*NAMES[7:], *NAMES[:7]], strict=True) if "loop" not in pair]


def graph(broken: dict[str, str]) -> nir.NIRGraph:
    """Three layers; ``broken``: by layer, which limit it breaks."""
    rng = np.random.default_rng(0)
    nodes: Nodes = {"input": nir.Input({"input": np.array([SIZE])})}
    for layer in "123":
        nodes |= {f"fc{layer}": nir.Linear(rng.normal(0, 0.5, (SIZE, SIZE))), f"lif{layer}": lif()}
    nodes["output"] = nir.Output({"output": np.array([SIZE])})
    edges = list(itertools.pairwise(nodes))
    for layer, name in broken.items():
        LIMITS[name][0](nodes, edges, layer)
    return nir.NIRGraph(nodes, edges, metadata={dialects.METADATA_KEY: f"nir,dt={DT}"}, type_check=False)


def refused(broken: dict[str, str]) -> str:
    with pytest.raises(DoesNotFit, match="target loihi2") as raised:
        nd.build(graph(broken), TARGET)
    return str(raised.value)


def test_the_network_that_is_broken_below_is_legal() -> None:
    assert BACKEND.fit(check(graph({})), TARGET).problems == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_limit_alone(name: str, table: Table) -> None:
    for layer in "123" if name != "long delay" else "3":
        message = refused({layer: name})
        for said in LIMITS[name][1]:
            assert said.format(layer=layer) in message, message
        table.refused("loihi2", "a limit of a neuron or a projection")
    assert len(BACKEND.fit(check(graph({"2": name})), TARGET).problems) == 1


@pytest.mark.parametrize("pair", PAIRS, ids=[" and ".join(pair) for pair in PAIRS])
def test_two_limits_at_once(pair: tuple[str, str], table: Table) -> None:
    broken = {"1": pair[0], "3": pair[1]}
    message = refused(broken)
    for layer, name in broken.items():
        for said in LIMITS[name][1]:
            assert said.format(layer=layer) in message, message
    assert len(BACKEND.fit(check(graph(broken)), TARGET).problems) == 2
    table.refused("loihi2", "two of these at once")


def test_at_least_thirty_illegal_networks() -> None:
    assert 3 * (len(NAMES) - 1) + 1 + len(PAIRS) >= 30


# --- a scale that is given ------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "breaks", "said"),
    [
        (14, neuron(lambda: lif(v_threshold=np.linspace(0.5, 1.0, SIZE))), "'lif2' has thresholds from 0.5 to 1"),
        (20, neuron(lambda: lif(v_threshold=9.0)), "'lif2' has a threshold of 147"),
        (14, neuron(lambda: lif(v_threshold=1e-3)), "'lif2' has a threshold of 0"),
        (14, weight(1000.0), "'lif2': a weight is"),
        (14, weight(1000.0), "'lif2': its inputs can add up to"),
        (14, bias(400.0), "'lif2' has a bias of"),
    ],
)
def test_a_given_scale_may_not_hold_the_network(bits: int, breaks: Any, said: str) -> None:
    made = graph({})
    breaks(made.nodes, made.edges, "2")
    with pytest.raises(DoesNotFit) as raised:
        nd.build(made, TARGET.with_hardware(fraction_bits=bits))
    assert said in str(raised.value)
    assert f"fraction_bits = {bits}" in str(raised.value)


# --- the cores ------------------------------------------------------------------------


def layers(*sizes: int) -> nir.NIRGraph:
    """Dense layers of IF neurons."""
    rng = np.random.default_rng(1)
    nodes: Nodes = {"input": nir.Input({"input": np.array([sizes[0]])})}
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        nodes[f"fc{layer}"] = nir.Linear(rng.normal(0, 0.5, (outputs, inputs)))
        ones = np.ones(outputs)
        nodes[f"if{layer}"] = nir.IF(r=ones / DT, v_threshold=ones, v_reset=0 * ones)
    nodes["output"] = nir.Output({"output": np.array([sizes[-1]])})
    return nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), type_check=False)


@pytest.mark.parametrize(
    ("sizes", "hardware", "cores"),
    [
        ((10, 20, 5), {}, 1),
        ((10, 20, 5), {"neurons": 8}, 4),
        ((10, 20, 5), {"memory_bytes": 200}, 4),
        ((10, 20, 5), {"input_axons": 20}, 2),
        ((10, 20, 40), {"neurons": 10, "output_axons": 20}, 9),
    ],
)
def test_every_neuron_stands_on_one_core_within_its_limits(
    sizes: tuple[int, ...], hardware: dict[str, int], cores: int
) -> None:
    built = nd.build(layers(*sizes), TARGET.with_hardware(**hardware), dialect=f"nir,dt={DT}")
    placing.validate(built.placement, built.network)
    assert len(built.placement.cores) == cores
    for core in built.placement.cores:
        assert set(core.used) == {"neurons", "memory_bytes", "input_axons", "output_axons"}
        assert all(core.used[name] <= hardware.get(name, core.limits[name]) for name in core.used)
    assert sum(core.used["neurons"] for core in built.placement.cores) == sum(sizes[1:])


def test_memory_is_counted() -> None:
    built = nd.build(layers(10, 20, 5), TARGET, dialect=f"nir,dt={DT}")
    (core,) = built.placement.cores
    assert core.used == {
        "neurons": 25,
        "memory_bytes": 25 * 12 + 10 * 20 + 20 * 5,
        "input_axons": 10 + 20,
        "output_axons": 20,
    }


@pytest.mark.parametrize(
    ("hardware", "said"),
    [
        ({"cores": 2, "neurons": 8}, ("the network needs 4 cores, the chip has 2", "make its layers smaller")),
        ({"input_axons": 9}, ("one neuron of 'if0' alone takes 10 input axons of 9", "reduce its inputs")),
        ({"memory_bytes": 20}, ("one neuron of 'if0' alone takes 22 memory bytes of 20", "one neuron of 'if1'")),
        ({"neurons": 2, "output_axons": 2}, ("needs 3 output axons, it has 2", "connect them to fewer neurons")),
        ({"cores": 9, "neurons": 2, "output_axons": 2}, ("needs 22 cores", "needs 3 output axons, it has 2")),
        ({"cores": 1, "neurons": 9, "output_axons": 1}, ("the network needs 20 cores", "the chip has 1")),
    ],
)
def test_what_no_core_takes_is_refused_all_at_once(
    hardware: dict[str, int], said: tuple[str, ...], table: Table
) -> None:
    with pytest.raises(DoesNotFit) as raised:
        nd.build(layers(10, 20, 5), TARGET.with_hardware(**hardware), dialect=f"nir,dt={DT}")
    for part in said:
        assert part in str(raised.value)
    table.refused("loihi2", "a limit of the cores, or two")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weight_bits": 9}, "weight_bits"),
        ({"threshold_bits": 18}, "threshold_bits"),
        ({"cores": 0}, "cores"),
        ({"fraction_bits": 23}, "fraction_bits"),
    ],
)
def test_a_target_file_of_one_s_own_keeps_to_the_registers(changes: dict[str, int], said: str) -> None:
    with pytest.raises(TargetFileError, match=said):
        TARGET.with_hardware(**changes)


def test_more_input_bits_than_a_spike_carries_are_refused() -> None:
    with pytest.raises(DoesNotFit, match="numbers of 8 bits, a spike from outside carries 4; build with fewer input"):
        nd.build(graph({}), TARGET.with_hardware(message_bits=4), input_bits=8)
