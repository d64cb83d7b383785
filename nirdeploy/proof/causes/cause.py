"""cause: what would make a device differ as it does, in words and as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from nirdeploy.records.brief import brief


@dataclass(frozen=True)
class Explained:
    """One fault of a device, and how much of the difference it explains.

    ``kind``: of :data:`nirdeploy.proof.causes.fault.KINDS`. ``population``: whose it is, or that which does not see its
    ``source`` as it is. ``place``: what of it, such as a weight's index. ``should``, ``device``: the number as it
    should be and as it would be; ``others``: the least and the largest that explain the same. ``explains``: differing
    cells that it explains, less those in which it differs and the device does not. ``likely``: how much of all faults
    of its kind looks like this, beside those of other kinds.
    """

    kind: str
    population: str
    source: str
    text: str
    explains: int
    place: tuple[int, ...] = ()
    should: int | None = None
    device: int | None = None
    others: tuple[int, int] | None = None
    likely: float = 0.0


@dataclass(frozen=True, repr=False)
class Cause:
    """Why a device differs from its network in integers.

    ``differing``: cells that differ. ``faults``: those that explain most, the likeliest first; all of these explain the
    same number of cells. ``population``: the first in order that does not do what its sources ask for, by the device's
    own record. ``tried``: hypotheses that were run in the whole network. ``remarks``: what was not looked for, and why.
    """

    differing: int
    faults: tuple[Explained, ...] = ()
    population: str = ""
    tried: int = 0
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return brief(self, " ".join(self.lines()[:1]))

    @property
    def known(self) -> bool:
        """Whether a fault explains every cell that differs."""
        return bool(self.faults) and self.faults[0].explains == self.differing

    @property
    def kind(self) -> str:
        """Of the likeliest fault that explains all; empty where none does."""
        return self.faults[0].kind if self.known else ""

    def __bool__(self) -> bool:
        return self.known

    def summary(self) -> str:
        """One line."""
        return self.lines()[0]

    def lines(self) -> list[str]:
        """For a terminal: the cause, what explains the same, what was not looked for."""
        return [*self._lines(), *self.remarks]

    def _lines(self) -> Iterator[str]:
        if not self.differing and not self.remarks:
            yield "no cell differs, there is nothing to explain"
        elif not self.differing:
            return
        elif self.known:
            first, *others = self.faults
            yield f"cause on the device: {first.text}; {self._explains(first)}"
            if others:
                yield f"{len(others)} others explain the same:" if len(others) > 1 else "another explains the same:"
                yield from (f"  {other.kind}: {other.text}" for other in others)
        else:
            where = f"; it begins in {self.population!r}" if self.population else ""
            cells = f"all {self.differing:,} differing cells"
            yield f"cause on the device: not known, no single fault explains {cells}{where}"
            yield from (f"  nearest: {fault.text}; {self._explains(fault)}" for fault in self.faults)

    def _explains(self, fault: Explained) -> str:
        return f"explains {fault.explains:,} of {self.differing:,} differing cells"

    def as_dict(self) -> dict[str, Any]:
        """For JSON: always the same keys."""
        first = self.faults[0] if self.known else None
        return {
            "known": self.known,
            "kind": first.kind if first else None,
            "population": first.population if first else self.population or None,
            "source": (first.source or None) if first else None,
            "text": self.summary(),
            "explains": self.faults[0].explains if self.faults else 0,
            "differing": self.differing,
            "faults": [{**asdict(fault), "place": list(fault.place)} for fault in self.faults],
            "tried": self.tried,
            "remarks": list(self.remarks),
        }
