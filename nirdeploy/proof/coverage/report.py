"""report: coverage as data: how many parameters of each kind a stimulus exercised, and what else it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nirdeploy.records.brief import Brief, brief


@dataclass(frozen=True)
class Part:
    """Parameters of one kind in one place. ``source``: of weights and delays, where they lead from.

    ``total``: how many there are; ``judged``: of so many, drawn, every fault of one step was tried; ``exercised``: of
    so many each such fault changes what is compared. ``left``: of how many of the others why not.
    """

    kind: str
    total: int
    judged: int
    exercised: int
    source: str = ""
    left: Mapping[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """0 where none was judged."""
        return self.exercised / self.judged if self.judged else 0.0


@dataclass(frozen=True, repr=False)
class PopulationCoverage(Brief):
    """``fired``: neurons that spiked, of read-outs (not ``spiking``) those that moved. ``spikes``, ``resets``: how many
    there were. ``saturated``: neurons that did; None, as are ``resets``, where the target's own neurons do not say.
    ``why``: why no parameter of the population was judged, where none was."""

    population: str
    neurons: int
    fired: int
    spikes: int
    resets: int | None
    saturated: int | None
    parts: tuple[Part, ...]
    why: str = ""
    spiking: bool = True


@dataclass(frozen=True)
class InputCoverage:
    """``active``: channels that were ever anything but 0; ``codes``: whole numbers that occurred, of ``possible``."""

    name: str
    channels: int
    active: int
    codes: int
    possible: int


@dataclass(frozen=True, repr=False)
class Coverage:
    """What a stimulus exercised of a network; ``given``: samples that it had, where only the first were looked at."""

    steps: int
    samples: int
    inputs: tuple[InputCoverage, ...]
    populations: tuple[PopulationCoverage, ...]
    given: int = 0

    def __repr__(self) -> str:
        return brief(self, self.summary())

    @property
    def parameters(self) -> int:
        return sum(part.total for p in self.populations for part in p.parts)

    @property
    def exercised(self) -> int:
        """Parameters of which every fault of one step shows; where some were drawn, so many of all to be expected."""
        return round(sum(part.share * part.total for p in self.populations for part in p.parts))

    @property
    def percent(self) -> float | None:
        """Of all parameters; None where there is none that is judged."""
        if not any(part.judged for p in self.populations for part in p.parts):
            return None
        shares = sum(part.share * part.total for p in self.populations for part in p.parts)
        return 100 * shares / self.parameters

    @property
    def drawn(self) -> list[tuple[int, int]]:
        """(judged, of how many) where parameters were drawn."""
        parts = (part for p in self.populations for part in p.parts)
        return [(part.judged, part.total) for part in parts if 0 < part.judged < part.total]

    def reaches(self, percent: float) -> bool:
        return self.percent is not None and self.percent >= percent

    def summary(self) -> str:
        """One line."""
        if self.percent is None:
            text = "coverage was not judged"
        else:
            about = "about " if self.drawn else ""
            text = f"the stimulus exercised {about}{self.exercised:,} of {self.parameters:,} parameters"
            text += f" ({_floor(self.percent)} %)"
        if self.samples < self.given:
            text += f" in the first {self.samples:,} of {self.given:,} samples"
        text += f"; {self._active()}"
        if self.drawn:
            judged, total = max(self.drawn, key=lambda pair: pair[1])
            text += f"; weights and others were drawn, such as {judged:,} of {total:,}"
        for why in dict.fromkeys(p.why for p in self.populations if p.why):
            names = ", ".join(repr(p.population) for p in self.populations if p.why == why)
            text += f"; only who fired was seen of {names} ({why})"
        return text

    def _active(self) -> str:
        """How many neurons fired, and how many of the read-outs moved."""
        said = []
        for spiking, what in ((True, "neurons fired"), (False, "read-outs moved")):
            of = [p for p in self.populations if p.spiking is spiking]
            if of:
                said.append(f"{sum(p.fired for p in of):,} of {sum(p.neurons for p in of):,} {what}")
        return ", ".join(said) or "there are no neurons"

    def rows(self) -> list[dict[str, Any]]:
        """One for each population and input, as tables show them."""
        kinds = list(dict.fromkeys(part.kind for p in self.populations for part in p.parts))
        none = dict.fromkeys(kinds, "")
        rows = [
            {"population": one.name, "fired": f"{one.active:,} of {one.channels:,}", **none}
            | {"saturated": "", "codes": f"{one.codes:,} of {one.possible:,}"}
            for one in self.inputs
        ]
        for p in self.populations:
            shown = {kind: _cell([part for part in p.parts if part.kind == kind]) for kind in kinds}
            saturated = "" if p.saturated is None else f"{p.saturated:,}"
            row = {"population": p.population, "fired": f"{p.fired:,} of {p.neurons:,}", **none, **shown}
            rows.append({**row, "saturated": saturated, "codes": ""})
        return rows

    def missing(self) -> list[str]:
        """What is left, and why: a line for each part."""
        lines = []
        for p in self.populations:
            for part in p.parts:
                if part.exercised < part.judged:
                    place = f"{part.kind} of {p.population!r}" + (f" from {part.source!r}" if part.source else "")
                    reasons = ", ".join(f"{count:,} {why}" for why, count in part.left.items())
                    lines.append(f"{place}: {part.judged - part.exercised:,} of {part.judged:,} left: {reasons}")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "percent": self.percent,
            "parameters": self.parameters,
            "exercised": self.exercised,
            "steps": self.steps,
            "samples": self.samples,
            "samples_given": max(self.given, self.samples),
            "inputs": [asdict(one) for one in self.inputs],
            "populations": [asdict(one) for one in self.populations],
        }


def _floor(percent: float) -> str:
    """One decimal, and never 100.0 of what is less."""
    return f"{int(percent * 10) / 10:.1f}"


def _cell(parts: Sequence[Part]) -> str:
    judged = [part for part in parts if part.judged]
    if not judged:
        return "not judged" if parts else ""
    total = sum(part.total for part in parts)
    return f"{_floor(100 * sum(part.share * part.total for part in parts) / total)} %"
