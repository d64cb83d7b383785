"""Networks for Xylo: graphs, and registers at random, at the ends of their range too, as no quantizer sets them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.backends.xylo import registers
from nirdeploy.backends.xylo.dynamics import State, XyloDynamics
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import ChipPopulation, Formats, IntegerProjection
from nirdeploy.semantics import neuron
from nirdeploy.semantics.dialect import PRESETS, Dialect
from nirdeploy.semantics.operators import Dense, Operator
from nirdeploy.sim import integer
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target

BACKEND = registry.find_backend("xylo", "")
NAMES = ("xylo_a2", "xylo_a3", "xylo_imu")
RULES = neuron.rules("CubaLIF", PRESETS["rockpool"])
DT = 1e-3
PLAIN = Dialect(dt=DT, reset="subtract")


def target(name: str, **changes: int) -> Target:
    return targets.load(name).with_hardware(**changes)


# --- graphs ---------------------------------------------------------------------------


def cuba(name: str, size: int, tau_syn: np.ndarray | float, tau_mem: np.ndarray | float, bias: float = 0) -> Population:
    """Time constants in steps; a weight of 1 brings the membrane a threshold in all, a little in each step."""
    one = np.ones(size)
    params = {"tau_syn": tau_syn * DT * one, "tau_mem": tau_mem * DT * one, "w_in": one, "r": tau_mem * one}
    params |= {"v_threshold": one, "v_leak": 0 * one, "v_reset": 0 * one}
    return Population(name, "CubaLIF", (size,), params, bias * one)


def chain(
    operators: Sequence[Operator], tau_syn: float, tau_mem: float, bias: float = 0, dialect: Dialect = PLAIN
) -> CheckedGraph:
    """``in``, ``h1``, ``h2`` and so on, ``out``."""
    names = ["in", *(f"h{n}" for n in range(1, len(operators))), "out"]
    first = operators[0].inputs
    populations = [Population("in", "Input", (first,), {}, np.zeros(first))]
    populations += [cuba(n, o.outputs, tau_syn, tau_mem, bias) for n, o in zip(names[1:], operators, strict=True)]
    ways = [Projection(a, b, o) for a, b, o in zip(names, names[1:], operators, strict=False)]
    return CheckedGraph(tuple(populations), tuple(ways), ("in",), {"output": "out"}, dialect, "argument")


def graph(seed: int, *, recurrent: bool = True, powers: bool = False, multi: bool = False) -> CheckedGraph:
    """Three layers with time constants of their own for each neuron, 2 to 40 steps (``powers``: of two)."""
    rng = np.random.default_rng(seed)
    sizes = [int(rng.integers(*most)) for most in ((3, 12), (4, 20), (3, 14), (2, 6))]
    dialect = Dialect(dt=DT, reset="subtract", threshold=">=", spikes="multi") if multi else PLAIN
    pairs = itertools.pairwise(sizes)
    operators = [Dense(_excitable(rng.normal(0.4, 1.0, (b, a)) * 1.6 / np.sqrt(a))) for a, b in pairs]
    made = chain(operators, 2.0, 8.0, dialect=dialect)

    def taus(size: int, most: float) -> np.ndarray:
        drawn = np.exp(rng.uniform(np.log(2), np.log(most), size))
        return 2.0 ** np.rint(np.log2(drawn)) if powers else drawn

    populations = [
        p if p.model == "Input" else replace(cuba(p.name, p.size, taus(p.size, 12), taus(p.size, 40)), bias=p.bias)
        for p in made.populations
    ]
    inner = zip(("h1", "h2"), sizes[1:3], strict=True)
    back = [Projection(n, n, Dense(rng.normal(0, 0.3, (size, size)) / np.sqrt(size)), delay=1) for n, size in inner]
    ways = (*made.projections, *(back if recurrent else ()))
    return replace(made, populations=tuple(populations), projections=ways)


def _excitable(weights: np.ndarray) -> np.ndarray:
    """Of a population that would be silent, the first neuron is excited by all that feeds it."""
    return weights if weights.max() > 0.5 else np.concatenate([np.abs(weights[:1]) + 0.5, weights[1:]])


def built(graph: CheckedGraph, name: str = "xylo_a2") -> nd.Build:
    return nd.build(as_nir(graph), name)


# --- registers ------------------------------------------------------------------------


class Drawn:
    """A network at random: one or two inputs, one to three hidden populations, one or two outputs."""

    def __init__(self, seed: int, target: Target) -> None:
        self.rng, self.target = np.random.default_rng(seed), target
        #: How far weights and biases may go: mild, or up to where states saturate all the time.
        self.wild = seed % 3 == 0
        names = [[f"{kind}{n}" for n in range(self.rng.integers(1, most + 1))] for kind, most in _KINDS.items()]
        self.inputs, self.hidden, self.outputs = names
        self.sizes = {n: int(self.rng.integers(1, 8)) for n in self.inputs}
        self.sizes |= {n: int(self.rng.integers(2, 12)) for n in self.hidden}
        self.sizes |= {n: int(self.rng.integers(1, 4)) for n in self.outputs}
        self.shifts = dict(zip(_KINDS, self.rng.integers(0, 8 if self.wild else 4, 3).tolist(), strict=True))
        pairs = [(i, self.hidden[0]) for i in self.inputs] + [(self.hidden[-1], o) for o in self.outputs]
        pairs += [(a, b) for a, b in zip(self.hidden, self.hidden[1:], strict=False)]
        pairs += [(h, h) for h in self.hidden if self.rng.random() < 0.6]
        pairs += [(h, self.hidden[0]) for h in self.hidden[1:] if self.rng.random() < 0.3]
        self.pairs = sorted(pairs, key=lambda pair: self._position(pair[0]))

    def _position(self, source: str) -> int:
        return [*self.inputs, *self.hidden].index(source)

    def network(self) -> IntegerNetwork:
        names = [*self.hidden, *self.outputs]
        return IntegerNetwork(
            target=self.target.name,
            formats=self.target.formats.of_network(),
            populations=tuple(self._population(name) for name in names),
            projections=tuple(self._projection(*pair) for pair in self.pairs),
            inputs=tuple((name, (self.sizes[name],)) for name in self.inputs),
            outputs={name: name for name in self.outputs},
            dt=1e-3,
            report=(),
            input_bits=4,
            dynamics=self.target.backend,
        )

    def _population(self, name: str) -> ChipPopulation:
        size, rng = self.sizes[name], self.rng
        drawn = {
            "dash_mem": rng.integers(0, 16 if self.wild else 7, size),
            "dash_syn": rng.integers(0, 16 if self.wild else 6, size),
            "threshold": np.minimum(np.exp(rng.uniform(0 if self.wild else 5, 10.4, size)), 32767).astype(np.int64),
            "bias": np.rint(rng.normal(0, 6000 if self.wild else 20, size)).clip(-32768, 32767).astype(np.int64),
        }
        return registers.population(
            name,
            (size,),
            RULES,
            {key: drawn[key] for key in registers.NEURON},
            np.ones(size),
            self.target.formats,
            output=name in self.outputs,
            latency=0,
        )

    def _projection(self, source: str, target: str) -> IntegerProjection:
        shape = self.sizes[target], self.sizes[source]
        weight = self.rng.integers(-128, 128, shape) if self.wild else np.rint(self.rng.normal(15, 40, shape))
        weight = np.where(self.rng.random(shape) < 0.3, 0, weight).clip(-128, 127).astype(np.int32)
        kind = "input" if source in self.inputs else "output" if target in self.outputs else "hidden"
        unit = np.ones(shape[0])
        return IntegerProjection(source, target, Dense(weight), unit, None, int(kind != "input"), self.shifts[kind])

    def stimulus(self, steps: int) -> dict[str, np.ndarray]:
        """(T, 1, size) by input: up to 15 events, in bursts."""
        busy = self.rng.random((steps, 1, 1)) < 0.7
        most = 16 if self.wild else 4
        return {
            name: (self.rng.integers(0, most, (steps, 1, self.sizes[name])) * busy).astype(np.uint8)
            for name in self.inputs
        }


_KINDS: Mapping[str, int] = {"input": 2, "hidden": 3, "output": 2}


class _Watched(XyloDynamics):
    """The chip's neuron, with every state of it kept."""

    def __init__(self) -> None:
        self.kept: dict[str, list[np.ndarray]] = {}

    def step(
        self,
        state: State,
        arriving: Sequence[tuple[IntegerProjection, np.ndarray]],
        population: ChipPopulation,
        formats: Formats,
    ) -> tuple[np.ndarray, State, np.ndarray]:
        out = super().step(state, arriving, population, formats)
        for key, values in (("spikes", out[0]), ("v", out[1].v), ("i", out[1].i)):
            self.kept.setdefault(f"{key}.{population.name}", []).append(values[0])
        return out


@dataclass(frozen=True)
class States:
    """``values``: (T, size) by ``spikes.NAME``, ``v.NAME`` and ``i.NAME``."""

    values: Mapping[str, np.ndarray]
    saturations: int


def states(network: IntegerNetwork, x: Mapping[str, np.ndarray]) -> States:
    """All that the integer model does with one sample, (T, 1, size) by input."""
    watched = _Watched()
    with pytest.MonkeyPatch.context() as chip:
        chip.setattr(type(BACKEND), "dynamics", watched)
        record = integer.simulate(network, x)
    return States({key: np.array(values) for key, values in watched.kept.items()}, int(record.stats["saturations"]))
