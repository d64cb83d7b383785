"""A checked graph in the chip's registers.

Every neuron has a threshold of its own, and a spike depends on the membrane against the threshold alone: its scale is
such that the threshold is the register's value. The three matrices (input, hidden, output) have one left shift each,
for all neurons. So the shifts come first, from all neurons together; then each neuron's threshold is as large as its
weights, its currents and its membrane allow; then it makes good what rounding its weights has added or taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from nirdeploy.backends.xylo import registers, wiring
from nirdeploy.backends.xylo.decays import Decays, fit, kept_by
from nirdeploy.graph.check import CheckedGraph, Population
from nirdeploy.integers.network import IntegerNetwork, IntegerPopulation, IntegerProjection
from nirdeploy.integers.quantize import assembled
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Dense
from nirdeploy.targets.tables import Target

#: How many thresholds a membrane holds before it saturates.
HEADROOM = 8
#: What a state's own rounding adds to the error of the weights' (squared weight units): half an LSB in every step,
#: where a weight counts in every tenth.
_STATE_NOISE = 25.0


@dataclass(frozen=True, eq=False)
class Neurons:
    """One population, per threshold of its neurons: float64 (size,), ``weights`` (size, sources) by projection.

    ``gain``: thresholds on the chip that a unit of current is, in one step.
    """

    population: Population
    decays: Decays
    gain: np.ndarray
    bias: np.ndarray
    weights: tuple[np.ndarray, ...]
    matrices: tuple[str, ...]
    cap: np.ndarray

    def of(self, matrix: str) -> np.ndarray:
        """The weights in one of the chip's matrices, side by side."""
        parts = [w for w, m in zip(self.weights, self.matrices, strict=True) if m == matrix]
        return np.concatenate(parts, axis=1) if parts else np.zeros((self.gain.size, 0))


class Rounding:
    """A graph on its way to integers, but for populations that the chip has none for (``unsound``).

    ``problems``: what no threshold can hold.
    """

    def __init__(self, graph: CheckedGraph, target: Target, unsound: Collection[str] = ()) -> None:
        self.graph, self.formats, self.target = graph, target.formats, target
        self.wires = wiring.of_graph(graph, target.hardware)
        self.latency = wiring.latencies(graph)
        self.neurons = [self._neurons(p) for p in graph.populations if p.model != "Input" and p.name not in unsound]
        hidden = [n for n in self.neurons if n.population.name in self.wires.hidden]
        output = [n for n in self.neurons if n.population.name in self.wires.outputs]
        self.shifts = self._best(hidden, ("input", "hidden")) | self._best(output, ("output",))
        self.problems = [text for n in self.neurons for text in self._too_small(n)]

    # --- in thresholds ----------------------------------------------------------------

    def _neurons(self, population: Population) -> Neurons:
        graph, size = self.graph, population.size
        params = {key: values.ravel() for key, values in population.params.items()}
        how = neuron.coefficients(population.model, params, graph.dialect_of(population.name))

        def whole(value: Any) -> np.ndarray:
            return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), size))

        membrane, synapse, threshold = whole(how.decay), whole(how.synapse_decay), params["v_threshold"]
        decays = fit(membrane, synapse, self.formats)
        current = whole(how.gain) * whole(how.synapse_gain) / threshold
        # A constant current through the synapse settles; the chip's bias is past it.
        bias = current * population.bias.ravel() / (1.0 - synapse) + whole(how.offset) / threshold
        gain = current * decays.factor
        into = self.incoming(population.name)
        weights = tuple(p.matrix() * gain[:, None] for p in into)
        matrices = tuple(self._matrix(p.source, p.target) for p in into)
        most = [(1 << graph.input_bits) - 1 if m == "input" else 1 for m in matrices]
        reach = sum((np.abs(w).sum(axis=1) * n for w, n in zip(weights, most, strict=True)), np.zeros(size))
        cap = self._cap(reach * 2.0**decays.dash_syn, weights, bias)
        return Neurons(population, decays, gain, bias, weights, matrices, cap)

    def incoming(self, name: str) -> list[Any]:
        """The projections into a population, in the order in which the chip delivers their spikes."""
        return sorted(self.graph.into(name), key=lambda p: self.wires.position(p.source))

    def _matrix(self, source: str, target: str) -> str:
        if source in self.wires.inputs:
            return "input"
        return "output" if target in self.wires.outputs else "hidden"

    def _cap(self, reach: np.ndarray, weights: Sequence[np.ndarray], bias: np.ndarray) -> np.ndarray:
        """The largest threshold: the membrane holds several, the current what one spike from everywhere leads to
        (but not at the cost of the weights' bits), the register the bias."""
        f = self.formats
        largest = np.max([np.abs(w).max(axis=1, initial=0.0) for w in weights], axis=0)
        with np.errstate(divide="ignore"):
            current = np.maximum(f.state_max / reach, f.weight_max / largest)
            limits = current, np.full(bias.size, f.state_max / HEADROOM), f.state_max / np.abs(bias)
            return np.asarray(np.floor(np.min(limits, axis=0)))

    # --- shifts and thresholds --------------------------------------------------------

    def _best(self, group: Sequence[Neurons], matrices: Sequence[str]) -> dict[str, int]:
        """The shifts that leave the fewest neurons without a threshold, then those with the least error of all neurons
        together; the smallest of equals."""
        every = tuple(range(self.formats.weight_shift_max + 1))
        if not group:
            return dict.fromkeys(matrices, 0)
        used = [np.concatenate([np.abs(n.of(m)).max(axis=1, initial=0.0) for n in group]) for m in matrices]
        count = [np.concatenate([(n.of(m) != 0).sum(axis=1) for n in group]) for m in matrices]
        cap = np.concatenate([n.cap for n in group])
        found: list[tuple[int, float, tuple[int, ...]]] = []
        for shifts in product(*(every if largest.any() else (0,) for largest in used)):
            threshold = self._threshold(cap, used, shifts)
            noise = sum(c * 4.0**s / 12.0 for c, s in zip(count, shifts, strict=True)) + _STATE_NOISE
            error = float((noise / np.maximum(threshold, 1.0) ** 2).sum())
            found.append((int((threshold < 1.0).sum()), error, shifts))
        return dict(zip(matrices, min(found)[-1], strict=True))

    def _threshold(self, cap: np.ndarray, largest: Sequence[np.ndarray], shifts: Sequence[int]) -> np.ndarray:
        """The largest threshold with which no weight leaves its bits; below 1: none."""
        with np.errstate(divide="ignore"):
            fits = [self.formats.weight_max * 2.0**s / each for each, s in zip(largest, shifts, strict=True)]
        return np.asarray(np.floor(np.min([cap, *fits], axis=0)))

    def threshold(self, n: Neurons) -> np.ndarray:
        """float64 (size,), whole numbers; below 1 where nothing fits."""
        matrices = sorted(set(n.matrices))
        largest = [np.abs(n.of(m)).max(axis=1, initial=0.0) for m in matrices]
        return self._threshold(n.cap, largest, [self.shifts[m] for m in matrices])

    def _too_small(self, n: Neurons) -> Iterator[str]:
        threshold = self.threshold(n)
        worst, small = int(threshold.argmin()), int((threshold < 1.0).sum())
        if not small:
            return
        largest = max(float(np.abs(w[worst]).max(initial=0.0)) for w in n.weights)
        yield (
            f"node {n.population.name!r} has {small} neuron(s) whose threshold register would be below 1: a weight "
            f"adds up to {largest:.3g} times the threshold, the bias {abs(float(n.bias[worst])):.3g} times; scale "
            "these down or the threshold up"
        )

    # --- integers ---------------------------------------------------------------------

    def network(self) -> IntegerNetwork:
        """Only where there are no problems, and nothing is unsound."""
        made = (self._integers(n) for n in self.neurons)
        return assembled(self.graph, self.target.name, self.formats.of_network(), made, dynamics=self.target.backend)

    def _integers(self, n: Neurons) -> tuple[IntegerPopulation, list[IntegerProjection], dict[str, float | str]]:
        name, exact = n.population.name, self.threshold(n)
        steps = [2.0 ** self.shifts[m] for m in n.matrices]
        rounded = [np.rint(w * exact[:, None] / s) for w, s in zip(n.weights, steps, strict=True)]
        threshold = self._repaired(n, exact, rounded, steps)
        bias = np.rint(n.bias * threshold).astype(np.int64)
        scale = n.population.params["v_threshold"].ravel() / threshold
        values = {"dash_mem": n.decays.dash_mem, "dash_syn": n.decays.dash_syn, "threshold": threshold, "bias": bias}
        population = registers.population(
            name,
            n.population.shape,
            self.graph.rules(name),
            values,
            scale,
            self.formats,
            output=name in self.wires.outputs,
            latency=self.latency[name],
        )
        # What a spike adds to the current is what its step's decay leaves of it.
        unit = kept_by(n.decays.dash_syn) * n.decays.factor / (np.where(n.gain == 0, 1.0, n.gain) * threshold)
        projections = [
            IntegerProjection(
                p.source, name, Dense(w.astype(np.int32)), unit * s, None, int(m != "input"), self.shifts[m]
            )
            for p, w, s, m in zip(self.incoming(name), rounded, steps, n.matrices, strict=True)
        ]
        return population, projections, self._row(n, population, rounded, steps)

    def _repaired(
        self, n: Neurons, exact: np.ndarray, rounded: Sequence[np.ndarray], steps: Sequence[float]
    ) -> np.ndarray:
        """Thresholds (int64) larger by as much as the rounded weights are, by least squares; with a bias, which is not
        rounded like them, as they were."""
        power = sum(((w * exact[:, None]) ** 2).sum(axis=1) for w in n.weights)
        along = sum((r * s * w * exact[:, None]).sum(axis=1) for r, w, s in zip(rounded, n.weights, steps, strict=True))
        ratio = np.where((power > 0) & (along > 0) & (n.bias == 0), along / np.where(power > 0, power, 1.0), 1.0)
        return np.asarray(np.clip(np.rint(exact * ratio), 1, self.formats.state_max).astype(np.int64))

    def _row(
        self, n: Neurons, population: IntegerPopulation, rounded: Sequence[np.ndarray], steps: Sequence[float]
    ) -> dict[str, float | str]:
        threshold = population.extra["threshold"]
        wanted = np.concatenate([w * threshold[:, None] for w in n.weights], axis=1)
        got = np.concatenate([r * s for r, s in zip(rounded, steps, strict=True)], axis=1)
        noise, power = float(((got - wanted) ** 2).sum()), float((wanted**2).sum())
        drift = _lead(population)
        reach = np.abs(got).sum(axis=1) * 2.0**n.decays.dash_syn
        return {
            "population": population.name,
            "neurons": population.size,
            "latency": population.latency,
            "spikes_max": int(population.extra["spikes_max"]),
            "weight_shifts": " ".join(f"{m} {self.shifts[m]}" for m in sorted(set(n.matrices))),
            "threshold_min": int(threshold.min()),
            "threshold_max": int(threshold.max()),
            "tau_mem_error": _largest(n.decays.membrane_error),
            "tau_syn_error": _largest(n.decays.synapse_error),
            "weight_sqnr_db": float(10 * np.log10(power / noise)) if noise and power else float("inf"),
            "bias_error": float(np.abs(population.bias / threshold - n.bias).max()),
            "start_error": float(np.abs(drift / threshold).max()),
            "current_used": float(reach.max() / self.formats.state_max),
        }


def _largest(signed: np.ndarray) -> float:
    """The value that is furthest from zero, with its sign."""
    return float(signed[np.abs(signed).argmax()])


def _lead(population: IntegerPopulation) -> np.ndarray:
    """Where the bias has led the membrane, from zero, before the graph's first step is due."""
    kept = kept_by(population.extra["dash_mem"])
    v = np.zeros(population.size)
    for _ in range(population.latency):
        v = v * kept + population.bias
    return v
