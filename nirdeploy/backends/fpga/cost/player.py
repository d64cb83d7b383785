"""What the player takes to play passes from external memory (docs/player.md), in cycles of the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nirdeploy.targets.player.compiling import Compiled
from nirdeploy.targets.player.operations import Gather, Sum

_STEP, _STREAM, _DESCRIPTOR, _CHUNK = 25, 6, 6, 2  # of a gather list
_CAPTURED = 3  # a word
_LOADED = 3  # a word, to the cores' memories, rows and refresh of the memory included
_PASS = 500  # to fetch what is to be done, and until the last step has left the cores
_SOURCE, _ADDED, _TURN = 10, 46, 33  # of a sum, for 32 values: its numbers, or a plane; the bits of four planes
_WORD = 32


@dataclass(frozen=True)
class Played:
    """Cycles: ``step`` of a sample, all passes together; ``gathering``: what of it is not hidden behind the cores;
    ``loading`` and starting all passes, once for every play, without what loads while cores run."""

    step: float
    gathering: float
    loading: float


def predict(made: Compiled, cores: Mapping[int, float]) -> Played:
    """``made``: of one step. ``cores``: cycles of a step of one tile on the cores, by the pass."""
    step = busy = 0.0
    for one in made.operations:
        if isinstance(one, Gather):
            begun = one.tiles * (_STEP + _STREAM * len(one.streams))
            gathered = begun + _DESCRIPTOR * one.descriptors + _CHUNK * one.chunks
            own = 0.0 if one.number is None else one.tiles * cores[one.number]
            step += max(own, gathered, _CAPTURED * one.tiles * one.to.words)
            busy += own
        elif isinstance(one, Sum):
            step += one.to.tiles * _added(one)
    loaded, ahead = made.loaded
    return Played(step, step - busy, _LOADED * (loaded - ahead) + _PASS * len(made.runs()))


def _added(one: Sum) -> int:
    """Of one record."""
    groups = -(-one.values // _WORD)
    sources = sum(_SOURCE + max(source.planes, 1) * _ADDED for source in one.sources)
    return groups * (sources + -(-one.planes // 4) * _TURN + one.planes)
