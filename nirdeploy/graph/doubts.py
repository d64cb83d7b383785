"""doubts: what is valid and yet cannot be what was meant: populations that never fire, resets above the threshold.

Silence is shown by a bound: with the largest inputs, every weight of the helpful sign, and nothing that inhibits, the
membrane is followed for a hundred steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.parts import Population
from nirdeploy.semantics import neuron
from nirdeploy.semantics.dialect import PRESETS, Dialect
from nirdeploy.semantics.operators import Operator

STEPS = 100  # of the largest inputs, for a population to be called silent
_SOON = 20  # steps in which a dialect that is proposed must let it fire
_LIKELY = ("sinabs", "norse", "rockpool", "spyx", "snntorch", "lava", "spikingjelly")  # presets to try
_UNITS = (1e-3, 1e-2, 0.1, 1.0)  # seconds per step to try
_ROUNDING = 1e-9

Range = tuple[np.ndarray, np.ndarray]  # lowest and highest value of each neuron


def doubts(graph: CheckedGraph) -> tuple[str, ...]:
    """One sentence each, naming the nodes."""
    return (*_silence(graph), *_resets(graph))


def silent(graph: CheckedGraph, steps: int = STEPS) -> list[str]:
    """The spiking populations none of whose neurons can reach its threshold in so many steps."""
    left: dict[str, Range] = {}
    found = []
    for population in graph.populations:
        if population.model == "Input":
            held = graph.encoding(population.name)
            left[population.name] = np.full(population.size, held.lowest), np.full(population.size, held.highest)
            continue
        with np.errstate(all="ignore"):
            left[population.name], fires = _leaving(graph, population, left, steps)
        if not fires:
            found.append(population.name)
    return found


def _silence(graph: CheckedGraph) -> Iterator[str]:
    names = silent(graph)
    if not names:
        return
    many = f"populations {', '.join(map(repr, names))}" if len(names) > 1 else f"population {names[0]!r}"
    meant = _suggestion(graph)
    held = [graph.encoding(name) for name in graph.inputs]
    low, high = min(one.lowest for one in held), max(one.highest for one in held)
    inputs = f"of up to {high:.6g}" if low == 0 else f"from {low:.6g} to {high:.6g}"
    yield (
        f"no neuron of {many} can reach its threshold in {STEPS} steps, with inputs {inputs} in every step, under the "
        f"dialect {graph.dialect}: nothing there will spike" + (f"; did you mean {meant}?" if meant else "")
    )


def _suggestion(graph: CheckedGraph) -> str:
    """A dialect and a dt under which nothing is silent."""
    presets = [f"--dialect {name}" for name in _LIKELY if _would_fire(graph, PRESETS[name])]
    r = [np.ravel(p.params["r"]) for p in graph.populations if p.model == "IF"]
    steps = [1 / float(r[0][0])] if r and np.ptp(np.concatenate(r)) == 0 and r[0][0] > 0 else []  # r in steps
    units = [f"--dt {dt:g}" for dt in (*steps, *_UNITS) if _would_fire(graph, replace(graph.dialect, dt=dt))]
    both = [*presets[:1], *units[:1]]
    return f"{both[0]} (or {both[1]})" if len(both) == 2 else "".join(both)


def _would_fire(graph: CheckedGraph, dialect: Dialect) -> bool:
    populations = tuple(replace(p, dialect=None) for p in graph.populations)
    other = replace(graph, dialect=dialect, populations=populations)
    for population in populations:
        if population.model != "Input":
            how = neuron.coefficients(population.model, population.params, dialect)
            decays = [np.min(value) for value in (how.decay, how.synapse_decay) if value is not None]
            if min(decays) < 0:  # dt is longer than tau
                return False
    return not silent(other, _SOON)


def _leaving(graph: CheckedGraph, population: Population, left: Mapping[str, Range], steps: int) -> tuple[Range, bool]:
    """What can leave a population, and whether one of its neurons can fire (True of what does not spike)."""
    name, model = population.name, population.model
    params = {key: values.ravel() for key, values in population.params.items()}
    how, rules = neuron.coefficients(model, params, graph.dialect_of(name)), graph.rules(name)
    zeros = np.zeros(population.size)
    low, high = _arriving(graph, population, left)
    if model in neuron.SYNAPTIC:
        low, high = _scaled(how.synapse_gain, low, high)
        low, high = (_settled(how.synapse_decay, end, zeros, side, steps) for end, side in ((low, -1), (high, 1)))
    low, high = _scaled(how.gain, low, high)
    start = neuron.at_rest(params, rules, zeros).v + zeros
    if rules.reset == "zero":
        start = np.maximum(start, params["v_reset"])
    highest = _settled(how.decay, high + how.offset, start, 1, steps)
    if model not in neuron.SPIKING:
        return (_settled(how.decay, low + how.offset, start, -1, steps), highest), True
    threshold = neuron.threshold_of(model, params)
    slack = _ROUNDING * np.abs(threshold)
    above = highest > threshold + slack if rules.threshold == ">" else highest >= threshold - slack
    most = 1.0 if not rules.multi else float(rules.max_spikes or np.inf)
    return (zeros, np.where(above, most, 0.0)), bool(above.any())


def _arriving(graph: CheckedGraph, population: Population, left: Mapping[str, Range]) -> Range:
    """The lowest and highest current of each neuron; nothing has arrived yet before a delay is over."""
    bias = population.bias.ravel()
    late = [values.ravel() for values in population.late_bias.values()]
    low = bias - sum((np.maximum(values, 0) for values in late), start=0 * bias)
    high = bias - sum((np.minimum(values, 0) for values in late), start=0 * bias)
    for p in graph.into(population.name):
        least, most = left[p.source] if p.source in left else _anything(graph, p.source)
        if p.pool is not None:
            least, most = p.pool.apply(least), p.pool.apply(most)
        up, down = _signed(p.operator, 1), _signed(p.operator, -1)
        bottom, top = _times(up, least) - _times(down, most), _times(up, most) - _times(down, least)
        if p.maximum is not None:
            bottom, top = p.maximum.apply(bottom), p.maximum.apply(top)
        low, high = low + np.minimum(bottom, 0), high + np.maximum(top, 0)
    return low, high


def _anything(graph: CheckedGraph, name: str) -> Range:
    """What can leave a population that is not looked at yet: it lies on a cycle."""
    source = graph.population(name)
    endless = np.full(source.size, np.inf)
    if source.model not in neuron.SPIKING:
        return -endless, endless
    return 0 * source.bias.ravel(), endless if graph.rules(name).multi else np.ones(source.size)


def _signed(operator: Operator, sign: int) -> Operator:
    """The weights of one sign, as magnitudes."""
    return replace(operator, weight=np.maximum(sign * operator.weight, 0.0))


def _times(operator: Operator, values: np.ndarray) -> np.ndarray:
    """Magnitudes times values, where infinity times nothing is nothing."""
    finite = np.where(np.isfinite(values), values, 0.0)
    endless = operator.apply(np.isinf(values).astype(float)) > 0
    sign = -1.0 if (values == -np.inf).any() else 1.0
    return np.where(endless, sign * np.inf, operator.apply(finite))


def _scaled(factor: Any, low: np.ndarray, high: np.ndarray) -> Range:
    ends = [np.nan_to_num(factor * end, nan=0.0, posinf=np.inf, neginf=-np.inf) for end in (low, high)]
    return np.minimum(*ends), np.maximum(*ends)


def _settled(decay: Any, entering: np.ndarray, start: np.ndarray, side: int, steps: int) -> np.ndarray:
    """The furthest that v' = decay v + entering goes from ``start`` to one side (1: up) in so many steps."""
    decay = decay + 0 * start
    grown = np.where(decay == 1, float(steps), (1 - decay**steps) / (1 - decay))
    reached = entering * grown + start * decay**steps  # on the way there v only rises, or only falls
    return side * np.where(decay < 0, np.inf, np.maximum(side * start, side * reached))


def _resets(graph: CheckedGraph) -> Iterator[str]:
    for population in graph.populations:
        if population.model not in neuron.RESETS:
            continue
        rules = graph.rules(population.name)
        threshold, v_reset = population.params["v_threshold"], population.params["v_reset"]
        touching = rules.threshold == ">=" or rules.reset == "subtract"
        bad = v_reset >= threshold if touching else v_reset > threshold
        if rules.reset != "none" and bad.any():
            where = int(np.argmax(bad))
            yield (
                f"node {population.name!r}: v_reset is {v_reset.flat[where]:g} where v_threshold is "
                f"{threshold.flat[where]:g} ({int(bad.sum())} of {population.size} neurons): a neuron that has fired "
                "is still at its threshold, and fires for ever"
            )
