"""network: the integer network, everything a device needs and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nirdeploy.errors import CorruptFile
from nirdeploy.records import store
from nirdeploy.records.brief import Brief
from nirdeploy.records.inputs import MAX_BITS, InputEncoding, encodings_to
from nirdeploy.semantics.neuron import SPIKING, SYNAPTIC, Rules
from nirdeploy.semantics.operators import Maximum, Operator, Passage, Pool, to_meta

#: Arrays of every population, and of the reference's.
SHARED = ("threshold", "scale")
OF_THE_REFERENCE = ("decay", "bias", "synapse_decay", "synapse_bias", "reset_value", "spike_size", "initial")


@dataclass(frozen=True)
class Formats:
    """Bits of the target's integers (all signed but ``decay``, unsigned with ``decay_bits`` fraction)."""

    weight_bits: int
    accumulator_bits: int
    state_bits: int
    decay_bits: int
    shift_max: int = 15

    @property
    def weight_max(self) -> int:
        return int(2 ** (self.weight_bits - 1)) - 1

    @property
    def accumulator_max(self) -> int:
        return int(2 ** (self.accumulator_bits - 1)) - 1

    @property
    def state_max(self) -> int:
        return int(2 ** (self.state_bits - 1)) - 1


@dataclass(frozen=True, eq=False, repr=False)
class Effective(Brief):
    """What a population's numbers amount to in the graph's terms: float64 (size,).

    ``decay`` and ``synapse_decay``: what of membrane and synaptic current a step leaves. ``offset`` and
    ``synapse_offset``: what a step adds to them (in the membrane's unit); ``late_offset``: what of that is missing
    before a step, by that step. ``threshold`` and ``v_reset``: membrane potentials. None: there is no such thing.
    """

    decay: np.ndarray
    offset: np.ndarray
    threshold: np.ndarray
    v_reset: np.ndarray
    synapse_decay: np.ndarray | None = None
    synapse_offset: np.ndarray | None = None
    late_offset: Mapping[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, repr=False)
class Population(Brief):
    """What populations of all targets have. How they step is said by their class.

    ``threshold``: int64 (size,): a membrane above it spikes. ``scale``: float64 (size,): the membrane potential of one
    LSB of membranes, and of the threshold. ``latency``: steps by which the population does everything later than in
    the graph, on a target where connections take steps of their own; the delays of projections are then the target's.
    ``weight_bits``: of the weights into it, where they are not the network's.
    """

    name: str
    model: str
    shape: tuple[int, ...]
    rules: Rules
    threshold: np.ndarray
    scale: np.ndarray
    latency: int = 0
    weight_bits: int | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def spiking(self) -> bool:
        return self.model in SPIKING

    @property
    def synaptic(self) -> bool:
        return self.model in SYNAPTIC

    @property
    def reset(self) -> str:
        return self.rules.reset

    def effective(self, formats: Formats) -> Effective:
        """What the numbers amount to in the graph's terms."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, repr=False)
class IntegerPopulation(Population):
    """int64 arrays over the flattened population, in units of the neuron's membrane LSB.

    :func:`nirdeploy.sim.integer.step` is the definition of a step. In the simplest case:
        acc = sum of projections (weight @ spikes), in weight units
        v   = saturate(round(decay v / 2^decay_bits) + (acc << shift) + bias)
        spike if v > threshold; then v = reset_value ("zero") or saturate(v - reset_value) ("subtract")
    A synaptic current (CubaLIF, CubaLI) has the membrane's unit, ``synapse_decay`` and ``synapse_bias``.
    ``spike_size`` is what one spike of several takes of v where ``rules.multi``. round is to nearest, ties away
    from zero. ``initial`` is v at the start of a sample. ``late_bias``:
    what of the bias is missing before a step, by that step. ``zeros``: what the zero points of inputs took from the
    bias (the synaptic current's, if there is one), by the step in which they begin.
    """

    shift: int
    decay: np.ndarray
    bias: np.ndarray
    synapse_decay: np.ndarray
    synapse_bias: np.ndarray
    reset_value: np.ndarray
    spike_size: np.ndarray
    initial: np.ndarray
    late_bias: Mapping[int, np.ndarray] = field(default_factory=dict)
    zeros: Mapping[int, np.ndarray] = field(default_factory=dict)

    def effective(self, formats: Formats) -> Effective:
        bits, scale = 2.0**formats.decay_bits, self.scale
        # An integer membrane above `threshold` is at least threshold + 1: the border lies halfway.
        border = self.spike_size if self.rules.multi else self.threshold + 0.5
        threshold, reset = border * scale, self.reset_value * scale
        taken = sum(self.zeros.values(), start=np.zeros(self.size, dtype=np.int64))
        bias, synapse_bias = self.bias + (0 if self.synaptic else taken), self.synapse_bias + taken
        return Effective(
            decay=self.decay / bits,
            offset=bias * scale,
            threshold=threshold,
            v_reset=threshold - reset if self.reset == "subtract" else reset,
            synapse_decay=self.synapse_decay / bits if self.synaptic else None,
            synapse_offset=synapse_bias * scale if self.synaptic else None,
            late_offset={step: (late + self.zeros.get(step, 0)) * scale for step, late in self.late_bias.items()},
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class ChipPopulation(Population):
    """Neurons of a target that have dynamics of their own.

    ``registers``: what they step by, of the chip's own types and shapes. ``stands_for``: what that amounts to.
    """

    registers: Mapping[str, np.ndarray]
    stands_for: Effective

    def effective(self, formats: Formats) -> Effective:
        return self.stands_for


@dataclass(frozen=True, repr=False)
class IntegerProjection(Brief, Passage):
    """``operator`` holds int32 weights, within ``weight_bits``, in units of 2^``shift`` weight units.

    The signal passes ``pool`` (if any), the operator and ``maximum`` (if any), and arrives ``delay`` steps later.
    ``unit`` (float64, size of the target): the current of one weight unit, shift included, for a spike or 1 of an
    input's numbers; one for each channel that a maximum is taken over.
    """

    source: str
    target: str
    operator: Operator
    unit: np.ndarray
    pool: Pool | None = None
    delay: int = 0
    shift: int = 0
    maximum: Maximum | None = None

    def synapses(self) -> int:
        """How many pairs of neurons it connects, convolutions written out."""
        once = np.ones(self.inputs)
        return int(self.connected.apply(once if self.pool is None else self.pool.apply(once)).sum())


@dataclass(frozen=True, eq=False, repr=False)
class IntegerNetwork(Brief):
    """Everything the device needs and nothing else.

    Guarantees: every tensor fits ``formats``; no sum of weights over a row overflows the accumulator (but where
    a membrane value is the input: that accumulator is a simulator's 64 bits).
    ``inputs``: (name, shape) of the input populations; ``input_bits``: of the numbers they may hold (1: spikes), but
    for those of ``encodings``, whose zero points stand in the biases, and whose borders stand around what projections
    read (:meth:`~nirdeploy.records.inputs.InputEncoding.sent`); ``report``: one dict of figures per population.
    ``dynamics``: the backend whose neurons step it, by name ("": that of :mod:`nirdeploy.sim.integer`).
    """

    FILE: ClassVar[str] = "network.npz"  # in a build's folder

    target: str
    formats: Formats
    populations: tuple[Population, ...]
    projections: tuple[IntegerProjection, ...]
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: Mapping[str, str]
    dt: float
    report: tuple[Mapping[str, float | str], ...]
    input_bits: int = 1
    dynamics: str = ""
    encodings: Mapping[str, InputEncoding] = field(default_factory=dict)

    @property
    def takes(self) -> dict[str, InputEncoding]:
        """What each input may hold. Where a chip's own neurons step it, events: they say how many they take."""
        bits = MAX_BITS if self.dynamics else self.input_bits
        return {name: self.encodings.get(name, InputEncoding(bits)) for name, _ in self.inputs}

    def population(self, name: str) -> Population:
        return next(p for p in self.populations if p.name == name)

    def weight_bits(self, name: str) -> int:
        """Of the weights into a population."""
        return self.population(name).weight_bits or self.formats.weight_bits

    @property
    def weight_memory(self) -> int:
        """Bytes of all weights, each in the bits of its population and without gaps."""
        return (sum(p.weight.size * self.weight_bits(p.target) for p in self.projections) + 7) // 8

    def neurons(self, name: str) -> IntegerPopulation:
        """A population that steps by the reference's rules. Raises :class:`CorruptFile` if it does not."""
        found = self.population(name)
        if not isinstance(found, IntegerPopulation):
            raise self._other(name, "a chip's registers, not the reference's neurons")
        return found

    def on_chip(self, name: str) -> ChipPopulation:
        """A population that steps by a target's own rules. Raises :class:`CorruptFile` if it does not."""
        found = self.population(name)
        if not isinstance(found, ChipPopulation):
            raise self._other(name, "the reference's neurons, not a chip's registers")
        return found

    def _other(self, name: str, has: str) -> CorruptFile:
        said = f"the population {name!r} has {has}"
        return CorruptFile(said, where=f"a network for target {self.target!r}", hint="build it again")

    @property
    def latencies(self) -> dict[str, int]:
        """Of the populations that lag behind the graph: steps."""
        return {p.name: p.latency for p in self.populations if p.latency}

    def into(self, name: str) -> list[IntegerProjection]:
        """The projections that end on a population."""
        return [p for p in self.projections if p.target == name]

    def _parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays: dict[str, np.ndarray] = {}
        for i, population in enumerate(self.populations):
            arrays |= {f"population{i}.{name}": values for name, values in _arrays(population).items()}
        for i, projection in enumerate(self.projections):
            arrays |= {f"projection{i}.weight": projection.weight, f"projection{i}.unit": projection.unit}
        meta = {
            "target": self.target,
            "formats": asdict(self.formats),
            "populations": [
                {
                    "name": p.name,
                    "model": p.model,
                    "shape": list(p.shape),
                    "rules": asdict(p.rules),
                    "latency": p.latency,
                    **({} if p.weight_bits is None else {"weight_bits": p.weight_bits}),
                    **_own_meta(p),
                }
                for p in self.populations
            ],
            "projections": [
                {
                    "source": p.source,
                    "target": p.target,
                    "operator": to_meta(p.operator),
                    "pool": to_meta(p.pool),
                    "delay": p.delay,
                    "shift": p.shift,
                    **({} if p.maximum is None else {"maximum": to_meta(p.maximum)}),
                }
                for p in self.projections
            ],
            "inputs": [[name, list(shape)] for name, shape in self.inputs],
            "outputs": dict(self.outputs),
            "dt": self.dt,
            "input_bits": self.input_bits,
            **encodings_to(self.encodings),
            "dynamics": self.dynamics,
            "report": [dict(row) for row in self.report],
        }
        return meta, arrays

    def digest(self) -> str:
        """SHA-256 (hex) of everything but the report; its arrays are not to be changed in place."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        meta, arrays = self._parts()
        return store.digest({key: meta[key] for key in meta if key != "report"}, arrays)

    def save(self, path: Path) -> None:
        store.write_atomic(path, store.pack(*self._parts()))

    @classmethod
    def load(cls, path: Path) -> IntegerNetwork:
        """Raises :class:`CorruptFile` if the file is not a saved IntegerNetwork."""
        from nirdeploy.integers import stored  # which makes what is defined here

        return stored.load(path)


def _arrays(population: Population) -> dict[str, np.ndarray]:
    """All arrays of a population, by the names they have in a file."""
    found = {name: getattr(population, name) for name in SHARED}
    if isinstance(population, IntegerPopulation):
        found |= {name: getattr(population, name) for name in OF_THE_REFERENCE}
        found |= {f"late_bias.{step}": late for step, late in population.late_bias.items()}
        found |= {f"zeros.{step}": taken for step, taken in population.zeros.items()}
    elif isinstance(population, ChipPopulation):
        found |= {f"registers.{name}": values for name, values in population.registers.items()}
        known = vars(population.stands_for).items()
        found |= {f"stands_for.{name}": values for name, values in known if isinstance(values, np.ndarray)}
    return found


def _own_meta(population: Population) -> dict[str, Any]:
    if isinstance(population, IntegerPopulation):
        zeros = {"zeros": sorted(population.zeros)} if population.zeros else {}
        return {"shift": population.shift, "late_bias": sorted(population.late_bias), **zeros}
    return {"registers": sorted(population.registers)} if isinstance(population, ChipPopulation) else {}
