"""Load lists: what of a pass goes to the cores' memories, while the pass before it runs and after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from nirdeploy.targets.image import Image
from nirdeploy.targets.player.arena import Arena
from nirdeploy.targets.slots import Section

_GAP = 4  # words: loading so many again takes no longer than what says that they are not
_MEMORY = 20  # bits of an address that say where in a memory
_CONTROL, _JOBS = 0, 1  # kinds of memories that a running core may look into


@dataclass(frozen=True)
class Lists:
    """Of one pass: where the lists stand (0: there is none), and their words. ``ahead``: during the pass before."""

    ahead_at: int
    ahead: int
    after_at: int
    after: int


class Loading:
    """The cores' memories as the passes leave them, one after the other; nothing is known of them at first."""

    def __init__(self, arena: Arena, passes: Iterable[Image]) -> None:
        sizes: dict[int, int] = {}
        for one in passes:
            for section in one.sections:
                key, end = section.address >> _MEMORY, _place(section) + len(section.words)
                sizes[key] = max(sizes.get(key, 0), end)
        self._arena = arena
        self._held = {key: np.zeros(size, dtype=np.uint32) for key, size in sizes.items()}
        self._known = {key: np.zeros(size, dtype=bool) for key, size in sizes.items()}

    def lists(self, one: Image, before: Image | None) -> Lists:
        """Of a pass that is loaded after ``before``, which uses what its sections say."""
        used = {key: np.zeros(len(held), dtype=bool) for key, held in self._held.items()}
        for section in before.sections if before else ():
            used[section.address >> _MEMORY][_place(section) : _place(section) + len(section.words)] = True
        ahead, after = list[int](), list[int]()
        counted = [0, 0]
        for section in one.sections:
            key, at = section.address >> _MEMORY, _place(section)
            there = slice(at, at + len(section.words))
            free = ~used[key][there] & (before is not None and key & 0xF not in (_CONTROL, _JOBS))
            needed = (self._held[key][there] != section.words) | ~self._known[key][there]
            source = self._arena.words_of(section) if needed.any() else 0
            for which, wanted in enumerate((needed & free, needed & ~free)):
                for first, count in _stretches(wanted, ~free if which == 0 else np.zeros_like(free)):
                    (ahead, after)[which].extend([count, section.address + first, source + first])
                    counted[which] += count
            self._held[key][there], self._known[key][there] = section.words, True
        return Lists(self._added(ahead), counted[0], self._added(after), counted[1])

    def _added(self, triples: list[int]) -> int:
        return self._arena.add(np.array([*triples, 0], dtype=np.uint32)) if triples else 0


def _place(section: Section) -> int:
    return section.address & ((1 << _MEMORY) - 1)


def _stretches(wanted: np.ndarray, barred: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, count) of words that are wanted, with small gaps between them where these are not barred."""
    at = np.flatnonzero(wanted)
    if not at.size:
        return
    before = np.cumsum(barred)
    apart = np.flatnonzero((np.diff(at) > _GAP) | (before[at[1:]] > before[at[:-1]]))
    for first, last in zip(at[[0, *(apart + 1)]].tolist(), at[[*apart, -1]].tolist(), strict=True):
        yield first, last - first + 1
