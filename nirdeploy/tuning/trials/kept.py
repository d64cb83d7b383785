"""kept: the outcomes of a sweep in its folder, one line of JSON each, so that one that was cut off goes on from there.

Every line says whose sweep it is of and has a checksum: a damaged one is measured again, another sweep's is refused.
The first line says what the sweep is of.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nirdeploy.errors import UsageProblem
from nirdeploy.records import store
from nirdeploy.tuning.trials.trial import Bits, Outcome

FILE = "trials.jsonl"
_NAMES = {"samples": "other samples to calibrate on", "versions": "other versions of packages"}


class Kept:
    """``identity``: of the sweep, as :attr:`nirdeploy.tuning.trials.trial.Job.identity`."""

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        """Take what the folder holds of this sweep. Raises :class:`UsageProblem` where it holds another one's."""
        self._path = folder / FILE
        self._own = store.digest(identity, {})
        self._head = _line({"sweep": self._own, "of": dict(identity)})
        self._lines: dict[str, bytes] = {}
        self._outcomes: dict[str, Outcome] = {}
        there = self._path.read_bytes() if self._path.is_file() else b""
        for line in filter(None, map(_said, there.split(b"\n"))):
            if line["sweep"] != self._own:
                raise self._another(folder, line.get("of"), identity)
            if "outcome" in line:
                self._take(Outcome.from_dict(line["outcome"]))
        self._write(self._lines.values(), unless=there)

    def _another(self, folder: Path, of: Mapping[str, str] | None, identity: Mapping[str, str]) -> UsageProblem:
        differ = [_NAMES.get(key, f"another {key}") for key in identity if of and of.get(key) != identity[key]]
        return UsageProblem(
            f"the folder holds a sweep of {' and '.join(differ) or 'something else'}",
            where=str(folder),
            hint="name another folder, or remove this one",
        )

    def __contains__(self, bits: Bits) -> bool:
        return _key(bits) in self._outcomes

    def __getitem__(self, bits: Bits) -> Outcome:
        return self._outcomes[_key(bits)]

    def add(self, outcome: Outcome) -> None:
        """Keep one more: it is on the disk when this returns."""
        line = self._take(outcome)
        with self._path.open("ab") as out:
            out.write(line)
            out.flush()
            os.fsync(out.fileno())

    def finish(self, order: Iterable[Bits]) -> None:
        """Keep the outcomes of these trials in this order, however they came."""
        self._write([self._lines[_key(bits)] for bits in order], unless=self._path.read_bytes())

    def _take(self, outcome: Outcome) -> bytes:
        key = _key(outcome.bits)
        self._outcomes[key] = outcome
        self._lines[key] = _line({"sweep": self._own, "outcome": outcome.as_dict()})
        return self._lines[key]

    def _write(self, lines: Iterable[bytes], unless: bytes) -> None:
        made = b"".join([self._head, *lines])
        if made != unless:
            store.write_atomic(self._path, made)


def _key(bits: Bits) -> str:
    return json.dumps(dict(bits), sort_keys=True)


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps({**said, "checksum": store.digest(said, {})}, sort_keys=True).encode() + b"\n"


def _said(line: bytes) -> dict[str, Any] | None:
    """What a line says, or None if it is not as it was written."""
    try:
        said: dict[str, Any] = json.loads(line)
        checksum = said.pop("checksum")
        return said if checksum == store.digest(said, {}) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
