"""What the player takes to play passes from external memory (docs/player.md), in cycles of the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nirdeploy.targets.player.compiling import Compiled
from nirdeploy.targets.player.operations import Gather, Sum

_LATENCY = 14  # from asking for a word to having it, where another row of the memory is open
_STEP = 30  # before the first chunk of a list: where its streams stand, and the list itself
_DESCRIPTOR, _CHUNK = 7, 2  # of a gather list
_LOADED = 3  # a word, to the cores' memories, rows and refresh of the memory included
_PASS = 500  # to fetch what is to be done, and until the last step has left the cores
_TURN = 33  # the bits of four planes of 32 values
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
            gathered = one.tiles * _STEP + _DESCRIPTOR * one.descriptors + _CHUNK * one.chunks
            own = 0.0 if one.number is None else one.tiles * cores[one.number]
            step += max(own, gathered)
            busy += own
        elif isinstance(one, Sum):
            step += one.to.tiles * _added(one)
    loaded, ahead = made.loaded
    return Played(step, step - busy, _LOADED * (loaded - ahead) + _PASS * len(made.runs()))


def _added(one: Sum) -> int:
    """Of one record."""
    groups = -(-one.values // _WORD)
    sources = sum(max(source.planes, 1) * (_WORD + _LATENCY) for source in one.sources)
    return groups * (sources + -(-one.planes // 4) * _TURN + one.planes)
