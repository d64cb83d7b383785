"""quantize: a CheckedGraph becomes an IntegerNetwork in given number formats.

A neuron's dynamics do not change when its input weights, bias, threshold and reset are scaled together, so each
neuron (each channel, where a convolution shares its weights) gets a scale of its own: its largest weight becomes
the largest integer. What a current adds to the membrane (dt r / tau) is part of that scale, not of the weight, so
neurons of one channel may differ in it. The membrane keeps `shift` more fractional bits than the weights, as many
as the state can hold under a static bound on the membrane potential.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers import grid, zero_point
from nirdeploy.integers.incoming import Incoming
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats, IntegerPopulation, IntegerProjection
from nirdeploy.integers.parts import Population as RoundedPopulation
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Operator, matrix

#: Fractional bits the membrane gets even if the static bound says it might saturate far from threshold.
_WANTED_SHIFT = 4
#: Most spikes per step of an integer neuron whose dialect allows any number.
MAX_SPIKES = 31
_TINY = float(np.finfo(np.float64).tiny * 2.0**60)


def quantize(graph: CheckedGraph, formats: Formats) -> IntegerNetwork:
    """Round a checked graph to integers of these formats, every population once.

    Raises:
        DoesNotFit: a membrane feeds back into a cycle; a zero point that no bias makes up for.
    """
    populations: dict[str, IntegerPopulation] = {}
    rounded = []
    largest = {p.name: _largest(graph, p) for p in graph.populations}
    for population in graph.populations:
        if population.model == "Input":
            continue
        rounded.append(_Rounding(graph, population, formats, populations, largest).result())
        populations[population.name] = rounded[-1][0]
    return assembled(graph, "", formats, rounded, dynamics="")


def assembled(
    graph: CheckedGraph,
    target: str,
    formats: Formats,
    rounded: Iterable[tuple[RoundedPopulation, Sequence[IntegerProjection], Mapping[str, float | str]]],
    *,
    dynamics: str,
) -> IntegerNetwork:
    """The network of a graph from its populations in integers: each with the projections into it and its row of the
    report. ``dynamics``: the backend whose neurons step it, ``target.backend``; "" for the reference's."""
    made = [(population, into, {**row, **_bits(population, formats)}) for population, into, row in rounded]
    return IntegerNetwork(
        target=target,
        formats=formats,
        populations=tuple(population for population, _, _ in made),
        projections=tuple(projection for _, incoming, _ in made for projection in incoming),
        inputs=tuple((name, graph.population(name).shape) for name in graph.inputs),
        outputs=dict(graph.outputs),
        dt=graph.dialect.dt,
        report=tuple(row for _, _, row in made),
        input_bits=graph.input_bits,
        dynamics=dynamics,
        encodings=graph.encodings,
    )


def _bits(population: RoundedPopulation, formats: Formats) -> dict[str, float | str]:
    """Of a population's weights, membrane and decay, for the report."""
    weights = population.weight_bits or formats.weight_bits
    return {"weight_bits": weights, "membrane_bits": formats.state_bits, "decay_bits": formats.decay_bits}


def _largest(graph: CheckedGraph, population: Population) -> np.ndarray:
    """What each neuron sends in a step at most: float64, of an input with its border."""
    if population.name in graph.inputs:
        held = graph.encoding(population.name)
        return held.around(np.full(population.shape, float(held.top)), fill=held.zero).ravel()
    rules = graph.rules(population.name)
    return np.full(population.size, float((rules.max_spikes or MAX_SPIKES) if rules.multi else 1))


class _Rounding:
    """One population and the projections into it."""

    def __init__(
        self,
        graph: CheckedGraph,
        population: Population,
        formats: Formats,
        known: Mapping[str, IntegerPopulation],
        largest: Mapping[str, np.ndarray],
    ) -> None:
        self.membranes = {p.name for p in graph.populations if p.model not in {*neuron.SPIKING, "Input"}}
        self.population, self.size = population, population.size
        self.formats = replace(formats, weight_bits=population.weight_bits or formats.weight_bits)
        self.params = {key: values.ravel() for key, values in population.params.items()}
        how = neuron.coefficients(population.model, self.params, graph.dialect_of(population.name))
        self.synaptic = population.model in neuron.SYNAPTIC
        self.decay, self.offset = self._whole(how.decay), self._whole(how.offset)
        self.synapse_decay = self._whole(how.synapse_decay if self.synaptic else 0.0)
        self.rules = graph.rules(population.name)
        if self.rules.multi and not self.rules.max_spikes:
            self.rules = replace(self.rules, max_spikes=MAX_SPIKES)
        # What one unit of current adds to v in the end; its sign goes into the weights, a zero too.
        total = self._whole(how.gain) * self._whole(how.synapse_gain if self.synaptic else 1.0)
        self.sign = np.sign(total)
        self.gain = np.where(total == 0, 1.0, np.abs(total))
        bias = population.bias.ravel() * self.gain * self.sign
        self.bias = self.offset if self.synaptic else bias + self.offset
        self.synapse_bias = bias if self.synaptic else np.zeros(self.size)
        self.late = {step: late.ravel() * self.gain * self.sign for step, late in population.late_bias.items()}
        self.encodings = graph.encodings
        self.incoming = [self._incoming(p, known, largest) for p in graph.into(population.name)]
        self.most_steps, self.kept = self.formats.weight_max + 1, np.zeros(self.size, dtype=bool)
        # How often the rounding of a weight counts in what zero points take from the bias: once is half an LSB.
        self.rounded = sum(i.most_inputs() * i.zero / i.largest.max() for i in self.incoming if i.zero)

    def _whole(self, value: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), self.size)

    def _incoming(
        self, p: Projection, known: Mapping[str, IntegerPopulation], largest: Mapping[str, np.ndarray]
    ) -> Incoming:
        operator, source = p.operator, known.get(p.source)
        analog = source is not None and not source.spiking
        bound = largest[p.source]
        if source is None and p.source in self.membranes:
            raise DoesNotFit(
                f"the membrane of {p.source!r} feeds back into {p.target!r}; integers carry spikes around a cycle, "
                "not membranes",
                hint="put a spiking population into the loop",
            )
        pool = p.pool
        if source is not None and analog:
            bound = np.full(source.size, float(self.formats.state_max))
            if (source.scale == source.scale[0]).all():
                operator = replace(operator, weight=operator.weight * source.scale[0])
            else:
                operator, pool = Dense(p.matrix() * source.scale), None
        if p.maximum is None:
            operator = with_sign(operator, self.sign)
        elif (self.sign < 0).any():
            raise DoesNotFit(
                f"node {p.target!r} multiplies the maximum over windows of {', '.join(p.nodes)} by a negative r",
                hint="make r positive, and the weights in front of the maximum negative",
            )
        zero = 0
        if p.source in self.encodings:
            zero, step = self.encodings[p.source].zero, self.encodings[p.source].step
            operator = replace(operator, weight=operator.weight * step)
        return Incoming(replace(p, pool=pool), operator, analog, bound, zero)

    def result(self) -> tuple[IntegerPopulation, list[IntegerProjection], dict[str, float | str]]:
        unit, shifts = self._units()
        shift, margin = self._shift(unit)
        scale = unit * self.gain / 2.0**shift
        bits = 2.0**self.formats.decay_bits
        population, params = self.population, self.params
        spiking = population.model in neuron.SPIKING
        zeros = np.zeros(self.size)
        threshold = neuron.threshold_of(population.model, params) if spiking else zeros
        v_reset = params.get("v_reset", zeros)

        def lsbs(values: np.ndarray) -> np.ndarray:
            return grid.multiples(values, unit * self.gain, self.kept) * 2.0**shift

        def rounded(values: np.ndarray) -> np.ndarray:
            return np.asarray(np.rint(lsbs(values)).astype(np.int64))

        # v > threshold and v >= threshold both become an integer ">": of its floor, or of what lies below its ceiling.
        border = grid.whole(lsbs(threshold))
        compare = np.floor(border) if self.rules.threshold == ">" else np.ceil(border) - 1
        integer = IntegerPopulation(
            name=population.name,
            model=population.model,
            shape=population.shape,
            rules=self.rules,
            shift=shift,
            decay=np.rint(self.decay * bits).astype(np.int64),
            bias=rounded(self.bias),
            synapse_decay=np.rint(self.synapse_decay * bits).astype(np.int64),
            synapse_bias=rounded(self.synapse_bias),
            threshold=compare.astype(np.int64),
            reset_value=rounded(self._reset_value()),
            spike_size=np.maximum(rounded(threshold), 1),
            initial=rounded(v_reset if self.rules.starts_reset else zeros),
            scale=scale,
            late_bias={step: rounded(late) for step, late in self.late.items()},
            weight_bits=population.weight_bits,
        )
        projections, power, noise = self._projections(unit, shifts)
        integer = zero_point.folded(integer, projections, self.encodings)
        row: dict[str, float | str] = {
            "population": population.name,
            "neurons": self.size,
            "fan_in": sum(_fan_in(arriving.operator) for arriving in self.incoming),
            "shift": shift,
            "weight_sqnr_db": float(10 * np.log10(power / noise)) if noise else float("inf"),
            "decay_error": float(np.abs(integer.decay / bits - self.decay).max()),
            "threshold_error": float(np.abs(integer.threshold * scale - threshold).max()) if spiking else 0.0,
            "saturation_margin_bits": float(np.nan_to_num(margin - shift, posinf=99.0, neginf=-99.0)),
        }
        return integer, projections, row

    def _projections(self, unit: np.ndarray, shifts: list[int]) -> tuple[list[IntegerProjection], float, float]:
        """All that arrive, in integers; the power of their weights, and of what rounding changed."""
        projections, noise, power = [], 0.0, 0.0
        for arriving, own in zip(self.incoming, shifts, strict=True):
            p, per_unit = arriving.projection, per_weight(arriving.operator, arriving.per_output(unit * 2.0**own))
            most = self.formats.weight_max  # only what no window of a maximum reads is beyond it
            integers = np.clip(np.rint(arriving.operator.weight / per_unit), -most - 1, most)
            noise += grid.noise(integers * per_unit, arriving.operator.weight)
            power += float((arriving.operator.weight**2).sum())
            operator = replace(arriving.operator, weight=np.ascontiguousarray(integers, dtype=np.int32))
            step = self.encodings[p.source].step if p.source in self.encodings else 1.0
            way = (operator, unit * 2.0**own / step, p.pool, p.delay, own, p.maximum)
            projections.append(IntegerProjection(p.source, p.target, *way))
        if power and not any(p.weight.any() for p in projections):
            raise DoesNotFit(
                f"all weights into node {self.population.name!r} round to zero: the largest is {self._largest():.3g}, "
                f"where one unit of a weight is {unit.min():.3g}, as its threshold, reset and bias are too large "
                f"beside them for a membrane of {self.formats.state_bits} bits",
                hint="train with larger weights (or a smaller threshold), or take a target with more state bits",
            )
        return projections, power, noise

    def _largest(self) -> float:
        """The largest weight of all that arrive."""
        return max(float(np.abs(arriving.operator.weight).max()) for arriving in self.incoming)

    def _reset_value(self) -> np.ndarray:
        if self.population.model not in neuron.RESETS or self.rules.reset == "none":
            return np.zeros(self.size)
        v_reset = self.params["v_reset"]
        return self.params["v_threshold"] - v_reset if self.rules.reset == "subtract" else v_reset

    def _units(self) -> tuple[np.ndarray, list[int]]:
        """The current of one weight unit (size,), and for each projection the power of two it stands on it."""
        self.incoming = self._lifted()
        together = [i for i in self.incoming if not i.analog] or self.incoming
        needed, must_hold = self._unit_for(together), np.maximum(self._must_hold(), _TINY)
        unit, least = needed, self._unit_for(together, negative=1.0 - 0.5 ** (self.formats.weight_bits - 1))
        if not together[0].analog:  # a membrane's LSBs are finer than the state needs: there the shift is negative
            # Room for the roundings; what is rounded up at most doubles.
            top = self.formats.state_max
            held = must_hold / self.gain / max(top - self.rounded / 2, top / 2) * 1.0001
            unit, least = (_shared(np.maximum(one, held), self.incoming) for one in (needed, least))
        # A neuron without weights takes as many units for what it must hold as the coarsest of the others does; where
        # there are no others, so many that both the shift and the bound on the membrane find room.
        live = needed > 2 * _TINY
        coarsest = (unit * self.gain / must_hold)[live].max() if live.any() else self.formats.state_max**-0.5
        unit = np.where(live, unit, np.maximum(coarsest * must_hold / self.gain * 1.0001, _TINY))
        unit = self._on_grid(unit, least, [i.steps(self.most_steps) for i in together])
        shifts = self._shifts(unit, together)
        if len(together) < len(self.incoming):  # membranes arrive too: shifted, they may be on the same grid
            shifted = zip(self.incoming, shifts, strict=True)
            unit = self._on_grid(unit, least, [i.steps(self.most_steps) / 2.0**own for i, own in shifted])
            shifts = self._shifts(unit, together)
        return unit, shifts

    def _on_grid(self, unit: np.ndarray, least: np.ndarray, steps: list[np.ndarray]) -> np.ndarray:
        """The unit, coarser by so much that weights which are on a grid already stay on it; ``kept``: where they do.

        ``least``: the finest unit if the most negative integer is used too, as a grid may (-128 to 127).
        """
        step = grid.common(steps, grid.MOST)
        needed = np.where(step * (1 + grid.TOLERANCE) >= unit, unit, least)
        kept = step * (1 + grid.TOLERANCE) >= needed
        found = np.where(kept, grid.units(needed, step), unit)
        # Neurons that share weights share their unit, or none of them keeps it.
        kept &= _shared((found != _shared(found, self.incoming)).astype(np.float64), self.incoming) == 0
        self.kept |= kept
        return np.where(kept, found, unit)

    def _shifts(self, unit: np.ndarray, together: list[Incoming]) -> list[int]:
        """The power of two that the weights of each projection stand on: of membranes, their own."""
        shifts = []
        for arriving in self.incoming:
            own = arriving.lift
            if arriving not in together and arriving.operator.weight.any():
                own = max(int(np.ceil(np.log2(self._unit_for([arriving]) / unit)).max()), -40)
            shifts.append(own)
        return shifts

    def _lifted(self) -> list[Incoming]:
        """What arrives, lifted where numbers in fine steps meet spikes.

        The step of a number makes its weights small beside those of spikes. A spike that counts as one of the number's
        higher bits is worth 2^lift: then both have their bits of a weight.
        """
        numbers = [i for i in self.incoming if i.projection.source in self.encodings]
        if not numbers or any(i.analog or i.projection.maximum is not None for i in self.incoming):
            return self.incoming
        fine = self._unit_for(numbers)
        live, highest = fine > 2 * _TINY, max(i.bits for i in numbers)
        lifted = []
        for arriving in self.incoming:
            larger = (self._unit_for([arriving]) / fine)[live].max(initial=1.0)
            lift = max(min(int(np.floor(np.log2(larger))), highest - arriving.bits), 0)
            lifted.append(replace(arriving, lift=lift))
        return lifted

    def _unit_for(self, incoming: list[Incoming], negative: float = 1.0) -> np.ndarray:
        """The finest unit (size,) in which these weights fit their bits, and their sums the accumulator; negative
        weights count ``negative`` as much as positive ones."""
        formats = self.formats
        most = np.zeros(self.size)
        total, count = np.zeros(self.size), 0.0
        for arriving in incoming:
            most = np.maximum(most, arriving.largest_weight(negative))
            total += arriving.sums()
            count += arriving.most_inputs()
        wanted = most / formats.weight_max
        if not any(arriving.analog for arriving in incoming):
            top = formats.accumulator_max
            wanted = np.maximum(wanted, total / max(top - count / 2, top / 2 if self.rounded else 1.0))
        return _shared(np.maximum(wanted, _TINY), incoming)

    def _reach(self) -> np.ndarray:
        """The most that arrives at the membrane in one step from outside it (volts)."""
        arriving = np.sum([i.current() for i in self.incoming], axis=0) * self.gain + np.abs(self.synapse_bias)
        if self.synaptic:
            with np.errstate(divide="ignore"):
                arriving = np.where(arriving > 0, arriving / np.maximum(1.0 - np.abs(self.synapse_decay), 1e-12), 0.0)
        return np.asarray(arriving + np.abs(self.bias))

    def _must_hold(self) -> np.ndarray:
        zeros = np.zeros(self.size)
        spiking = self.population.model in neuron.SPIKING
        threshold = np.abs(neuron.threshold_of(self.population.model, self.params)) if spiking else zeros
        reset = np.abs(self.params.get("v_reset", zeros))
        # What can arrive is never less than what a zero point takes from the bias.
        return np.asarray(np.maximum.reduce([threshold, np.abs(self._reset_value()), reset, self._reach()]))

    def _shift(self, unit: np.ndarray) -> tuple[int, float]:
        """How many fractional bits the membrane gets, and how many the bound on it would allow."""
        top, reach, must_hold = self.formats.state_max, self._reach(), self._must_hold()
        unit = unit * self.gain
        must_hold = must_hold + np.minimum(self.rounded / 2 * unit, must_hold)
        with np.errstate(divide="ignore", invalid="ignore"):
            settles = np.where(reach > 0, reach / (1.0 - np.abs(self.decay)), 0.0)  # infinite if decay = 1
            settles = np.maximum(np.maximum(settles, must_hold), _TINY)
            margin = float(np.log2(top * unit / settles).min())
            fits = float(np.floor(np.log2(top / 1.0001 * unit / settles)).min())
            holds = float(np.floor(np.log2(top / 1.0001 * unit / np.maximum(must_hold, _TINY))).min())
        lowest = -60 if all(i.analog for i in self.incoming) else 0
        return int(np.clip(max(fits, min(holds, _WANTED_SHIFT)), lowest, self.formats.shift_max)), margin


def with_sign(operator: Operator, sign: np.ndarray) -> Operator:
    """An operator whose outputs are multiplied by -1, 0 or 1."""
    if (sign == 1).all():
        return operator
    if isinstance(operator, Elementwise):
        return Elementwise(operator.weight * sign)
    if isinstance(operator, Convolution):
        by_channel = sign.reshape(operator.weight.shape[0], -1)
        if (by_channel == by_channel[:, :1]).all():
            return replace(operator, weight=operator.weight * by_channel[:, 0].reshape(-1, 1, 1, 1))
    return Dense(matrix(operator) * sign[:, None])


def _fan_in(operator: Operator) -> int:
    if isinstance(operator, Elementwise):
        return 1
    return int(np.prod(operator.weight.shape[1:]))


def _shared(unit: np.ndarray, incoming: list[Incoming]) -> np.ndarray:
    """Outputs that share weights share their unit: the coarsest of them."""
    for arriving in incoming:
        groups = arriving.groups()
        if groups is not None:
            coarsest = np.zeros(groups.max() + 1)
            np.maximum.at(coarsest, groups, unit)
            unit = coarsest[groups]
    return unit


def per_weight(operator: Operator, unit: np.ndarray) -> np.ndarray:
    """The unit of each weight, in a shape that divides them."""
    if isinstance(operator, Elementwise):
        return unit
    groups = operator.groups_of_outputs
    _, first = np.unique(groups, return_index=True)
    return unit[first].reshape(-1, *[1] * (operator.weight.ndim - 1))
