"""A checked graph in the chip's registers.

A population has one threshold register, and a spike depends on the membrane against the threshold alone: each
neuron's scale is such that its threshold *is* the register's value, without error. What is left to choose is that
value: as large as the registers allow (a finer state), and so that the largest weight fills its mantissa, or so that
weights which are all on one grid become its whole numbers. By construction no sum of weights over the inputs overflows
an activation and no current wraps.

With ``fraction_bits`` the scale is given instead, the same for all, and the threshold is rounded to the weights as
they came out: what counts is their ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.backends.common import limits, quality
from nirdeploy.backends.common.latency import delay_on_chip
from nirdeploy.backends.loihi2 import grids, start
from nirdeploy.backends.loihi2.schema import Formats
from nirdeploy.backends.loihi2.synapses import Mantissas, as_matrix, connection, mantissas, with_weight
from nirdeploy.graph.chain import MAX_WEIGHTS
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers import grid
from nirdeploy.integers.parts import ChipPopulation, Effective, IntegerProjection
from nirdeploy.integers.quantize import per_weight
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Convolution, Dense, Operator
from nirdeploy.targets.fit import Problem

#: How many thresholds deep an inhibited membrane can fall before it saturates.
HEADROOM = 8
#: The largest current, in thresholds, that a population starts with to hide its bias.
START_MAX = 32


@dataclass(frozen=True, eq=False)
class Incoming:
    """A projection on its way to integers: ``operator`` in membrane potential per spike.

    ``most``: the largest number one spike of the source carries; ``exponent_max``: of its weights.
    """

    projection: Projection
    operator: Operator
    allowed: Mantissas
    delay: int
    most: int
    exponent_max: int

    def reach(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The most that these weights can add, and take, in one step (size of the target)."""
        inputs = np.full(self.operator.inputs, float(self.most))
        up, down = (with_weight(self.operator, np.maximum(sign * weight, 0.0)).reach(inputs) for sign in (1, -1))
        return up, down


class Rounding:
    """One population and the projections into it. ``problems``: what the registers cannot hold."""

    def __init__(self, graph: CheckedGraph, population: Population, formats: Formats, latency: dict[str, int]) -> None:
        self.population, self.formats, self.size = population, formats, population.size
        self.latency = latency[population.name]
        self.problems: list[Problem] = []
        how = limits.coefficients(graph, population)
        self.rules = graph.rules(population.name)
        # Activation units between the register and what spikes: a membrane above, or at, the register's value and this.
        self.touches = 0.0 if self.rules.threshold == ">" else 0.5**formats.align_shift
        self.synaptic = population.model in neuron.SYNAPTIC
        self.decay = self._whole(how.decay)
        self.synapse_decay = self._whole(how.synapse_decay if self.synaptic else 0.0)
        self.gain = self._whole(how.gain) * self._whole(how.synapse_gain if self.synaptic else 1.0)
        self.threshold = population.params["v_threshold"].ravel()
        # A constant current through the synapse settles at this; the synapse's own start is a register.
        self.settled = population.bias.ravel() * self.gain / (1.0 - self.synapse_decay)
        self.bias = self.settled + self._whole(how.offset)
        self.incoming = [self._incoming(p, graph, latency) for p in graph.into(population.name)]
        self.kept: dict[Incoming, tuple[np.ndarray, int]] = {}  # mantissas and exponents of weights on a grid
        self.unit, self.register = self._fixed() if formats.fraction_bits else self._own()

    def _whole(self, value: Any) -> np.ndarray:
        return limits.whole(value, self.size)

    def _incoming(self, p: Projection, graph: CheckedGraph, latency: dict[str, int]) -> Incoming:
        delay = delay_on_chip(p, latency)
        operator = connection(p, late=delay > 1)
        if isinstance(operator, Convolution) and not self._even_channels(operator):
            operator = None
        if operator is None:
            written_out = p.inputs * self.size
            if written_out > MAX_WEIGHTS:
                self.problems.append(
                    Problem(
                        limits.way(p),
                        f"the projection {p.source!r} -> {p.target!r} is no plain convolution to the chip and has "
                        f"{written_out} weights written out as a matrix",
                        f"{MAX_WEIGHTS} at most",
                        "remove the delay, the uneven pooling or the parameters that differ within a channel",
                    )
                )
                operator = Dense(np.zeros((self.size, p.inputs)))
            else:
                operator = as_matrix(p)
        operator = with_weight(operator, operator.weight * per_weight(operator, self.gain))
        source = graph.population(p.source)
        return Incoming(
            p,
            operator,
            mantissas(operator.weight, self.formats.weight_bits),
            delay,
            (1 << graph.input_bits) - 1 if source.model == "Input" else 1,
            # lava's Conv has no weight exponent (github.com/lava-nc/lava/issues/803)
            0 if isinstance(operator, Convolution) else self.formats.weight_exponent_max,
        )

    def _even_channels(self, operator: Operator) -> bool:
        """Whether neurons that share weights share what those weights do."""
        groups = operator.groups_of_outputs
        _, first = np.unique(groups, return_index=True)
        whole = self.gain / self.threshold if not self.formats.fraction_bits else self.gain
        return bool(np.allclose(whole, whole[first][groups], rtol=1e-9, atol=0.0))

    # --- scale ------------------------------------------------------------------------

    def _own(self) -> tuple[np.ndarray, int]:
        """Potential of one activation unit (size,), and the threshold register: the scale that fits best."""
        limits = self._limits()
        most, why = min(limits)
        if most < 1.0:
            self._refuse(
                f": {why}",
                f"the threshold register would be {most:.2g} and is at least 1",
                "scale these down or the threshold up",
            )
            return self._unit_of(1), 1
        top = int(most)
        if kept := self._on_grid(int(min(limits[: -len(self.incoming)])[0])):  # mantissas have limits of their own
            return self._unit_of(kept), kept
        fills = max(i.allowed.overrun(self._relative(i)) for i in self.incoming)
        if fills * top > 1.0:  # a weight needs an exponent: with one less it fills its mantissa
            top = max(int(2.0 ** np.floor(np.log2(fills * top)) / fills), 1)
        while top > 1 and (excess := self._excess(self._unit_of(top))) > 1.0:
            top = min(int(top / excess), top - 1)
        return self._unit_of(top), top

    def _unit_of(self, register: int) -> np.ndarray:
        return np.asarray(self.threshold / (register + self.touches))

    def _on_grid(self, most: int) -> int:
        """The threshold register, up to ``most``, with which weights on one grid become its whole numbers; 0: none."""
        relative = [self._relative(i) for i in self.incoming]
        step = grids.step_of(relative)
        if not step:
            return 0
        whole = [np.rint(weight / step).astype(np.int64) for weight in relative]
        allowed, largest = [i.allowed for i in self.incoming], [i.exponent_max for i in self.incoming]
        candidates = grids.parts(whole, allowed, largest, int(most * step * (1 + grid.TOLERANCE)))
        if not candidates.size:
            return 0
        parts = int(grid.parts(candidates[None], np.array([1.0 / step]))[0])
        units = float(grid.whole(np.array(parts / step), grid.TOLERANCE))  # of the threshold
        touches = self.touches
        if not self._only_whole(self.threshold / units):
            register = int(np.rint(units - touches))
        elif not touches:
            register = int(units)
        else:  # the membrane steps from what does not spike to what does
            register = int(np.ceil(units)) - 1
            touches = units - register if units.is_integer() else touches
        if not 1 <= register <= most:
            return 0
        kept: dict[Incoming, tuple[np.ndarray, int]] = {}
        for i, each in zip(self.incoming, whole, strict=True):
            own = grids.exponent(i.allowed.overrun(each) * parts, i.exponent_max)
            kept[i] = (each * parts >> own).astype(np.int32), own
            if not grid.moves_little(np.abs(each).max() * parts / (i.allowed.step << own), units, register + touches):
                return 0
        self.kept, self.touches = kept, touches
        return register

    def _only_whole(self, unit: np.ndarray) -> bool:
        """Whether the membrane holds nothing but whole units."""
        bias = grid.whole(self.bias / unit, grid.TOLERANCE)
        return bool((self.decay == 1).all() and not self.synaptic and (bias == np.rint(bias)).all())

    def _relative(self, incoming: Incoming) -> np.ndarray:
        """Weights in thresholds."""
        operator = incoming.operator
        return np.asarray(operator.weight / per_weight(operator, self.threshold))

    def _limits(self) -> list[tuple[float, str]]:
        """How large the threshold register may be, by each other register, and what says so."""
        f, lsb = self.formats, 0.5**self.formats.align_shift
        bias = float(np.abs(self.bias / self.threshold).max())
        reach, settled = self._reach(self._unit_of(1), [self._relative(i) for i in self.incoming])
        limits = [
            (float(f.threshold_max), "the threshold is too large"),
            (f.state_max * lsb / HEADROOM, "the membrane is too narrow"),
            (_over((f.bias_max << f.bias_exponent_max) * lsb, bias), f"its bias is {bias:.3g} times its threshold"),
            (_over(f.activation_max, reach), f"its inputs add up to {reach:.3g} times its threshold in one step"),
            (_over(f.state_max * lsb, settled), f"its current can reach {settled:.3g} times its threshold"),
        ]
        for i in self.incoming:
            relative = self._relative(i)
            text = f"a weight from {i.projection.source!r} adds {np.abs(relative).max():.3g} times its threshold"
            limits.append((_over(2.0**i.exponent_max, i.allowed.overrun(relative)), text))
        return limits

    def _reach(self, unit: np.ndarray, weights: list[np.ndarray]) -> tuple[float, float]:
        """The largest activation of one step, and current in the long run, of these weights; both in their unit."""
        up, down = np.zeros(self.size), np.zeros(self.size)
        for incoming, weight in zip(self.incoming, weights, strict=True):
            more, less = incoming.reach(weight)
            up, down = up + more, down + less
        step = np.maximum(up, down)
        settled = step / (1.0 - self.synapse_decay) + np.abs(self._start_current() / unit)
        return float(step.max()), float(settled.max())

    def _excess(self, unit: np.ndarray) -> float:
        """How many times the rounded weights reach what an activation or a current holds; 1 or less: they fit."""
        weights = [mantissa * 2.0**exponent for mantissa, exponent in (self._mantissa(i, unit) for i in self.incoming)]
        step, settled = self._reach(unit, weights)
        held = self.formats.state_max >> self.formats.align_shift
        return max(step / self.formats.activation_max, settled / held)

    def _fixed(self) -> tuple[np.ndarray, int]:
        """As :meth:`_own`, where the target says what one unit of membrane potential is."""
        f = self.formats
        unit = np.full(self.size, 0.5 ** (f.fraction_bits - f.align_shift))
        scale = f"with fraction_bits = {f.fraction_bits}"
        if not np.allclose(self.threshold, self.threshold[0], rtol=1e-6):
            self._refuse(
                f" has thresholds from {self.threshold.min():g} to {self.threshold.max():g}; {scale} its neurons "
                "share one register",
                "",
                "give them one threshold, or set fraction_bits = 0",
            )
        register = int(np.rint(float(self.threshold[0] / unit[0]) * self._fit(unit)))
        if not 1 <= register <= f.threshold_max:
            self._refuse(
                f" has a threshold of {register} {scale}",
                f"the register holds 1 to {f.threshold_max}",
                "choose other fraction_bits",
            )
        if (excess := self._excess(unit)) > 1.0:
            self._refuse(f": its inputs can add up to {excess:.3g} times what an activation holds {scale}")
        overrun = max(
            i.allowed.overrun(i.operator.weight / per_weight(i.operator, unit)) / 2.0**i.exponent_max
            for i in self.incoming
        )
        if overrun > 1.0:
            self._refuse(f": a weight is {overrun:.3g} times what a mantissa holds {scale}")
        largest = float(np.abs(self.bias / self._scale(unit)).max())
        if largest > f.bias_max << f.bias_exponent_max:
            self._refuse(
                f" has a bias of {largest:.0f} {scale}", f"the register holds {f.bias_max << f.bias_exponent_max}"
            )
        return unit, min(max(register, 1), f.threshold_max)

    def _refuse(self, found: str, allowed: str = "", remedy: str = "use fewer") -> None:
        name = self.population.name
        self.problems.append(Problem(name, f"node {name!r}{found}", allowed, remedy))

    def _fit(self, unit: np.ndarray) -> float:
        """By how much the rounded weights are larger than the weights: least squares over all of them.

        A threshold larger by as much undoes it; with a bias, which is not rounded like them, it would not.
        """
        if self.bias.any():
            return 1.0
        product = power = 0.0
        for i in self.incoming:
            exact = i.operator.weight / per_weight(i.operator, unit)
            mantissa, exponent = self._mantissa(i, unit)
            product += float((mantissa * 2.0**exponent * exact).sum())
            power += float((exact**2).sum())
        return product / power if power and product > 0 else 1.0

    # --- registers --------------------------------------------------------------------

    def _mantissa(self, incoming: Incoming, unit: np.ndarray) -> tuple[np.ndarray, int]:
        """Integers and their exponent: the smallest that holds the largest weight."""
        if incoming in self.kept:
            return self.kept[incoming]
        weight = incoming.operator.weight / per_weight(incoming.operator, unit)
        exponent = grids.exponent(incoming.allowed.overrun(weight), incoming.exponent_max)
        return incoming.allowed.rounded(weight / 2.0**exponent), exponent

    def _scale(self, unit: np.ndarray) -> np.ndarray:
        return unit * 0.5**self.formats.align_shift

    def leak_register(self, decay: float) -> int:
        """What of a state is lost in a step, of 2^decay_bits.

        Truncation takes half an LSB more on average, whatever the state: near the threshold, where it matters, that
        is a leak of its own, and the register makes up for it.
        """
        own = 0.5 / (self.register << self.formats.align_shift)
        return int(np.rint(self.formats.unity * (1.0 - decay - own)))

    def _start_current(self) -> np.ndarray:
        """u before the first step (potential): it hides a constant synaptic current until the graph's first step."""
        if not self.synaptic or not self.settled.any():
            return np.zeros(self.size)
        with np.errstate(divide="ignore", over="ignore"):
            wanted = -self.settled / self.synapse_decay**self.latency
        limit = START_MAX * np.abs(self.threshold)
        return np.asarray(np.clip(np.nan_to_num(wanted, nan=0.0), -limit, limit))

    def result(self) -> tuple[ChipPopulation, list[IntegerProjection], dict[str, float | str]]:
        """The integers. Only where there are no problems."""
        f, unit, scale = self.formats, self.unit, self._scale(self.unit)
        du = min(max(self.leak_register(float(self.synapse_decay[0])) - 1, 0), f.unity - 1)
        du = du if self.synaptic else f.unity - 1
        dv = min(max(self.leak_register(float(self.decay[0])), 0), f.unity - 1)
        mantissa, exponent = start.bias_registers(self.bias / scale, f)
        bias = mantissa << exponent
        u = np.rint(self._start_current() / scale).astype(np.int64)
        threshold = self.register << f.align_shift
        v, left = start.membrane(bias, u, dv, du, threshold, self.latency, f)

        keeps, keeps_current = np.full(self.size, (f.unity - dv) / f.unity), (f.unity - du - 1) / f.unity
        integer = ChipPopulation(
            name=self.population.name,
            model=self.population.model,
            shape=self.population.shape,
            rules=self.rules,
            threshold=np.full(self.size, threshold, dtype=np.int64),
            scale=scale,
            latency=self.latency,
            registers={
                **{name: np.array(value) for name, value in (("du", du), ("dv", dv), ("vth", self.register))},
                **{"bias_mant": mantissa, "bias_exp": exponent, "u": u, "v": v},
                **{"message_max": np.array(max(i.most for i in self.incoming))},
                **{"align_shift": np.array(f.align_shift)},
            },
            stands_for=Effective(
                decay=keeps,
                offset=bias * scale,
                threshold=(threshold + 0.5) * scale,
                v_reset=np.zeros(self.size),
                synapse_decay=np.full(self.size, keeps_current) if self.synaptic else None,
            ),
        )
        projections, ratio, factor = self._projections(unit)
        decays = [abs((f.unity - dv) / f.unity - float(self.decay[0]))]
        decays += [abs((f.unity - du - 1) / f.unity - float(self.synapse_decay[0]))] if self.synaptic else []
        step, settled = self._reach(unit, [p.weight * 2.0**p.shift for p in projections])
        rounded = threshold * scale if f.fraction_bits else self.threshold / factor
        row: dict[str, float | str] = {
            "population": self.population.name,
            "neurons": self.size,
            "latency": self.latency,
            "vth": self.register,
            "weight_exponents": " ".join(str(p.shift) for p in projections),
            "weight_sqnr_db": ratio,
            "decay_error": max(decays),
            "threshold_error": float(np.abs(rounded - self.threshold).max()),
            "bias_error": float(np.abs(bias * scale - self.bias).max()),
            "start_error": float(np.abs(left * scale / self.threshold).max()),
            "activation_used": step / f.activation_max,
            "current_used": settled / (f.state_max >> f.align_shift),
        }
        return integer, projections, row

    def _projections(self, unit: np.ndarray) -> tuple[list[IntegerProjection], float, float]:
        """The projections in integers, the ratio of their power to the rounding's (dB), and the common factor of all
        weights that rounding the threshold made."""
        made, noise, power = [], 0.0, 0.0
        gain = np.where(self.gain == 0, 1.0, np.abs(self.gain))
        each = [(i, *self._mantissa(i, unit)) for i in self.incoming]
        held = np.concatenate([mantissa.ravel() * 2.0**exponent for _, mantissa, exponent in each])
        wanted = np.concatenate([(i.operator.weight / per_weight(i.operator, unit)).ravel() for i in self.incoming])
        factor = 1.0 if self.formats.fraction_bits else float(quality.common_factor(held[None], wanted[None])[0])
        for i, mantissa, exponent in each:
            exact = i.operator.weight / per_weight(i.operator, unit * 2.0**exponent)
            noise, power = noise + quality.noise(mantissa, exact * factor), power + float((exact**2).sum())
            operator, p = with_weight(i.operator, mantissa), i.projection
            current = unit / gain * 2.0**exponent
            made.append(IntegerProjection(p.source, p.target, operator, current, None, i.delay, exponent))
        return made, quality.sqnr_db(power, noise), factor


def _over(limit: float, value: float) -> float:
    return limit / value if value > 0 else float("inf")
