"""spool: a record that is kept step by step in a file beside it, so that what ends a stream does not take it along.

The file is a line of JSON, which says what a record of these steps has beside them, and then a row per step. It is
nirdeploy's own, named OUT.part; where a process was killed, the next one makes the record of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nirdeploy.errors import CorruptFile, UsageProblem
from nirdeploy.records import entries
from nirdeploy.records.spikes import SpikeRecord, counts, lags
from nirdeploy.records.steps import Block

_KIND = "nirdeploy spool 1"
_MOST_HEAD = 1 << 24  # bytes
#: What the numbers of a step are in. A file that says anything else is not ours, and may mean harm: the bytes of an
#: object would be taken for pointers.
_SPIKES, _MEMBRANES = ("|u1", "<u2", "<u4"), ("<i4",)


class Spool:
    """The file of one record, open for more.

    Args:
        out: the record to be.
    """

    def __init__(self, out: Path, file: BinaryIO, row: np.dtype[Any]) -> None:
        self._out, self._file, self._row = out, file, row
        self._steps = 0

    @staticmethod
    def of(out: Path) -> Path:
        """The file beside a record."""
        return out.with_name(f"{out.name}.part")

    @classmethod
    def begin(cls, out: Path, head: SpikeRecord) -> Spool:
        """``head``: a record of no steps, with all else. Raises :class:`UsageProblem` where steps of another stream are
        there."""
        path = cls.of(out)
        if path.exists():
            raise UsageProblem(
                "steps of a stream that was killed are kept there",
                where=str(path),
                hint=f"'nirdeploy stream --rescue {out}' makes the record of them; or remove the file",
            )
        meta = _meta(head)
        file = path.open("xb")
        file.write(json.dumps(meta).encode() + b"\n")
        return cls(out, file, _row(meta))

    def add(self, block: Block) -> None:
        """The next steps, which are on their way to the disk when this returns."""
        rows = np.zeros(len(block), self._row)
        for name, values in (*block.spikes.items(), *block.membrane.items()):
            rows[name] = values
        self._file.write(rows.tobytes())
        self._steps += len(block)
        self._file.flush()

    def finish(self, stats: Mapping[str, float]) -> None:
        """Make the record of it, if there is a step, and remove the file."""
        self._file.close()
        if self._steps:
            rescue(self._out, stats)
        else:
            self.of(self._out).unlink()


def rescue(out: Path, stats: Mapping[str, float] | None = None) -> SpikeRecord:
    """Write the record of the steps that are kept beside it, and remove their file.

    Raises:
        UsageProblem: there is none, or more than memory holds. CorruptFile: it is no file of these.
    """
    path = Spool.of(out)
    if not path.is_file():
        raise UsageProblem("no steps of a stream are kept there", where=str(path))
    try:
        record = replace(_kept(path), stats={} if stats is None else stats)
        record.save(out)
    except MemoryError as error:
        raise UsageProblem(
            f"the steps that are kept, {path.stat().st_size:,} bytes, do not fit into memory",
            where=str(path),
            hint="rescue them on a machine that has more, or remove the file if it is of no stream of yours",
        ) from error
    except (ValueError, KeyError) as error:
        raise CorruptFile(
            f"these are no steps of a stream ({entries.said(error)})", where=str(path), hint="remove it"
        ) from error
    path.unlink()
    return record


def _meta(head: SpikeRecord) -> dict[str, Any]:
    return {
        "kind": _KIND,
        "spikes": {name: list(values.shape[2:]) for name, values in head.spikes.items()},
        "membrane": {name: list(values.shape[2:]) for name, values in head.membrane.items()},
        "kinds": {
            name: values.dtype.newbyteorder("<").str for name, values in (*head.spikes.items(), *head.membrane.items())
        },
        "scale": {name: np.asarray(values).ravel().tolist() for name, values in head.scale.items()},
        "source": head.source,
        "dt": head.dt,
        "outputs": dict(head.outputs),
        "manifest": dict(head.manifest),
        "latency": dict(head.latency),
    }


def _kept(path: Path) -> SpikeRecord:
    """The record of the steps in a file. Raises ValueError or KeyError of another file."""
    with path.open("rb") as file:
        meta = entries.table(entries.parsed(file.readline(_MOST_HEAD)), "its first line")
        row, at = _row(meta), file.tell()
    told = entries.of_record({**meta, "stats": {}})
    scale = {
        name: _scale(values, name, row[name].shape) for name, values in entries.table(meta["scale"], "scale").items()
    }
    latency = lags(meta)
    whole = (path.stat().st_size - at) // row.itemsize  # a step that was written half is not one
    rows = np.memmap(path, row, "r", at, (whole,)) if whole else np.zeros(0, row)
    spikes = {name: counts(np.ascontiguousarray(rows[name][:, None])) for name in meta["spikes"]}
    membrane = {name: rows[name][:, None].astype(np.int32) for name in meta["membrane"]}
    return SpikeRecord(spikes, membrane, scale, latency=latency, **told)


def _row(meta: Mapping[str, Any]) -> np.dtype[Any]:
    """What a step takes: numbers of our own kinds, and no more than an array of 32 bits' places. Raises ValueError or
    KeyError of another file."""
    if meta.get("kind") != _KIND:
        raise ValueError("another kind of file")
    kinds = entries.table(meta["kinds"], "kinds")
    found = []
    for what, allowed in (("spikes", _SPIKES), ("membrane", _MEMBRANES)):
        for name, shape in entries.table(meta[what], what).items():
            kind = entries.one_of(kinds[name], f"the kind of {name!r}", allowed)
            found.append((name, kind, entries.shape(shape, f"the shape of {name!r}")))
    if not found:
        raise ValueError("it has no population")
    if sum(np.dtype(kind).itemsize * math.prod(shape) for _, kind, shape in found) >= entries.MOST:
        raise ValueError("a step of it is larger than any network's")
    return np.dtype(found)


def _scale(values: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A population's scale. Raises ValueError."""
    given = [entries.number(value, f"the scale of {name!r}") for value in entries.several(values, f"scale of {name!r}")]
    return np.array(given, dtype=np.float64).reshape(shape)
