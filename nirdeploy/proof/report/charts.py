"""charts: what a page draws, numbered as it is met; spikes up to a number that a phone still moves smoothly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nirdeploy.errors import printable
from nirdeploy.records.pictures.figure import Figure
from nirdeploy.records.pictures.raster import MOST, Compared, raster

_SPIKES = 1 << 18  # in all rasters of a page together


@dataclass(frozen=True)
class Chart:
    """A figure in its place on a page: ``number`` among the page's data, ``caption`` beneath, ``text`` in words.

    ``rows``: the same numbers as a table, where there are few enough to read.
    """

    number: int
    title: str
    caption: str
    text: str
    height: int
    rows: Sequence[Mapping[str, Any]] = ()


@dataclass
class Charts:
    """All charts of a page. ``left``: rasters that were not drawn, as too many spikes were before them."""

    figures: list[Figure] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    _spikes: int = 0

    def add(self, figure: Figure, title: str, caption: str = "", rows: Sequence[Mapping[str, Any]] = ()) -> Chart:
        self.figures.append(figure)
        return Chart(len(self.figures) - 1, title, caption, figure.text, int(figure.layout["height"]), rows)

    def raster(self, compared: Compared, *, always: bool = False) -> Chart | None:
        """None where the page has spikes enough, unless it is to be drawn ``always``."""
        count = int(sum(cells.sum() for cells in compared.kinds().values()))
        if self._spikes + min(count, MOST) > _SPIKES and self._spikes and not always:
            self.left.append(compared.title)
            return None
        self._spikes += min(count, MOST)
        return self.add(raster(compared, near=always), compared.title)

    def script(self) -> str:
        """All figures as JSON that no browser takes for anything else."""
        told = [{"data": one.data, "layout": one.layout, "views": one.views} for one in self.figures]
        text = json.dumps(_shown(told), separators=(",", ":"), sort_keys=True)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shown(value: Any) -> Any:
    """With every character of a name seen."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {key: _shown(entry) for key, entry in value.items()}
    return [_shown(entry) for entry in value] if isinstance(value, list | tuple) else value
