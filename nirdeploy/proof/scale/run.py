"""run: all chunks of a data set judged, by whom there is, and put together in the order of the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, Unpack

from nirdeploy.errors import InputShapeError, UsageProblem
from nirdeploy.processes.doing import check_workers, measuring
from nirdeploy.proof.scale.chunk import SIM, Asked, Chunk, Job
from nirdeploy.proof.scale.kept import Kept, part_of
from nirdeploy.proof.scale.parts import Built
from nirdeploy.proof.scale.stored import Part
from nirdeploy.records.samples import Samples
from nirdeploy.targets.tables import Target

VIRTUAL = "virtual"
_CHUNKS = 32  # a data set has so many and a few more, if they are not too large
_SAMPLES = 8  # or fewer, if a chunk had fewer samples than that
_NUMBERS = 1 << 24  # of the network that a chunk holds at most: steps x samples x neurons


@dataclass(frozen=True)
class How:
    """Who judges, and how.

    ``scheduler``: address of a Dask scheduler; else so many ``workers`` of this machine. ``chunk``: samples of one, by
    default by what they are. ``keep``: folder of what chunks came to, where a run that was cut off goes on.
    ``on_chunk``: called with how many are done, of how many.
    """

    scheduler: str | None = None
    workers: int | None = None
    chunk: int | None = None
    keep: Path | None = None
    on_chunk: Callable[[int, int], None] | None = None

    @classmethod
    def of(cls, **who: Unpack[Who]) -> How:
        """Raises :class:`UsageProblem`."""
        keep, chunk = who.get("keep"), who.get("chunk")
        check_workers(who.get("scheduler"), who.get("workers"))
        if chunk is not None and chunk < 1:
            raise UsageProblem(f"a chunk of {chunk} samples holds nothing", hint="1 at least")
        folder = None if keep is None else Path(keep)
        return cls(who.get("scheduler"), who.get("workers"), chunk, folder, who.get("on_chunk"))


class Who(TypedDict, total=False):
    """The fields of :class:`How`, as functions take them."""

    scheduler: str | None
    workers: int | None
    chunk: int | None
    keep: Path | str | None
    on_chunk: Callable[[int, int], None] | None


def port_of(port: str | None, target: Target, how: How) -> tuple[str | None, How]:
    """The port that every worker opens, None: each its own board; and ``how`` with as many workers as that allows.

    Raises :class:`UsageProblem`.
    """
    everywhere = port == SIM or (port or "").endswith(VIRTUAL)
    if how.scheduler is not None:
        if port is None:
            return (None if target.board else SIM), how
        if not everywhere:
            raise UsageProblem(
                f"port {port} is one of a single machine, and the scheduler's workers may be on others",
                hint=f"name none, and start a worker beside each board: nirdeploy worker {how.scheduler} -p PORT",
            )
        return port, how
    if port is None:
        return (VIRTUAL if target.board else SIM), how
    if not everywhere and how.workers is None:
        return port, replace(how, workers=1)
    if not everywhere and how.workers != 1:
        raise UsageProblem(
            f"port {port} is one board, which one worker holds",
            hint="--workers 1; several boards are shared by a Dask scheduler: nirdeploy worker SCHEDULER -p PORT",
        )
    return port, how


def judge(built: Built, samples: Samples, asked: Asked, how: How, looked: int = 0) -> list[Part]:
    """What each chunk came to, in the order of the samples.

    Args:
        looked: of so many of the first samples, what they exercised is looked for.

    Raises: as simulators and devices do; ToolMissing: the workers. InputShapeError: there are no samples.
    """
    if not samples.count or not samples.steps:
        raise InputShapeError("the stimulus is empty", hint="give it a sample and a step")
    job, size = Job(built, asked), how.chunk or chunk_size(built, samples)
    kept, parts = Kept(how.keep, job.digest()), dict[int, Part]()
    total, places = -(-samples.count // size), dict[int, Path | None]()

    def done(first: int, part: Part) -> None:
        parts[first] = part
        if how.on_chunk:
            how.on_chunk(len(parts), total)

    def missing() -> Iterator[Chunk]:
        for first in range(0, samples.count, size):
            chunk = _read(samples, first, min(first + size, samples.count), looked)
            places[first] = kept.place(chunk)
            found = kept.get(places[first])
            if found is None:
                yield chunk
            else:
                done(first, found)

    with measuring(job.work, how.scheduler, how.workers) as measure:
        for first, blob in measure(missing()):
            kept.put(places[first], blob)
            done(first, part_of(blob))
    return [parts[first] for first in sorted(parts)]


def chunk_size(built: Built, samples: Samples) -> int:
    """How many samples a chunk has: by what is judged alone, and not by who does it."""
    neurons = samples.size // samples.steps + sum(p.size for p in built.network.populations)
    return max(1, min(max(_SAMPLES, -(-samples.count // _CHUNKS)), _NUMBERS // (samples.steps * neurons)))


def _read(samples: Samples, first: int, last: int, looked: int) -> Chunk:
    labels = None if samples.labels is None else samples.labels[first:last]
    return Chunk(first, samples.read(first, last), labels, max(0, min(looked - first, last - first)))
