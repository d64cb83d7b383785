"""stored: an integer network made again of its file, which is held to be one (:mod:`nirdeploy.integers.sound`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nirdeploy.errors import CorruptFile
from nirdeploy.integers import sound
from nirdeploy.integers.parts import (
    OF_THE_REFERENCE,
    SHARED,
    ChipPopulation,
    Effective,
    Formats,
    IntegerPopulation,
    IntegerProjection,
    Population,
)
from nirdeploy.records import entries, store
from nirdeploy.records.inputs import encodings_from
from nirdeploy.semantics.neuron import Rules
from nirdeploy.semantics.operators import maximum_from, operator_from, pool_from

Network = TypeVar("Network", bound=sound.Network)


def load(path: Path, make: Callable[..., Network]) -> Network:
    """A network that ``make`` makes of its fields. Raises :class:`CorruptFile` if the file is not a saved one."""
    meta, arrays = store.load(path)
    try:
        network = make(**_fields(entries.table(meta, "it"), arrays, str(path)))
        sound.check(network)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise CorruptFile(
            f"not an integer network ({entries.said(error)})", where=str(path), hint="build it again"
        ) from error
    return network


def _fields(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray], where: str) -> dict[str, Any]:
    """Those of an IntegerNetwork."""
    populations = [
        entries.table(entry, "a population") for entry in entries.several(meta["populations"], "populations")
    ]
    projections = [
        entries.table(entry, "a projection") for entry in entries.several(meta["projections"], "projections")
    ]
    return {
        "target": meta["target"],
        "formats": Formats(**entries.table(meta["formats"], "formats")),
        "populations": tuple(
            _population(entry, _below(arrays, f"population{i}.")) for i, entry in enumerate(populations)
        ),
        "projections": tuple(
            _projection(entry, arrays[f"projection{i}.weight"], arrays[f"projection{i}.unit"])
            for i, entry in enumerate(projections)
        ),
        "inputs": tuple(_input(entry) for entry in entries.several(meta["inputs"], "inputs")),
        "outputs": meta["outputs"],
        "dt": meta["dt"],
        "report": tuple(meta["report"]),
        "input_bits": meta["input_bits"],
        "encodings": encodings_from({"encodings": entries.table(meta.get("encodings", {}), "encodings")}),
        "dynamics": _stepped_by(meta, where),
    }


def _stepped_by(meta: Mapping[str, Any], where: str) -> str:
    if "dynamics" not in meta:
        said = "the network does not say whose neurons step it, an older nirdeploy wrote it"
        raise CorruptFile(said, where=where, hint="build it again")
    return entries.text(meta["dynamics"], "dynamics")


def _input(entry: Any) -> tuple[str, tuple[int, ...]]:
    match entry:
        case [name, shape]:
            return entries.text(name, "the name of an input"), entries.shape(shape, f"the shape of {name!r}")
    raise entries.odd(entry, "an input", "a name and a shape")


def _below(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


def _population(entry: dict[str, Any], arrays: dict[str, Any]) -> Population:
    shared = {name: arrays[name] for name in SHARED}
    rules, shape = Rules(**entries.table(entry["rules"], "rules")), tuple(entries.several(entry["shape"], "a shape"))
    common = {**entry, **shared, "shape": shape, "rules": rules}
    if "registers" in entry:
        registers = {name: arrays[f"registers.{name}"] for name in entries.names(entry["registers"], "registers")}
        stands_for: dict[str, Any] = _below(arrays, "stands_for.")
        return ChipPopulation(**{**common, "registers": registers, "stands_for": Effective(**stands_for)})
    late = {entries.whole(step, "a step"): arrays[f"late_bias.{step}"] for step in entry["late_bias"]}
    zeros = {entries.whole(step, "a step"): arrays[f"zeros.{step}"] for step in entry.get("zeros", ())}
    own = {name: arrays[name] for name in OF_THE_REFERENCE}
    return IntegerPopulation(**{**common, **own, "late_bias": late, "zeros": zeros})


def _projection(entry: dict[str, Any], weight: np.ndarray, unit: np.ndarray) -> IntegerProjection:
    operator = operator_from(entries.table(entry["operator"], "an operator"), weight)
    pool, maximum = (
        None if entry.get(kind) is None else entries.table(entry[kind], f"a {kind}") for kind in ("pool", "maximum")
    )
    way = {"operator": operator, "pool": pool_from(pool), "maximum": maximum_from(maximum)}
    return IntegerProjection(**{**entry, **way}, unit=unit)
