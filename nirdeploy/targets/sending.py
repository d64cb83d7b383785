"""What of an image is sent to a device that holds another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from nirdeploy.targets.slots import Section

_GAP = 8  # words: writing so many again takes no longer than a frame of its own for what comes behind them


def changed(sections: Iterable[Section], held: Iterable[Section]) -> Iterator[Section]:
    """The parts of sections that are not what stands there: that of ``held``, sections at the same addresses."""
    there = {section.address: section.words for section in held}
    for section in sections:
        before = there.get(section.address, np.zeros(0, dtype=np.uint32))[: len(section.words)]
        differs = np.ones(len(section.words), dtype=bool)
        differs[: len(before)] = section.words[: len(before)] != before
        at = np.flatnonzero(differs)
        if at.size:
            apart = np.flatnonzero(np.diff(at) > _GAP)
            for first, last in zip(at[[0, *(apart + 1)]], at[[*apart, -1]], strict=True):
                yield Section(section.name, section.address + int(first), section.words[first : last + 1])
