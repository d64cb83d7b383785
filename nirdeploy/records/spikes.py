"""SpikeRecord: what a network did, from any simulator or device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nirdeploy.errors import CorruptFile, UnknownPopulation, meant
from nirdeploy.records import entries, nirdata, store
from nirdeploy.records.brief import brief, listed

if TYPE_CHECKING:
    import plotly.graph_objects


#: Sources of records that simulators make in floats, and the entry by which those in integers say who made them.
IN_FLOATS = ("float", "exact")
WITNESS, SIMULATOR = "witness", "simulator"
#: The entry that says of which whole numbers into its inputs (:func:`nirdeploy.records.inputs.digest`) a record is.
STIMULUS = "stimulus"


class Witnessed:
    """What says by its ``source`` and ``manifest`` who saw it."""

    source: str
    manifest: Mapping[str, Any]

    @property
    def in_floats(self) -> bool:
        """Whether a simulator of the graph in floats made it."""
        return self.source in IN_FLOATS

    @property
    def simulated(self) -> bool:
        """Whether a simulator made it, and no device; a chip's own neurons go by the chip's name."""
        named = self.manifest.get(WITNESS) == SIMULATOR
        return self.source in (*IN_FLOATS, "integer") or (self.source != "device" and named)


@dataclass(frozen=True, eq=False, repr=False)
class SpikeRecord(Witnessed):
    """Spikes, and where asked membrane potentials, per population. Records are equal where a network did the same.

    ``spikes[name]``: (T, B, *shape), spike counts per step, uint8 or as wide as they need, for every probed
    spiking population.
    ``membrane[name]``: (T, B, *shape) after threshold and reset; float64 from the float reference, int32
    in units of ``scale[name]`` (float64, shape of the population) from integer witnesses (integer
    simulator, RTL, device). Populations that do not spike (LI, Output) have a membrane only.
    ``source`` is "float", "integer", "rtl" or "device"; ``dt`` in seconds; ``manifest`` says what produced
    the record (hashes, options); ``stats`` holds counters (such as ``saturations`` or ``cycles``).
    ``outputs`` maps the graph's Output names to populations. ``latency``: of populations that do everything so many
    steps later than in the graph, as a chip's own step per connection has it.
    """

    spikes: Mapping[str, np.ndarray]
    membrane: Mapping[str, np.ndarray]
    scale: Mapping[str, np.ndarray]
    source: str
    dt: float
    outputs: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    stats: Mapping[str, float] = field(default_factory=dict)
    latency: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        names = [f"{name} {values.shape[2:]}" for name, values in self.spikes.items()]
        names += [f"{name} {values.shape[2:]} membrane" for name, values in self.membrane.items()]
        spikes = sum(int(values.sum(dtype=np.int64)) for values in self.spikes.values())
        size = f"{self.steps:,} steps x {self.samples:,} samples" if names else "nothing"
        return brief(self, f"{self.source}, {size}: {listed(names)}; {spikes:,} spikes")

    def _repr_html_(self) -> str:
        from nirdeploy.records.pictures import recorded

        return recorded.shown(self)

    def __getitem__(self, name: str) -> np.ndarray:
        """Spike counts (T, B, *shape) of the population of that NIR node (or Output name).

        Raises:
            UnknownPopulation: no such population, or it does not spike.
        """
        name = self.outputs.get(name, name)
        if name in self.spikes:
            return self.spikes[name]
        if name in self.membrane:
            raise UnknownPopulation(f"population {name!r} does not spike", hint=f"use record.membrane[{name!r}]")
        raise UnknownPopulation(
            f"the record holds no population {name!r}", hint=meant(name, [*self.spikes, *self.membrane], "it holds")
        )

    def __eq__(self, other: object) -> bool:
        """The same populations, values, types, scales, seconds per step, outputs and latencies; who measured, and what
        it took, may differ."""
        if not isinstance(other, SpikeRecord):
            return NotImplemented
        own, theirs = ((r.dt, dict(r.outputs), dict(r.latency)) for r in (self, other))
        held = ((self.spikes, other.spikes), (self.membrane, other.membrane), (self.scale, other.scale))
        return own == theirs and all(_same(a, b) for a, b in held)

    def digest(self) -> str:
        """SHA-256 (hex) of what :meth:`__eq__` compares."""
        meta = {"dt": self.dt, "outputs": dict(self.outputs), "latency": dict(self.latency)}
        kinds = {"spikes": self.spikes, "membrane": self.membrane, "scale": self.scale}
        return store.digest(meta, {f"{kind}/{name}": held[name] for kind, held in kinds.items() for name in held})

    @property
    def steps(self) -> int:
        return int(self._any().shape[0])

    @property
    def samples(self) -> int:
        return int(self._any().shape[1])

    def _any(self) -> np.ndarray:
        for values in (*self.spikes.values(), *self.membrane.values()):
            return values
        raise UnknownPopulation("the record holds no population", hint="probe one: 'outputs', 'all' or its name")

    def aligned(self, steps: int | None = None) -> SpikeRecord:
        """The record as the graph counts steps: each population's latency cut off, and all equally long.

        ``steps``: at most so many. A run not longer than its latencies leaves none.
        """
        late = {name: self.latency.get(name, 0) for name in [*self.spikes, *self.membrane]}
        left = max(self.steps - max(late.values()), 0)
        left = left if steps is None else min(left, steps)
        return replace(
            self,
            spikes={name: values[late[name] : late[name] + left] for name, values in self.spikes.items()},
            membrane={name: values[late[name] : late[name] + left] for name, values in self.membrane.items()},
            latency={},
        )

    def volts(self, name: str) -> np.ndarray:
        """Membrane potential in the graph's units, float64 (T, B, *shape), of that population (or Output name)."""
        name = self.outputs.get(name, name)
        values = self.membrane[name]
        return values * self.scale[name] if name in self.scale else np.asarray(values, dtype=np.float64)

    def plot(self, populations: str | Sequence[str] | None = None, *, sample: int = 0) -> plotly.graph_objects.Figure:
        """A raster of each population, as a Plotly figure, which zooms; of read-outs alone, their membranes.

        Args:
            populations: names of populations or Outputs; by default all that spike.

        Raises:
            ToolMissing: Plotly is not installed. UnknownPopulation, UsageProblem: no such population or sample.
        """
        from nirdeploy.records.pictures import recorded

        return recorded.drawn(populations, sample, self).plotly()

    def save(self, path: Path | str) -> None:
        """Write as NIRData (``nir.data_ir``) in HDF5; what NIRData has no field for is an attribute.

        Raises :class:`UsageProblem` where :meth:`load` would refuse the file.
        """
        meta = {
            "source": self.source,
            "dt": self.dt,
            "outputs": dict(self.outputs),
            "manifest": dict(self.manifest),
            "stats": dict(self.stats),
            "latency": dict(self.latency),
            "shapes": {n: list(v.shape[2:]) for n, v in [*self.spikes.items(), *self.membrane.items()]},
            "size": [self.steps, self.samples],
        }
        observables = {
            "spikes": {name: _flat(values) for name, values in self.spikes.items()},
            "membrane": {name: _flat(values) for name, values in self.membrane.items()},
        }
        scale = {name: np.asarray(values).ravel() for name, values in self.scale.items()}
        nirdata.readable(lambda told: self._of(observables, scale, told), meta)
        nirdata.write(Path(path), observables, scale, self.dt, meta)

    @classmethod
    def load(cls, path: Path | str) -> SpikeRecord:
        """Raises :class:`CorruptFile` if the file is not a saved record."""
        observables, scale, meta = nirdata.read(Path(path))
        if "steps" in meta:
            raise CorruptFile(
                "this says what samples came to, not their steps",
                where=str(path),
                hint="record it again, without --tally",
            )
        try:
            return cls._of(observables, scale, meta)
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFile(
                f"not a spike record ({entries.said(error)})", where=str(path), hint="record it again"
            ) from error

    @classmethod
    def _of(
        cls,
        observables: Mapping[str, Mapping[str, np.ndarray]],
        scale: Mapping[str, np.ndarray],
        meta: Mapping[str, Any],
    ) -> SpikeRecord:
        """Of what a file holds. Raises KeyError, TypeError or ValueError where that is no record."""
        told, latency, shapes = entries.of_record(meta), lags(meta), entries.of_shapes(meta)
        time, batch = (entries.whole(size, "a number of its size") for size in meta["size"])

        def unflat(name: str, values: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(values.reshape(batch, time, *shapes[name]).swapaxes(0, 1))

        return cls(
            spikes={n: counts(unflat(n, v)) for n, v in observables["spikes"].items()},
            membrane={n: unflat(n, v) for n, v in observables["membrane"].items()},
            scale={n: v.reshape(shapes[n]) for n, v in scale.items()},
            latency=latency,
            **told,
        )


def lag(name: str, steps: Any) -> int:
    """Steps by which a population lags. Raises ValueError where that is no whole number from 0 on."""
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        raise ValueError(f"{name!r} lags behind by {steps!r} steps, which is no number of steps")
    return steps


def lags(meta: Mapping[str, Any]) -> dict[str, int]:
    """Those of a record's populations, of its JSON; what is older does not say them. Raises ValueError."""
    return {name: lag(name, steps) for name, steps in entries.table(meta.get("latency", {}), "latency").items()}


def _same(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and np.array_equal(a[name], b[name], equal_nan=a[name].dtype.kind == "f")
        for name in a
    )


def _flat(values: np.ndarray) -> np.ndarray:
    """(T, B, *shape) to NIRData's (samples, steps, neurons)."""
    time, batch = values.shape[:2]
    return np.ascontiguousarray(values.reshape(time, batch, math.prod(values.shape[2:])).swapaxes(0, 1))


def counts(spikes: np.ndarray) -> np.ndarray:
    """Spike counts in the smallest unsigned type that holds them, uint8 mostly.

    Raises ValueError where they are no whole numbers from 0 to 2**32 - 1.
    """
    if spikes.dtype == np.uint8:
        return spikes
    most = spikes.max(initial=0)
    if spikes.dtype.kind not in "bu" and not (
        spikes.min(initial=0) >= 0 and (spikes.dtype.kind == "i" or (spikes == np.rint(spikes)).all())
    ):
        raise ValueError("spike counts are whole numbers from 0 on")
    if most >= 1 << 32:
        raise ValueError(f"a spike count of {most} is beyond 32 bits")
    return spikes.astype(np.uint8 if most < 1 << 8 else np.uint16 if most < 1 << 16 else np.uint32)


def select(probe: str | Sequence[str], populations: Sequence[str], outputs: Mapping[str, str]) -> tuple[str, ...]:
    """Which populations to record, in the network's order.

    Args:
        probe: "all" (every population but the inputs), "outputs" (those that Output nodes read), or names
            of populations or Output nodes.

    Raises:
        UnknownPopulation: lists what there is.
    """
    if probe == "all":
        return tuple(populations)
    if probe == "outputs":
        wanted = set(outputs.values())
    else:
        names = [probe] if isinstance(probe, str) else list(probe)
        wanted = {name if name in populations else outputs.get(name, name) for name in names}
    unknown = sorted(wanted - set(populations))
    if unknown:
        raise UnknownPopulation(
            f"there is no population {', '.join(map(repr, unknown))} to probe",
            hint=meant(unknown, [*populations, "all", "outputs"], "populations:"),
        )
    return tuple(name for name in populations if name in wanted)
