"""population: the weights into one population put on their grid, its bias and its threshold moved along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers import grid
from nirdeploy.tuning.calibration import adaptive
from nirdeploy.tuning.calibration.arriving import Arriving, known


@dataclass(frozen=True)
class Way:
    """How the weights into a population are put on their grid.

    ``clipping``: a finer step may cut the largest weights off. ``adaptive``: roundings make up for each other.
    ``correcting``: the bias makes up for what is left, on average. ``together``: one step for the whole population, as
    some chips have it, not one per neuron or channel.
    """

    clipping: bool
    adaptive: bool
    correcting: bool
    together: bool = False

    def __str__(self) -> str:
        said = ["clipped"] * self.clipping + ["adaptive"] * self.adaptive + ["bias corrected"] * self.correcting
        return ", ".join(said + ["one step"] * self.together) or "to nearest"


def on_grid(
    graph: CheckedGraph, name: str, bits: int, way: Way, exact: Mapping[str, np.ndarray], now: Mapping[str, np.ndarray]
) -> CheckedGraph:
    """The graph with the weights into a population on a grid of so many bits.

    Args:
        exact: what each population sends in the float network: float64 (rows, size), as :func:`arriving.sent`.
        now: the same of the integer network as it is so far.
    """
    rng = np.random.default_rng(0)  # for which patches are looked at
    arriving = {
        at: p for at, p in enumerate(graph.projections) if p.target == name and known(p.operator) and p.weight.any()
    }
    most = 2 ** (bits - 1) - 1
    if not arriving or _is_on_grid(list(arriving.values()), most):
        return graph
    seen = {at: Arriving.through(p, now[p.source], rng) for at, p in arriving.items()}
    shares = _shares(graph.population(name), arriving, way.together)
    step = _steps(arriving, seen, most, shares, way.clipping)
    projections = list(graph.projections)
    for at, p in arriving.items():
        whole = _whole(p, seen[at], step[at], most, way)
        weight = (whole * step[at][:, None]).reshape(p.weight.shape)
        projections[at] = replace(p, operator=replace(p.operator, weight=weight))
    made = replace(graph, projections=tuple(projections))
    return _corrected(graph, made, name, list(arriving), exact, now) if way.correcting else made


def _is_on_grid(arriving: list[Projection], most: int) -> bool:
    """Whether rounding takes nothing from these weights: all that is there already is a few steps of one size."""
    if len(arriving) > 1:
        return False
    weight = arriving[0].weight.reshape(len(arriving[0].weight), -1)
    return bool((grid.steps(weight, most) > 0)[weight.any(axis=1)].all())


def _whole(p: Projection, seen: Arriving, step: np.ndarray, most: int, way: Way) -> np.ndarray:
    """The weights as whole numbers: float64 (outputs, columns)."""
    weight = p.weight.reshape(len(p.weight), -1)
    if not way.adaptive or weight.shape[1] == 1:
        return adaptive.nearest(weight, step, most)
    groups = len(seen.correlation)
    parts = zip(np.split(weight, groups), np.split(step, groups), seen.correlation, strict=True)
    return np.concatenate([adaptive.rounded(own, by, correlation, most) for own, by, correlation in parts])


def _shares(population: Population, arriving: Mapping[int, Projection], together: bool) -> dict[int, np.ndarray]:
    """Which rows of each projection's weights have one step: int (rows,), numbered over all projections."""
    if together:
        return {at: np.zeros(len(p.weight), dtype=np.int64) for at, p in arriving.items()}
    # Neurons that a channel's weights lead into share them, and so do all weights into one neuron.
    shares = np.arange(population.size)
    for p in arriving.values():
        _, of_neurons = _channels(p)
        shares = _first(of_neurons, shares)[of_neurons]
    by_row = {}
    for at, p in arriving.items():
        of_outputs, of_neurons = _channels(p)
        _, first_output = np.unique(p.operator.groups_of_outputs, return_index=True)
        by_row[at] = _first(of_neurons, shares)[of_outputs[first_output]]
    return by_row


def _first(channel: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The smallest number of each channel's."""
    found = np.full(channel.max() + 1, len(shares))
    np.minimum.at(found, channel, shares)
    return found


def _channels(p: Projection) -> tuple[np.ndarray, np.ndarray]:
    """Of the operator's outputs and of the target's neurons, which of them have weights in common."""
    if p.maximum is not None:
        return p.maximum.channels_before, p.maximum.channels_behind
    return (p.operator.groups_of_outputs,) * 2


def _steps(
    arriving: Mapping[int, Projection],
    seen: Mapping[int, Arriving],
    most: int,
    shares: Mapping[int, np.ndarray],
    clipping: bool,
) -> dict[int, np.ndarray]:
    """The step of each projection's rows: where rows of several share theirs, the coarsest of what each wants."""
    count = max(int(own.max()) for own in shares.values()) + 1
    coarsest = np.zeros(count)
    for at, p in arriving.items():
        weight = p.weight.reshape(len(p.weight), -1)
        if clipping and weight.shape[1] > 1:
            own = _clipped(weight, seen[at], most, shares[at])
        else:
            own = np.abs(weight).max(axis=1) / most
        np.maximum.at(coarsest, shares[at], own)
    coarsest[coarsest == 0] = 1.0  # rows without weights
    return {at: coarsest[shares[at]] for at in arriving}


def _clipped(weight: np.ndarray, seen: Arriving, most: int, shares: np.ndarray) -> np.ndarray:
    groups = len(seen.correlation)
    if (np.bincount(shares) > 1).any() and groups > 1:  # rows of several groups share a step: by their mean correlation
        _, own = np.unique(shares, return_inverse=True)
        return adaptive.steps(weight, seen.correlation.mean(axis=0), most, own)
    parts = zip(np.split(weight, groups), np.split(shares, groups), seen.correlation, strict=True)
    found = []
    for own, of, correlation in parts:
        _, within = np.unique(of, return_inverse=True)
        found.append(adaptive.steps(own, correlation, most, within))
    return np.concatenate(found)


def _corrected(
    graph: CheckedGraph,
    made: CheckedGraph,
    name: str,
    changed: list[int],
    exact: Mapping[str, np.ndarray],
    now: Mapping[str, np.ndarray],
) -> CheckedGraph:
    """The bias moved by what arrives less, on average over samples, steps and the neurons of a channel."""
    population = graph.population(name)
    missing = np.zeros(population.size)
    for at in changed:
        p = graph.projections[at]
        before = replace(p, maximum=None).apply(exact[p.source].mean(axis=0))
        after = replace(made.projections[at], maximum=None).apply(now[p.source].mean(axis=0))
        of_outputs, of_neurons = _channels(p)
        missing += (np.bincount(of_outputs, before - after) / np.bincount(of_outputs))[of_neurons]
    moved = replace(population, bias=population.bias + missing.reshape(population.shape))
    return with_population(made, moved)


def with_threshold(graph: CheckedGraph, name: str, factor: float) -> CheckedGraph:
    """The graph with a population's threshold times a factor."""
    population = graph.population(name)
    key = next(key for key in ("v_threshold", "threshold") if key in population.params)
    params = {**population.params, key: population.params[key] * factor}
    return with_population(graph, replace(population, params=params))


def with_population(graph: CheckedGraph, moved: Population) -> CheckedGraph:
    """The graph with another population of that name."""
    return replace(graph, populations=tuple(moved if p.name == moved.name else p for p in graph.populations))
