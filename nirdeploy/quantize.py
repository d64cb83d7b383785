"""quantize: a CheckedGraph becomes an IntegerNetwork in the target's number formats.

A neuron's dynamics do not change when its input weights, bias, threshold and reset are scaled
together, so each neuron gets a scale of its own: its largest weight becomes the largest integer.
The membrane keeps `shift` more fractional bits than the weights, as many as the state can hold
under a static bound on the membrane potential.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nirdeploy import neuron, store
from nirdeploy.check import CheckedGraph, Population
from nirdeploy.errors import CorruptFile, DoesNotFit
from nirdeploy.target import Target

_ARRAYS = ("decay", "bias", "threshold", "reset_value", "initial", "scale")

#: Fractional bits the membrane gets even if the static bound says it might saturate far from threshold.
_WANTED_SHIFT = 4


@dataclass(frozen=True)
class Formats:
    """Bits of the target's integers (all signed but ``decay``, unsigned with ``decay_bits`` fraction)."""

    weight_bits: int
    accumulator_bits: int
    state_bits: int
    decay_bits: int

    @property
    def weight_max(self) -> int:
        return int(2 ** (self.weight_bits - 1)) - 1

    @property
    def accumulator_max(self) -> int:
        return int(2 ** (self.accumulator_bits - 1)) - 1

    @property
    def state_max(self) -> int:
        return int(2 ** (self.state_bits - 1)) - 1


@dataclass(frozen=True)
class IntegerPopulation:
    """int64 arrays over the flattened population, in units of the neuron's membrane LSB.

    One step (``sim.integer`` is the definition):
        acc = sum of projections (weight @ spikes), in weight units
        v   = saturate(round(decay v / 2^decay_bits) + (acc << shift) + bias)
        spike if v > threshold; then v = reset_value ("zero") or saturate(v - reset_value) ("subtract")
    round is to nearest, ties away from zero. ``initial`` is v at the start of a sample.
    ``scale`` (float64): the membrane potential of one LSB.
    """

    name: str
    model: str
    shape: tuple[int, ...]
    spiking: bool
    reset: str
    shift: int
    decay: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray
    reset_value: np.ndarray
    initial: np.ndarray
    scale: np.ndarray

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class IntegerProjection:
    """``weight``: int32 (target size, source size), within ``weight_bits``."""

    source: str
    target: str
    weight: np.ndarray


@dataclass(frozen=True)
class IntegerNetwork:
    """Everything the device needs and nothing else.

    Guarantees: every tensor fits ``formats``; no sum of weights over a row overflows the accumulator.
    ``inputs``: (name, shape) of the input populations; ``report``: one dict of figures per population.
    """

    target: str
    formats: Formats
    populations: tuple[IntegerPopulation, ...]
    projections: tuple[IntegerProjection, ...]
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: Mapping[str, str]
    dt: float
    report: tuple[Mapping[str, float | str], ...]

    def _parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays: dict[str, np.ndarray] = {}
        for i, population in enumerate(self.populations):
            arrays |= {f"population{i}.{name}": getattr(population, name) for name in _ARRAYS}
        arrays |= {f"projection{i}.weight": p.weight for i, p in enumerate(self.projections)}
        meta = {
            "target": self.target,
            "formats": asdict(self.formats),
            "populations": [
                {
                    "name": p.name,
                    "model": p.model,
                    "shape": list(p.shape),
                    "spiking": p.spiking,
                    "reset": p.reset,
                    "shift": p.shift,
                }
                for p in self.populations
            ],
            "projections": [{"source": p.source, "target": p.target} for p in self.projections],
            "inputs": [[name, list(shape)] for name, shape in self.inputs],
            "outputs": dict(self.outputs),
            "dt": self.dt,
            "report": [dict(row) for row in self.report],
        }
        return meta, arrays

    def digest(self) -> str:
        """SHA-256 (hex) of everything but the report."""
        meta, arrays = self._parts()
        return store.digest({key: meta[key] for key in meta if key != "report"}, arrays)

    def save(self, path: Path) -> None:
        store.write_atomic(path, store.pack(*self._parts()))

    @classmethod
    def load(cls, path: Path) -> IntegerNetwork:
        """Raises :class:`CorruptFile` if the file is not a saved IntegerNetwork."""
        meta, arrays = store.unpack(path.read_bytes(), where=str(path))
        try:
            return cls(
                target=meta["target"],
                formats=Formats(**meta["formats"]),
                populations=tuple(
                    _population(entry, {name: arrays[f"population{i}.{name}"] for name in _ARRAYS})
                    for i, entry in enumerate(meta["populations"])
                ),
                projections=tuple(
                    IntegerProjection(**entry, weight=arrays[f"projection{i}.weight"])
                    for i, entry in enumerate(meta["projections"])
                ),
                inputs=tuple((name, tuple(shape)) for name, shape in meta["inputs"]),
                outputs=meta["outputs"],
                dt=meta["dt"],
                report=tuple(meta["report"]),
            )
        except (KeyError, TypeError) as error:
            raise CorruptFile(f"not an integer network ({error})", where=str(path), hint="build it again") from error


def _population(entry: dict[str, Any], arrays: dict[str, Any]) -> IntegerPopulation:
    return IntegerPopulation(**{**entry, "shape": tuple(entry["shape"]), **arrays})


def quantize(graph: CheckedGraph, target: Target) -> IntegerNetwork:
    """Round a checked graph to the target's integers.

    Raises:
        DoesNotFit: everything the target's number formats or neuron models cannot do, all at once.
    """
    problems = unsupported(graph, target)
    if problems:
        raise DoesNotFit("; ".join(problems), where=f"target {target.name}")
    formats = Formats(
        target.formats.weight_bits,
        target.formats.accumulator_bits,
        target.formats.state_bits,
        target.formats.decay_bits,
    )
    populations, projections, report = [], [], []
    for population in graph.populations:
        if population.model == "Input":
            continue
        incoming = [p for p in graph.projections if p.target == population.name]
        gain = neuron.coefficients(population.model, population.params, population.shape, graph.dialect).gain
        exact = gain.reshape(-1, 1) * np.concatenate([p.weight for p in incoming], axis=1)
        integer, weights, row = _quantize_population(population, exact, graph, formats, target.formats.shift_max)
        populations.append(integer)
        report.append(row)
        start = 0
        for projection in incoming:
            stop = start + projection.weight.shape[1]
            weight = np.ascontiguousarray(weights[:, start:stop], dtype=np.int32)
            projections.append(IntegerProjection(projection.source, projection.target, weight))
            start = stop
    return IntegerNetwork(
        target=target.name,
        formats=formats,
        populations=tuple(populations),
        projections=tuple(projections),
        inputs=tuple((name, graph.population(name).shape) for name in graph.inputs),
        outputs=dict(graph.outputs),
        dt=graph.dialect.dt,
        report=tuple(report),
    )


def unsupported(graph: CheckedGraph, target: Target) -> list[str]:
    """What of the graph the target's cores cannot compute: one sentence each, with the remedy."""
    problems = []
    for population in graph.populations:
        if population.model == "Input":
            continue
        support = target.models.get(population.model)
        if support is None:
            problems.append(
                f"node {population.name!r} is a {population.model}, which the target does not compute "
                f"(it has {', '.join(target.models)})"
            )
            continue
        if population.model in neuron.SPIKING and graph.dialect.reset not in support.reset:
            problems.append(
                f"node {population.name!r} resets by {graph.dialect.reset!r}, the target's {population.model} "
                f"only by {' or '.join(support.reset)}; train with that reset or choose another target"
            )
        if population.model not in neuron.SPIKING and any(p.source == population.name for p in graph.projections):
            problems.append(
                f"node {population.name!r} ({population.model}) does not spike but feeds another population; "
                "the target carries spikes only, so a read-out must be the last node"
            )
        decay = neuron.coefficients(population.model, population.params, population.shape, graph.dialect).decay
        if decay.min() < 0:
            problems.append(
                f"node {population.name!r} has a membrane decay of {decay.min():.3g} per step: dt = "
                f"{graph.dialect.dt:g} s is longer than its tau; use a smaller dt or the exponential discretization"
            )
    return problems


def _quantize_population(
    population: Population, exact: np.ndarray, graph: CheckedGraph, formats: Formats, shift_max: int
) -> tuple[IntegerPopulation, np.ndarray, dict[str, float | str]]:
    """Integers of one population; ``exact`` (size, fan-in): weights times gain, in volts per spike."""
    size, params, spiking = population.size, population.params, population.model in neuron.SPIKING
    step = neuron.coefficients(population.model, params, population.shape, graph.dialect)
    decay, gain = step.decay.ravel(), step.gain.ravel()
    bias = gain * population.bias.ravel() + step.offset.ravel()
    zeros = np.zeros(size)
    threshold = np.broadcast_to(params["v_threshold"], population.shape).ravel() if spiking else zeros
    v_reset = np.broadcast_to(params["v_reset"], population.shape).ravel() if spiking else zeros
    subtract = spiking and graph.dialect.reset == "subtract"
    reset_value = threshold - v_reset if subtract else v_reset

    reach = np.abs(exact).sum(axis=1) + np.abs(bias)
    must_hold = np.maximum.reduce([np.abs(threshold), np.abs(reset_value), np.abs(bias), reach])
    unit = np.maximum.reduce(
        [
            np.abs(exact).max(axis=1) / formats.weight_max,
            np.abs(exact).sum(axis=1) / (formats.accumulator_max - exact.shape[1] / 2),
            must_hold / formats.state_max * 1.0001,  # room for the roundings
            np.full(size, np.finfo(np.float64).tiny * 2.0**60),
        ]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        settles = np.maximum(np.where(reach > 0, reach / (1.0 - decay), 0.0), must_hold)  # infinite if decay = 1
        margin = np.log2(formats.state_max * unit / settles).min()
        fits = np.floor(np.log2(formats.state_max / 1.0001 * unit / settles)).min()
        holds = np.floor(np.log2(formats.state_max / 1.0001 * unit / must_hold)).min()
    shift = int(np.clip(max(fits, min(holds, _WANTED_SHIFT)), 0, shift_max))
    scale = unit / 2.0**shift

    weights = np.rint(exact / unit[:, None])
    # v > threshold and v >= threshold both become an integer ">": of its floor, or of what lies below its ceiling.
    compare = np.floor(threshold / scale) if graph.dialect.threshold == ">" else np.ceil(threshold / scale) - 1
    integer = IntegerPopulation(
        name=population.name,
        model=population.model,
        shape=population.shape,
        spiking=spiking,
        reset="subtract" if subtract else "zero",
        shift=shift,
        decay=np.rint(decay * 2.0**formats.decay_bits).astype(np.int64),
        bias=np.rint(bias / scale).astype(np.int64),
        threshold=compare.astype(np.int64),
        reset_value=np.rint(reset_value / scale).astype(np.int64),
        initial=np.zeros(size, dtype=np.int64),
        scale=scale,
    )
    noise = ((weights * unit[:, None] - exact) ** 2).sum()
    row: dict[str, float | str] = {
        "population": population.name,
        "neurons": size,
        "fan_in": exact.shape[1],
        "shift": shift,
        "weight_sqnr_db": float(10 * np.log10((exact**2).sum() / noise)) if noise else float("inf"),
        "decay_error": float(np.abs(integer.decay / 2.0**formats.decay_bits - decay).max()),
        "threshold_error": float(np.abs(integer.threshold * scale - threshold).max()) if spiking else 0.0,
        "saturation_margin_bits": float(np.nan_to_num(margin - shift, posinf=99.0, neginf=-99.0)),
    }
    return integer, weights, row
