"""Networks for My Chip: legal ones, and one for each limit that breaks it."""

from __future__ import annotations

import nir
import numpy as np

from nirdeploy.semantics.dialect import METADATA_KEY

DT = 1e-3
STEPS, SAMPLES, INPUTS = 50, 2, 20


def lif(size: int, tau: float | np.ndarray = 8.0, **changes: float) -> nir.LIF:
    """To which a current of 1 adds 1 in a step; ``tau`` in steps."""
    values = {"v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changes
    taus = np.broadcast_to(tau, size)
    return nir.LIF(tau=taus * DT, r=taus.copy(), **{name: np.full(size, value) for name, value in values.items()})


def layers(*stack: tuple[str, nir.NIRNode], inputs: int = INPUTS, dialect: str = "") -> nir.NIRGraph:
    nodes = {"in": nir.Input({"input": np.array([inputs])}), **dict(stack)}
    nodes["out"] = nir.Output({"output": np.array(list(stack[-1][1].output_type["output"]))})
    edges = list(zip(nodes, list(nodes)[1:], strict=False))
    return nir.NIRGraph(nodes, edges, metadata={METADATA_KEY: f"nir,dt={DT}{dialect}"}, type_check=False)


def weights(size: int, inputs: int, seed: int = 1) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).uniform(-0.4, 0.9, (size, inputs)) / np.sqrt(inputs))


def stimulus(seed: int, inputs: int = INPUTS, rate: float = 0.4) -> np.ndarray:
    return (np.random.default_rng(seed).random((STEPS, SAMPLES, inputs)) < rate).astype(np.uint8)


def one_layer(neurons: nir.NIRNode, size: int, inputs: int = INPUTS, dialect: str = "") -> nir.NIRGraph:
    return layers(("w", nir.Linear(weights(size, inputs))), ("p", neurons), inputs=inputs, dialect=dialect)


def integrate(size: int, threshold: float) -> nir.IF:
    """To which a current of 1 adds 1 in a step."""
    return nir.IF(r=np.full(size, 1 / DT), v_threshold=np.full(size, threshold), v_reset=np.zeros(size))


def stack(seed: int, sizes: list[int], inputs: int, taus: list[float], threshold: float, compare: str) -> nir.NIRGraph:
    """Layers p0, p1, ... whose largest weight is 1; a tau of 0 is an IF."""
    nodes: list[tuple[str, nir.NIRNode]] = []
    for i, (size, before) in enumerate(zip(sizes, [inputs, *sizes], strict=False)):
        neurons = lif(size, taus[i], v_threshold=threshold) if taus[i] else integrate(size, threshold)
        matrix = weights(size, before, seed + i)
        nodes += [(f"w{i}", nir.Linear(matrix / np.abs(matrix).max())), (f"p{i}", neurons)]
    return layers(*nodes, inputs=inputs, dialect=f",threshold={compare}")


def legal() -> nir.NIRGraph:
    """Thirty neurons: hidden ones on two cores."""
    return layers(
        ("to_hidden", nir.Linear(weights(24, INPUTS))),
        ("hidden", lif(24)),
        ("to_last", nir.Linear(weights(6, 24))),
        ("last", lif(6, 4.0)),
    )


def illegal() -> nir.NIRGraph:
    """Too many inputs, a bias, and two leaks in one population: the document's example."""
    return layers(
        ("to_hidden", nir.Affine(weights(8, 70), np.full(8, 0.25))),
        ("hidden", lif(8)),
        ("to_last", nir.Linear(weights(4, 8))),
        ("last", lif(4, np.array([4.0, 8.0, 4.0, 8.0]))),
        inputs=70,
    )


#: By what is broken: the network, and what of the message must be there.
BROKEN: dict[str, tuple[nir.NIRGraph, str]] = {
    "inputs": (
        one_layer(lif(4), 4, 65),
        "node 'p' takes 65 inputs, a neuron has 64 weights; use fewer inputs",
    ),
    "bias": (
        layers(("w", nir.Affine(weights(4, INPUTS), np.full(4, 0.5))), ("p", lif(4))),
        "node 'p' has a bias or v_leak (up to 0.5 per step), the chip none; train it without",
    ),
    "leak voltage": (one_layer(lif(4, v_leak=0.8), 4), "(up to 0.1 per step)"),
    "reset voltage": (
        one_layer(lif(4, v_reset=0.1), 4),
        "node 'p' has a v_reset other than 0, the chip resets to 0; shift",
    ),
    "two taus": (
        one_layer(lif(2, np.array([4.0, 8.0])), 2),
        "node 'p' has more than one tau, a population shares its leak; split it",
    ),
    "slow leak": (
        one_layer(lif(4, 1000.0), 4),
        "node 'p' loses 0.001 of its membrane in a step, the chip between 2^-1 and 2^-7; choose another dt",
    ),
    "threshold": (
        layers(("w", nir.Linear(np.ones((4, INPUTS)))), ("p", lif(4, v_threshold=300.0))),
        "node 'p' has thresholds from 2100 to 2100 weight units, the chip from 0 to 2047; bring",
    ),
    "reset": (
        one_layer(lif(4), 4, dialect=",reset=subtract"),
        "node 'p' resets by 'subtract', the target's LIF only by zero; train",
    ),
    "delay": (
        layers(("wait", nir.Delay(np.full(INPUTS, 3 * DT))), ("w", nir.Linear(weights(4, INPUTS))), ("p", lif(4))),
        "the projection 'in' -> 'p' is delayed by 3 step(s), the target's may be late by 0",
    ),
    "model": (
        one_layer(nir.LI(tau=np.full(4, DT), r=np.ones(4), v_leak=np.zeros(4)), 4),
        "node 'p' is a LI, which the target does not compute (it has IF, LIF)",
    ),
    "neurons": (
        one_layer(lif(65), 65),
        "the network has 65 neurons, the chip 64 (4 cores of 16)",
    ),
}
