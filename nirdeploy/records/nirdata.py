"""NIRData on disk: the HDF5 form of ``nir.data_ir``, written and read without trusting the file.

Layout: one group per node, below it one group per observable with a dataset ``data``
(samples, steps, neurons) and attributes ``dt`` and ``type``, as ``nir.write_data`` lays it out; the
root's attribute ``nirdeploy`` holds, as JSON, what NIRData has no field for.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nirdeploy.errors import CorruptFile, UsageProblem, meant_file
from nirdeploy.records import entries, hdf5, store

#: Spikes are few: deflate packs zeros by 1,032 at most.
_RECORD = hdf5.Kind("the record", "record it again", CorruptFile, CorruptFile, ratio=1100)
#: Of a dataset that has a value: one without has no chunk to pack or to sum up.
_CHECKED = {"compression": "gzip", "compression_opts": 1, "fletcher32": True}

_CHECKSUM = "checksum"  # records of before have none

#: Of each step, then of each sample as a whole.
KNOWN = ("spikes", "membrane", "count", "first", "last", "largest", "sum")


def write(
    path: Path,
    observables: Mapping[str, Mapping[str, np.ndarray]],
    scale: Mapping[str, np.ndarray],
    dt: float,
    meta: Mapping[str, Any],
) -> None:
    """Write ``{observable: {node: (samples, steps, neurons)}}``, whole or not at all."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        order = {observable: list(nodes) for observable, nodes in observables.items()}
        held = {
            f"nodes/{_escape(node)}/{observable}/data": np.asarray(data)
            for observable, nodes in observables.items()
            for node, data in nodes.items()
        }
        held |= {f"scale/{_escape(node)}": np.asarray(values) for node, values in scale.items()}
        told = json.loads(json.dumps({**meta, "order": order}))  # as it will be read
        file.attrs["nirdeploy"] = json.dumps({**told, _CHECKSUM: _checksum(told, held)}, sort_keys=True)
        for observable, nodes in observables.items():
            for node, data in nodes.items():
                group = file.require_group("nodes").require_group(_escape(node)).create_group(observable)
                group.attrs["type"] = "TimeGriddedData"
                group.attrs["dt"] = dt
                group.create_dataset("data", data=data, **(_CHECKED if data.size else {}))
        for node, values in scale.items():
            file.require_group("scale").create_dataset(_escape(node), data=values, fletcher32=True, chunks=True)
    store.write_atomic(path, buffer.getvalue())


def readable(reading: Callable[[Mapping[str, Any]], Any], meta: Mapping[str, Any]) -> None:
    """Raises :class:`UsageProblem` where ``reading`` refuses what a file would say: it is not written then."""
    try:
        reading(json.loads(json.dumps(meta)))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UsageProblem(
            f"this record cannot be kept: {entries.said(error)}",
            hint="a file of it would be refused where it is read; mend what the record says",
        ) from error


def read(path: Path) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, np.ndarray], dict[str, Any]]:
    """Undo :func:`write`: every observable of :data:`KNOWN`. Raises :class:`CorruptFile`."""
    if not path.is_file():
        raise CorruptFile("there is no such file", where=str(path), hint=meant_file(path))
    try:
        held = hdf5.read(path, _RECORD, "nirdeploy")
    except CorruptFile as error:
        raise CorruptFile(f"not a spike record: {error.message}", where=str(path), hint=error.hint) from error
    try:
        meta = entries.table(entries.parsed(held.attribute), "what it says")
        if _CHECKSUM in meta and meta.pop(_CHECKSUM) != _checksum(meta, held.datasets):
            raise ValueError("it does not hold what nirdeploy wrote: its checksum is of something else")
        order = entries.table(meta["order"], "the order")
        observables = {
            observable: {
                node: _numbers(held.datasets, f"nodes/{_escape(node)}/{observable}/data")
                for node in entries.names(order[observable], f"the order of {observable}")
            }
            for observable in KNOWN
            if observable in order
        }
        names = [name.partition("/")[2] for name in held.datasets if name.startswith("scale/") and name != "scale/"]
        scale = {_unescape(name): _numbers(held.datasets, f"scale/{name}") for name in names}
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CorruptFile(
            f"not a spike record: {(entries.said(error).splitlines() or [''])[0][:120]}",
            where=str(path),
            hint="record it again",
        ) from error
    return observables, scale, meta


def _checksum(meta: Mapping[str, Any], datasets: Mapping[str, np.ndarray]) -> str:
    """Of all that a record holds."""
    values = {name: data for name, data in datasets.items() if not name.endswith("/")}
    return store.digest(meta, values)


def _numbers(datasets: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """A dataset of numbers. Raises KeyError or ValueError."""
    if name not in datasets:
        raise ValueError(f"{name!r} is missing")
    if datasets[name].dtype.kind not in "biuf":
        raise ValueError(f"{name!r} is of type {datasets[name].dtype}")
    return datasets[name]


def _escape(node: str) -> str:
    """A node's name as one HDF5 path component."""
    return node.replace("%", "%25").replace("/", "%2F").replace(".", "%2E")


def _unescape(name: str) -> str:
    return name.replace("%2E", ".").replace("%2F", "/").replace("%25", "%")
