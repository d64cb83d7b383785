"""lines: steps, or events, as lines of text."""

from __future__ import annotations

import json
import re
from typing import IO, Any

import numpy as np

from nirdeploy.device.streaming.sources.live import Bounded
from nirdeploy.device.streaming.sources.source import Ended
from nirdeploy.errors import CorruptFile
from nirdeploy.records.events.binning import Binner
from nirdeploy.records.events.child import EVENT
from nirdeploy.records.inputs import Inputs

_MOST_LINE = 1 << 24  # bytes
_EVENT = re.compile(
    rb"\s*(\d{1,18})[\s,;]+(\d{1,5})[\s,;]+(\d{1,5})[\s,;]+(-1|0|1|true|false|on|off)\s*", re.IGNORECASE
)
_OFF = (b"0", b"-1", b"false", b"off")


class FromLines:
    """Lines of a stream of bytes, ``#`` and empty ones left out.

    Of steps each is JSON: the numbers of the input in its shape or in a row, or an object of these by input. Of events,
    where there is a ``binner``, each is ``t x y p``: microseconds, pixel, and 1 or 0 (on, off), with blanks or commas.

    Args:
        most: lines that are read ahead.
        drops: lines that come while these are waiting are dropped and counted; else whoever writes them waits.

    Raises:
        CorruptFile: a line is none of these.
    """

    def __init__(self, file: IO[bytes], inputs: Inputs, binner: Binner | None, most: int, *, drops: bool) -> None:
        self._file, self._inputs, self._binner = file, inputs, binner
        self._number = 0
        self._over = False
        self._lines = Bounded(self._line, most, drops=drops)

    def _line(self) -> tuple[int, bytes] | None:
        line = self._file.readline(_MOST_LINE)
        if not line:
            raise Ended
        self._number += 1
        if len(line) == _MOST_LINE and not line.endswith(b"\n"):
            raise CorruptFile(f"it is longer than {_MOST_LINE:,} bytes", where=f"line {self._number} of the source")
        held = line.strip()
        return None if not held or held.startswith(b"#") else (self._number, held)

    def take(self, wait: float) -> Any:
        """All that has come: in the case of events, the steps that are over by then."""
        if self._over:
            raise Ended
        found: list[tuple[int, bytes]] = []
        try:
            while (one := self._lines.take(0.0 if found else wait)) is not None and len(found) < _MOST_LINE:
                found.append(one)
        except Ended:
            if self._binner is None and not found:
                raise
            self._over = self._binner is not None
        if self._binner is None:
            return self._steps(found) if found else None
        steps = self._binner.feed(self._events(found))
        if self._over:
            steps = np.concatenate([steps, self._binner.finish()])
        return steps if len(steps) else None

    def _events(self, lines: list[tuple[int, bytes]]) -> np.ndarray:
        events = np.empty(len(lines), EVENT)
        for at, (number, line) in enumerate(lines):
            match = _EVENT.fullmatch(line)
            if match is None or max(int(match[2]), int(match[3])) > np.iinfo("<u2").max:
                raise _odd(number, line, "write t x y p: microseconds, pixel, and 1 or 0")
            events[at] = int(match[1]), int(match[2]), int(match[3]), match[4].lower() not in _OFF
        return events

    def _steps(self, lines: list[tuple[int, bytes]]) -> Any:
        """All of them, (T, *shape); by input where there are several."""
        rows: dict[str, list[np.ndarray]] = {name: [] for name, _ in self._inputs}
        for number, line in lines:
            hint = 'write a list of the input\'s numbers a line, or {"input": [...], ...}'
            try:
                given = json.loads(line)
                given = given if isinstance(given, dict) else {self._inputs[0][0]: given}
                for name, shape in self._inputs:
                    values = np.asarray(given[name])
                    if values.dtype.kind not in "biuf":
                        raise ValueError(f"{values.dtype} in {name!r}")
                    rows[name].append(values.reshape(shape))
                if len(given) != len(self._inputs):
                    raise ValueError(f"inputs {', '.join(given)}")
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                sizes = ", ".join(f"{name} {shape}" for name, shape in self._inputs)
                raise _odd(number, line, f"{hint}; inputs: {sizes}") from error
        found = {name: np.stack(values) for name, values in rows.items()}
        return found if len(found) > 1 else next(iter(found.values()))

    def close(self) -> None:
        self._lines.close()

    def said(self) -> dict[str, int]:
        events = {} if self._binner is None else self._binner.counts.as_dict()
        return {**events, "lines_dropped": self._lines.dropped}


def _odd(number: int, line: bytes, hint: str) -> CorruptFile:
    shown = line[:60].decode(errors="replace") + ("..." if len(line) > 60 else "")
    what = "no event" if "t x y p" in hint else "no step"
    return CorruptFile(f"{shown!r} is {what}", where=f"line {number} of the source", hint=hint)
