"""A checked graph in the chip's registers.

Every neuron has a threshold of its own, and a spike depends on the membrane against the threshold alone: its scale is
such that the threshold is the register's value. The three matrices (input, hidden, output) have one left shift each,
for all neurons. So the shifts come first, from all neurons together; then each neuron's threshold is as large as its
weights, its currents and its membrane allow; then it makes good what rounding its weights has added or taken. Weights
of a neuron that are on one grid become its whole numbers: shifts and thresholds are chosen so, the threshold rounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from nirdeploy.backends.common import limits, quality
from nirdeploy.backends.xylo import registers
from nirdeploy.backends.xylo.decays import fit, kept_by
from nirdeploy.backends.xylo.grids import Grids
from nirdeploy.backends.xylo.schema import Formats
from nirdeploy.backends.xylo.wiring import Wiring
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population
from nirdeploy.integers.parts import ChipPopulation, IntegerProjection
from nirdeploy.semantics.operators import Dense
from nirdeploy.targets.fit import Problem

#: How many thresholds a membrane holds before it saturates.
HEADROOM = 8
#: What a state's own rounding adds to the error of the weights' (squared weight units): half an LSB in every step,
#: where a weight counts in every tenth.
_STATE_NOISE = 25.0


class Rounding:
    """One population, per threshold of its neurons: float64 (size,), ``weights`` (size, sources) by projection.

    ``gain``: thresholds on the chip that a unit of current is, in one step. ``incoming``: in the order in which the
    chip delivers spikes. ``cap``: the largest threshold, whatever the shifts; ``grids``: those that weights are on.
    What no threshold can hold shows only once the shifts are there: see :class:`Shifts`.
    """

    problems: Sequence[Problem] = ()

    def __init__(
        self, graph: CheckedGraph, population: Population, wires: Wiring, formats: Formats, latency: int
    ) -> None:
        self.population, self.formats, self.latency = population, formats, latency
        self.rules, self.output = graph.rules(population.name), population.name in wires.outputs
        self.incoming = sorted(graph.into(population.name), key=lambda p: wires.position(p.source))
        size, how = population.size, limits.coefficients(graph, population)
        synapse, threshold = limits.whole(how.synapse_decay, size), population.params["v_threshold"].ravel()
        self.decays = fit(limits.whole(how.decay, size), synapse, formats)
        current = limits.whole(how.gain, size) * limits.whole(how.synapse_gain, size) / threshold
        # A constant current through the synapse settles; the chip's bias is past it.
        settled = current * population.bias.ravel() / (1.0 - synapse)
        self.bias = settled + limits.whole(how.offset, size) / threshold
        self.gain = current * self.decays.factor
        self.weights = tuple(p.matrix() * self.gain[:, None] for p in self.incoming)
        inner = "output" if self.output else "hidden"
        self.matrices = tuple("input" if p.source in wires.inputs else inner for p in self.incoming)
        most = [(1 << graph.input_bits) - 1 if m == "input" else 1 for m in self.matrices]
        reach = sum((np.abs(w).sum(axis=1) * n for w, n in zip(self.weights, most, strict=True)), np.zeros(size))
        self.cap = self._cap(reach * 2.0**self.decays.dash_syn)
        self.grids = Grids({m: self.of(m) for m in sorted(set(self.matrices))}, self.cap, formats)

    def _cap(self, reach: np.ndarray) -> np.ndarray:
        """The largest threshold: the membrane holds several, the current what one spike from everywhere leads to
        (but not at the cost of the weights' bits), the register the bias."""
        f = self.formats
        largest = np.max([np.abs(w).max(axis=1, initial=0.0) for w in self.weights], axis=0)
        with np.errstate(divide="ignore"):
            current = np.maximum(f.state_max / reach, f.weight_max / largest)
            limit = current, np.full(self.bias.size, f.state_max / HEADROOM), f.state_max / np.abs(self.bias)
            return np.asarray(np.floor(np.min(limit, axis=0)))

    def of(self, matrix: str) -> np.ndarray:
        """The weights in one of the chip's matrices, side by side."""
        parts = [w for w, m in zip(self.weights, self.matrices, strict=True) if m == matrix]
        return np.concatenate(parts, axis=1) if parts else np.zeros((self.gain.size, 0))

    def largest(self, matrix: str) -> np.ndarray:
        """Of each neuron, the largest weight in a matrix: (size,)."""
        return np.asarray(np.abs(self.of(matrix)).max(axis=1, initial=0.0))

    def result(self, shifts: Shifts) -> tuple[ChipPopulation, list[IntegerProjection], dict[str, float | str]]:
        """The integers. Only where there are no problems, here and with the shifts."""
        exact, steps = shifts.threshold(self), [2.0 ** shifts.of[m] for m in self.matrices]
        rounded = [np.rint(w * exact[:, None] / s) for w, s in zip(self.weights, steps, strict=True)]
        threshold = self._repaired(exact, rounded, steps)
        bias = np.rint(self.bias * threshold).astype(np.int64)
        scale = self.population.params["v_threshold"].ravel() / threshold
        decays = {"dash_mem": self.decays.dash_mem, "dash_syn": self.decays.dash_syn}
        population = registers.population(
            self.population.name,
            self.population.shape,
            self.rules,
            {**decays, "threshold": threshold, "bias": bias},
            scale,
            self.formats,
            output=self.output,
            latency=self.latency,
        )
        # What a spike adds to the current is what its step's decay leaves of it.
        gain = np.where(self.gain == 0, 1.0, self.gain)
        unit = kept_by(self.decays.dash_syn) * self.decays.factor / (gain * threshold)
        projections = [
            IntegerProjection(
                p.source, p.target, Dense(w.astype(np.int32)), unit * s, None, int(m != "input"), shifts.of[m]
            )
            for p, w, s, m in zip(self.incoming, rounded, steps, self.matrices, strict=True)
        ]
        return population, projections, self._row(population, rounded, steps, shifts.of)

    def _repaired(self, exact: np.ndarray, rounded: Sequence[np.ndarray], steps: Sequence[float]) -> np.ndarray:
        """Thresholds (int64) larger by as much as the rounded weights are, by least squares; with a bias, which is not
        rounded like them, as they were."""
        wanted = [w * exact[:, None] for w in self.weights]
        power = sum((w**2).sum(axis=1) for w in wanted)
        along = sum((r * s * w).sum(axis=1) for r, w, s in zip(rounded, wanted, steps, strict=True))
        ratio = np.where((power > 0) & (along > 0) & (self.bias == 0), along / np.where(power > 0, power, 1.0), 1.0)
        return np.asarray(np.clip(np.rint(exact * ratio), 1, self.formats.state_max).astype(np.int64))

    def _row(
        self,
        population: ChipPopulation,
        rounded: Sequence[np.ndarray],
        steps: Sequence[float],
        shifts: Mapping[str, int],
    ) -> dict[str, float | str]:
        threshold, bias = population.registers["threshold"], population.registers["bias"]
        wanted = np.concatenate([w * threshold[:, None] for w in self.weights], axis=1)
        got = np.concatenate([r * s for r, s in zip(rounded, steps, strict=True)], axis=1)
        factor = quality.common_factor(got, wanted)
        noise = quality.noise(got, wanted * factor[:, None])
        reach = np.abs(got).sum(axis=1) * 2.0**self.decays.dash_syn
        return {
            "population": population.name,
            "neurons": population.size,
            "latency": population.latency,
            "spikes_max": int(population.registers["spikes_max"]),
            "weight_shifts": " ".join(f"{m} {shifts[m]}" for m in sorted(set(self.matrices))),
            "threshold_min": int(threshold.min()),
            "threshold_max": int(threshold.max()),
            "tau_mem_error": quality.largest(self.decays.membrane_error),
            "tau_syn_error": quality.largest(self.decays.synapse_error),
            "weight_sqnr_db": quality.sqnr_db(float((wanted**2).sum()), noise),
            "threshold_error": float(np.abs(1.0 / factor - 1.0).max()),
            "bias_error": float(np.abs(bias / threshold - self.bias).max()),
            "start_error": float(np.abs(_lead(population) / threshold).max()),
            "current_used": float(reach.max() / self.formats.state_max),
        }


class Shifts:
    """The left shift of each of the chip's matrices, from all populations together: ``of`` by matrix.

    ``problems``: what no threshold can hold.
    """

    def __init__(self, rounded: Sequence[Rounding], formats: Formats) -> None:
        self.formats = formats
        hidden, output = [r for r in rounded if not r.output], [r for r in rounded if r.output]
        self.of = self._best(hidden, ("input", "hidden")) | self._best(output, ("output",))
        self.problems = [problem for r in rounded for problem in self._too_small(r)]

    def _best(self, group: Sequence[Rounding], matrices: Sequence[str]) -> dict[str, int]:
        """The shifts that leave the fewest neurons without a threshold, then those that keep the most on their grids,
        then those with the least error of all neurons together; the smallest of equals."""
        every = tuple(range(self.formats.weight_shift_max + 1))
        if not group:
            return dict.fromkeys(matrices, 0)
        used = [np.concatenate([r.largest(m) for r in group]) for m in matrices]
        count = [np.concatenate([(r.of(m) != 0).sum(axis=1) for r in group]) for m in matrices]
        cap = np.concatenate([r.cap for r in group])
        found: list[tuple[int, int, float, tuple[int, ...]]] = []
        for shifts in product(*(every if largest.any() else (0,) for largest in used)):
            on_grid = np.concatenate([r.grids.thresholds(dict(zip(matrices, shifts, strict=True))) for r in group])
            threshold = np.where(on_grid > 0, on_grid, self._threshold(cap, used, shifts))
            noise = sum(c * 4.0**s / 12.0 for c, s in zip(count, shifts, strict=True))
            noise = np.where(on_grid > 0, 0.0, noise) + _STATE_NOISE
            error = float((noise / np.maximum(threshold, 1.0) ** 2).sum())
            found.append((int((threshold < 1.0).sum()), int(-(on_grid > 0).sum()), error, shifts))
        return dict(zip(matrices, min(found)[-1], strict=True))

    def _threshold(self, cap: np.ndarray, largest: Sequence[np.ndarray], shifts: Sequence[int]) -> np.ndarray:
        """The largest threshold with which no weight leaves its bits; below 1: none."""
        with np.errstate(divide="ignore"):
            fits = [self.formats.weight_max * 2.0**s / each for each, s in zip(largest, shifts, strict=True)]
        return np.asarray(np.floor(np.min([cap, *fits], axis=0)))

    def threshold(self, r: Rounding) -> np.ndarray:
        """Of a population's neurons: float64 (size,), whole numbers but on a grid; below 1 where nothing fits."""
        matrices, on_grid = sorted(set(r.matrices)), r.grids.thresholds(self.of)
        rest = self._threshold(r.cap, [r.largest(m) for m in matrices], [self.of[m] for m in matrices])
        return np.where(on_grid > 0, on_grid, rest)

    def _too_small(self, r: Rounding) -> Iterator[Problem]:
        threshold = self.threshold(r)
        worst, small = int(threshold.argmin()), int((threshold < 1.0).sum())
        if not small:
            return
        largest = max(float(np.abs(w[worst]).max(initial=0.0)) for w in r.weights)
        yield Problem(
            r.population.name,
            f"node {r.population.name!r} has {small} neuron(s) whose threshold register would be below 1: a weight "
            f"adds up to {largest:.3g} times the threshold",
            f"the bias {abs(float(r.bias[worst])):.3g} times",
            "scale these down or the threshold up",
        )


def _lead(population: ChipPopulation) -> np.ndarray:
    """Where the bias has led the membrane, from zero, before the graph's first step is due."""
    kept = kept_by(population.registers["dash_mem"])
    v = np.zeros(population.size)
    for _ in range(population.latency):
        v = v * kept + population.registers["bias"]
    return v
