"""checked: the flat normal form of a graph, which everything behind :func:`nirdeploy.graph.check.check` reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nirdeploy.errors import CorruptFile
from nirdeploy.graph import sound
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.records import entries, store
from nirdeploy.records.brief import brief, listed
from nirdeploy.records.inputs import InputEncoding, encodings_from, encodings_to
from nirdeploy.semantics import neuron
from nirdeploy.semantics.dialect import Dialect, of_dict
from nirdeploy.semantics.operators import (
    maximum_from,
    operator_from,
    pool_from,
    to_meta,
)

_TOLD = ("dialect_source", "repairs", "warnings")  # of the graph, and no part of it


@dataclass(frozen=True, repr=False)
class CheckedGraph:
    """Normal form: populations in topological order (inputs first) and the projections between them.

    Guarantees: names unique; every projection joins two populations, and one whose source does not stand
    before its target is delayed (by its own ``delay``, or by the dialect's ``spike_delay``); every population
    but the inputs has at least one projection into it; shapes known; parameters finite and in range.
    ``inputs`` are the Input populations' names in the graph's order; ``outputs`` maps each Output
    node's name to the population it reads. ``dialect_source`` says where the dialect came from
    ("argument", "metadata" or "default"); ``repairs`` what had to be put right in the file; ``warnings`` what is
    valid and can hardly be meant; ``input_bits`` of the numbers that the inputs may hold on hardware (1: spikes), but
    for those of ``encodings``.
    """

    FILE: ClassVar[str] = "graph.npz"  # in a build's folder

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]
    dialect: Dialect
    dialect_source: str
    repairs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    input_bits: int = 1
    encodings: Mapping[str, InputEncoding] = field(default_factory=dict)
    checksum: bool | None = field(default=None, compare=False)  # whether the file that it is of has one

    def __repr__(self) -> str:
        neurons = sum(p.size for p in self.populations if p.model != "Input")
        weights = sum(p.weight.size for p in self.projections)
        names = listed([f"{p.name} ({p.model} {'x'.join(map(str, p.shape))})" for p in self.populations])
        return brief(self, f"{names}; {neurons:,} neurons, {weights:,} weights, {self.dialect}")

    def _repr_html_(self) -> str:
        from nirdeploy.graph import picture

        return picture.shown(self)

    def population(self, name: str) -> Population:
        return next(p for p in self.populations if p.name == name)

    def into(self, name: str) -> list[Projection]:
        """The projections that end on a population."""
        return [p for p in self.projections if p.target == name]

    def encoding(self, name: str) -> InputEncoding:
        """What an input may hold on hardware."""
        return self.encodings.get(name, InputEncoding(self.input_bits))

    def rules(self, name: str) -> neuron.Rules:
        """The dialect's rules for one population."""
        recurrent = any(p.source == name for p in self.into(name))
        return neuron.rules(self.population(name).model, self.dialect_of(name), recurrent=recurrent)

    def dialect_of(self, name: str) -> Dialect:
        """The dialect of one population."""
        return self.population(name).dialect or self.dialect

    def parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """All of it as JSON and arrays hold it; :meth:`of_parts` is the inverse."""
        arrays: dict[str, np.ndarray] = {}
        for i, population in enumerate(self.populations):
            arrays[f"population{i}.bias"] = population.bias
            arrays |= {f"population{i}.late_bias.{step}": late for step, late in population.late_bias.items()}
            arrays |= {f"population{i}.{name}": values for name, values in population.params.items()}
        arrays |= {f"projection{i}.weight": p.weight for i, p in enumerate(self.projections)}
        meta = {
            "populations": [
                [
                    *(p.name, p.model, list(p.shape), sorted(p.params)),
                    p.dialect and p.dialect.as_dict(),
                    sorted(p.late_bias),
                    *([] if p.weight_bits is None else [p.weight_bits]),
                ]
                for p in self.populations
            ],
            "projections": [
                [p.source, p.target, list(p.nodes), to_meta(p.operator), to_meta(p.pool), p.delay]
                + ([] if p.maximum is None else [to_meta(p.maximum)])
                for p in self.projections
            ],
            "inputs": list(self.inputs),
            "outputs": dict(self.outputs),
            "dialect": self.dialect.as_dict(),
            "dialect_source": self.dialect_source,
            "repairs": list(self.repairs),
            "warnings": list(self.warnings),
            "input_bits": self.input_bits,
            **encodings_to(self.encodings),
        }
        return meta, arrays

    def digest(self) -> str:
        """SHA-256 (hex) of everything that decides the spikes."""
        meta, arrays = self.parts()
        return store.digest({key: meta[key] for key in meta if key not in _TOLD}, arrays)

    def save(self, path: Path) -> None:
        store.write_atomic(path, store.pack(*self.parts()))

    @classmethod
    def load(cls, path: Path) -> CheckedGraph:
        """Raises :class:`CorruptFile` if the file is not a saved CheckedGraph."""
        return cls.of_parts(*store.load(path), where=str(path))

    @classmethod
    def of_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, where: str) -> CheckedGraph:
        """The inverse of :meth:`parts`. Raises :class:`CorruptFile` naming ``where``."""
        try:
            meta = entries.table(meta, "it")
            graph = cls(
                populations=tuple(
                    Population(
                        name,
                        model,
                        tuple(entries.several(shape, "a shape")),
                        {key: arrays[f"population{i}.{key}"] for key in params},
                        arrays[f"population{i}.bias"],
                        {step: arrays[f"population{i}.late_bias.{step}"] for step in late},
                        None if own is None else of_dict(own),
                        bits[0] if bits else None,
                    )
                    for i, (name, model, shape, params, own, late, *bits) in enumerate(meta["populations"])
                ),
                projections=tuple(
                    Projection(
                        source,
                        target,
                        operator_from(entries.table(operator, "an operator"), arrays[f"projection{i}.weight"]),
                        tuple(nodes),
                        pool_from(pool and entries.table(pool, "a pool")),
                        delay,
                        maximum_from(entries.table(maximum[0], "a maximum") if maximum else None),
                    )
                    for i, (source, target, nodes, operator, pool, delay, *maximum) in enumerate(meta["projections"])
                ),
                inputs=tuple(meta["inputs"]),
                outputs=meta["outputs"],
                dialect=of_dict(meta["dialect"]),
                dialect_source=meta["dialect_source"],
                repairs=tuple(meta["repairs"]),
                warnings=tuple(meta["warnings"]),
                input_bits=meta["input_bits"],
                encodings=encodings_from({"encodings": entries.table(meta.get("encodings", {}), "encodings")}),
            )
            sound.check(graph)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise CorruptFile(
                f"not a checked graph ({entries.said(error)})", where=where, hint="build it again"
            ) from error
        return graph
