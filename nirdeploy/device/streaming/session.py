"""session: a network stepped on and on by whoever has its inputs, and how far ahead of it they may be."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nirdeploy.device.streaming.engine import Engine
from nirdeploy.errors import InputShapeError, UsageProblem
from nirdeploy.records.spikes import SpikeRecord, counts
from nirdeploy.records.spool import Spool
from nirdeploy.records.steps import Block, Step

WAIT, DROP = "wait", "drop"
WHEN_FULL = (WAIT, DROP)
DEPTH = 64  #: steps
_MOST_LATENCIES = 1 << 20  # that are remembered, for their quantiles
_QUANTILES = {"latency_median_ms": 50, "latency_99_ms": 99, "latency_most_ms": 100}


class StepStream:
    """One stream: a context manager. The network is at rest before the first step, and keeps its state from then on.

    Args:
        engine: what steps it.
        depth: how many steps may be under way: those that were taken and whose output has not come.
        when_full: where there are as many: "wait" until one has come; or "drop" the step, which the network then never
            sees, and count it.
        keep: a record (.nird) of all steps, kept as they come and written in the end, however that comes.
    """

    def __init__(
        self, engine: Engine, *, depth: int = DEPTH, when_full: str = WAIT, keep: Path | str | None = None
    ) -> None:
        if when_full not in WHEN_FULL:
            raise UsageProblem(f"when_full is {when_full!r}", hint=f"one of: {', '.join(WHEN_FULL)}")
        if depth < 1:
            raise UsageProblem(f"a depth of {depth} steps lets none under way", hint="1 or more")
        self._engine, self._depth, self._drops = engine, depth, when_full == DROP
        self._spool = None if keep is None else Spool.begin(Path(keep), engine.head)
        self._ready: deque[Block] = deque()
        self._numbers: deque[tuple[int, float]] = deque()  # of steps under way, and when each was taken
        self._latencies: deque[float] = deque(maxlen=_MOST_LATENCIES)
        self._rests = True
        self.offered = self.dropped = 0  #: steps, in all and those that were not taken
        self._began = time.monotonic()
        self._ended: float | None = None

    @property
    def head(self) -> SpikeRecord:
        """A record of no steps: which populations are read, and all else that a record of the stream has."""
        return self._engine.head

    def __enter__(self) -> StepStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- steps and their outputs ------------------------------------------------------------

    def step(self, x: Any) -> Step:
        """One step, and what came of it.

        Args:
            x: what the inputs take, (*input shape); a dict of such by input where there are several.

        Raises:
            InputShapeError: ``x`` is not what the inputs take. DeviceSilent, TransferError: device or line fail.
        """
        if self._engine.under_way or self._ready:
            raise UsageProblem(
                "steps that were submitted are under way, and step() would overtake them",
                hint="collect(wait=True) first",
            )
        self._take(self._one(x), 1)
        (block,) = self._finished()
        return next(self._steps(block))

    def steps(self, x: Any) -> SpikeRecord:
        """Several steps, (T, *input shape), and what came of them: a record of one sample. Raises as :meth:`step`."""
        blocks = list(self.over_blocks([x]))
        return self._record(blocks)

    def over(self, xs: Iterable[Any]) -> Iterator[Step]:
        """Each step's output, of steps that come one by one, (*input shape); as many are under way as may be."""
        return (one for block in self.over_blocks(map(self._one, xs)) for one in self._steps(block))

    def over_blocks(self, blocks: Iterable[Any]) -> Iterator[Block]:
        """The same of several steps each, (T, *input shape), whose outputs come several at once.

        Waits for room, whatever ``when_full``: who iterates is never faster than the device.
        """
        for x in blocks:
            held = self._checked(x)
            total = len(next(iter(held.values())))
            at = 0
            while at < total:
                room = self._depth - self._engine.under_way
                if room <= 0:
                    self._come(wait=True)
                else:
                    end = min(at + room, total)
                    self._take({name: values[at:end] for name, values in held.items()}, end - at)
                    self._come(wait=False)
                    at = end
                yield from self._taken()
        yield from self._finished()

    # --- without waiting ----------------------------------------------------------------------

    def submit(self, x: Any) -> bool:
        """Hand a step in, and wait for nothing but, where ``when_full`` says so, room; whether it was taken.

        What comes of it is :meth:`collect`'s.
        """
        return self._offer(self._one(x)) == 1

    def offer(self, x: Any) -> int:
        """The same of several steps, (T, *input shape); how many were taken: where steps are dropped, the first."""
        return self._offer(self._checked(x))

    def _offer(self, held: Mapping[str, np.ndarray]) -> int:
        total, at = len(next(iter(held.values()))), 0
        self._come(wait=False)
        while at < total:
            end = min(at + max(self._depth - self._engine.under_way, 0), total)
            if end > at:
                self._take({name: values[at:end] for name, values in held.items()}, end - at)
                at = end
            elif self._drops:
                self.dropped += total - at
                self.offered += total - at
                break
            else:
                self._come(wait=True)
        return at

    def collect(self, *, wait: bool = False) -> list[Step]:
        """What has come of steps that were submitted, in their order; with ``wait``, of all of them."""
        if wait:
            return [one for block in self._finished() for one in self._steps(block)]
        self._come(wait=False)
        return [one for block in self._taken() for one in self._steps(block)]

    def collect_blocks(self, *, wait: bool = False) -> list[Block]:
        """The same as :meth:`collect`, several steps at once; with ``wait`` of one at least, if one is under way."""
        self._come(wait=wait)
        return self._taken()

    @property
    def under_way(self) -> int:
        """Steps that were taken and whose output has not come."""
        return self._engine.under_way

    def rest(self) -> None:
        """The next step finds the network at rest, as the very first did. What is under way is waited for."""
        while self._engine.under_way:
            self._come(wait=True)
        self._rests = True

    # --- in the end -----------------------------------------------------------------------------

    def close(self) -> None:
        """Write the record that is kept. Steps under way are left."""
        if self._ended is None:
            self._ended = time.monotonic()
            if self._spool is not None:
                self._spool.finish(self.stats)

    @property
    def stats(self) -> dict[str, float]:
        """Figures so far.

        ``steps``: whose output came; ``dropped``: that were not taken; ``steps_per_s``: since the first;
        ``latency_median_ms``, ``latency_99_ms``, ``latency_most_ms``: from when a step was taken to its output here, of
        the last million; of a device how often steps were played again (``replays``) and how many in all
        (``replayed``); of the model ``saturations``.
        """
        seconds = max((self._ended or time.monotonic()) - self._began, 1e-9)
        done = self.offered - self.dropped - len(self._numbers)
        said = {"steps": float(done), "dropped": float(self.dropped), "steps_per_s": done / seconds}
        if self._latencies:
            found = np.percentile(np.array(self._latencies) * 1e3, list(_QUANTILES.values()))
            said |= dict(zip(_QUANTILES, found.tolist(), strict=True))
        return said | self._engine.stats()

    # --- inside ------------------------------------------------------------------------------------

    def _one(self, x: Any) -> Mapping[str, np.ndarray]:
        """A step as several."""
        return self._checked(x, lead=0)

    def _checked(self, x: Any, lead: int = 1) -> Mapping[str, np.ndarray]:
        """By input, (T, *shape). ``lead``: the axes of time that ``x`` has."""
        inputs = self._engine.inputs
        if not isinstance(x, Mapping):
            if len(inputs) != 1:
                names = ", ".join(name for name, _ in inputs)
                raise InputShapeError(
                    f"the network has {len(inputs)} inputs", hint=f"give a dict of arrays with the keys {names}"
                )
            x = {inputs[0][0]: x}
        shapes = dict(inputs)
        found = {}
        for name, given in x.items():
            values = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
            if name in shapes and (values.shape[lead:] != shapes[name] or values.ndim != lead + len(shapes[name])):
                expected = ", ".join(map(str, (*["T"] * lead, *shapes[name])))
                what = "steps have" if lead else "the step has"
                raise InputShapeError(
                    f"{what} the shape {values.shape}, expected ({expected})",
                    where=f"input {name!r}",
                    hint="a stream has one sample: no batch dimension",
                )
            found[name] = values if lead else values[None]
        return found

    def _take(self, held: Mapping[str, np.ndarray], count: int) -> None:
        """Feed what is checked."""
        now = time.monotonic()
        self._began = self._began if self.offered else now
        self._engine.feed({name: values[:, None] for name, values in held.items()}, rest=self._rests)
        self._rests = False
        self._numbers.extend((self.offered + n, now) for n in range(count))
        self.offered += count

    def _come(self, *, wait: bool) -> None:
        """Take what has come; with ``wait`` something has, if anything is under way."""
        found = self._engine.come(wait=wait)
        if not found:
            return
        now, count = time.monotonic(), len(next(iter(found.values())))
        done = [self._numbers.popleft() for _ in range(count)]
        self._latencies.extend(now - then for _, then in done)
        spiking = self._engine.head.spikes
        block = Block(
            np.array([number for number, _ in done]),
            {name: values for name, values in found.items() if name in spiking},
            {name: values for name, values in found.items() if name not in spiking},
        )
        if self._spool is not None:
            self._spool.add(block)
        self._ready.append(block)

    def _taken(self) -> list[Block]:
        found = list(self._ready)
        self._ready.clear()
        return found

    def _finished(self) -> list[Block]:
        """All that is under way, waited for."""
        while self._engine.under_way:
            self._come(wait=True)
        return self._taken()

    def _steps(self, block: Block) -> Iterator[Step]:
        return block.steps(self._engine.head.scale, self._engine.head.outputs)

    def _record(self, blocks: list[Block]) -> SpikeRecord:
        head = self._engine.head

        def joined(kind: str, nothing: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {
                name: np.concatenate([empty, *(getattr(block, kind)[name][:, None] for block in blocks)])
                for name, empty in nothing.items()
            }

        spikes = {name: counts(values) for name, values in joined("spikes", head.spikes).items()}
        return replace(head, spikes=spikes, membrane=joined("membrane", head.membrane), stats=self.stats)
