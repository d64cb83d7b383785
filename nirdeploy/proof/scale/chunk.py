"""chunk: some samples of a data set, judged: a function of the job and the samples, and of nothing else."""

from __future__ import annotations

import functools
import json
import pickle
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nirdeploy.device.client import Device
from nirdeploy.device.run import run, tally
from nirdeploy.errors import InternalError, NirdeployError, ToolMissing
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.processes.work import Work
from nirdeploy.proof.scale import stored
from nirdeploy.proof.scale.boards import on_board, release
from nirdeploy.proof.scale.parts import Built, Evaluated, Verified, evaluated, verified
from nirdeploy.records import manifest, store
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import Tally
from nirdeploy.sim.simulate import simulate
from nirdeploy.targets import registry
from nirdeploy.targets.image import Image
from nirdeploy.targets.tables import Target

SIM = "sim"
VERIFY, EVALUATE = "verify", "evaluate"
#: What workers have that hold a board.
BOARD = "board"


@dataclass(frozen=True)
class Asked:
    """What is asked of every chunk. ``port``: None: the board of whoever judges it."""

    what: str
    port: str | None
    baud: int | None = None
    probe: str | tuple[str, ...] = "all"
    allow_silent: bool = False
    bits: int | None = None
    reader: str | None = None
    output: str | None = None
    tally: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """Samples from ``first`` on, by input; of the first ``looked`` of them, what they exercised is looked for."""

    first: int
    x: Any
    labels: np.ndarray | None
    looked: int = 0

    @property
    def samples(self) -> int:
        one = next(iter(self.x.values())) if isinstance(self.x, Mapping) else self.x
        return int(one.shape[1])

    def digest(self) -> str:
        """Of what the samples are, wherever they stand."""
        x = self.x if isinstance(self.x, Mapping) else {"": self.x}
        arrays = {f"x/{name}": values for name, values in x.items()}
        return store.digest(
            {"looked": self.looked}, arrays if self.labels is None else {**arrays, "labels": self.labels}
        )

    def __str__(self) -> str:
        return f"samples {self.first:,} to {self.first + self.samples - 1:,}"


@dataclass(frozen=True)
class Held:
    """A build as far as a chunk needs it."""

    graph: CheckedGraph
    network: IntegerNetwork
    image: Image
    target: Target


@dataclass(frozen=True)
class Job:
    built: Built
    asked: Asked

    def digest(self) -> str:
        """Of everything that decides what a chunk comes to, but for the chunk."""
        target = self.built.target.model_dump(mode="json", by_alias=True, exclude={"home"})
        products = {name: getattr(self.built, name).digest() for name in _PRODUCTS}
        return store.digest(
            {"target": target, **products, "asked": asdict(self.asked), "versions": manifest.deciding()}, {}
        )

    @property
    def work(self) -> Work:
        """The job as processes and machines do it, chunk by chunk."""
        needs = {} if self.asked.port is not None else {BOARD: 1.0}
        return Work(answer, self.pack(), "a chunk", str, needs, after=release)

    def pack(self) -> bytes:
        """The job for :func:`answer`."""
        target = self.built.target.model_dump_json(by_alias=True)
        products = {name: _packed(getattr(self.built, name)) for name in _PRODUCTS}
        return pickle.dumps((target, products, self.asked, manifest.deciding()))


_PRODUCTS: dict[str, Any] = {"graph": CheckedGraph, "network": IntegerNetwork, "image": Image}


def _packed(product: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "product"
        product.save(path)
        return path.read_bytes()


@functools.lru_cache(maxsize=1)
def _job(blob: bytes) -> Job:
    """Kept from chunk to chunk, with what simulators make of its networks."""
    target, products, asked, versions = pickle.loads(blob)
    manifest.check_deciding(versions)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, kind in _PRODUCTS.items():
            path = Path(folder) / name
            path.write_bytes(products[name])
            found[name] = kind.load(path)
    return Job(Held(**found, target=registry.validate(json.loads(target), where="a job")), asked)


def answer(blob: bytes, chunk: Chunk) -> tuple[int, bytes] | NirdeployError:
    """The chunk's first sample and what it came to, packed, wherever it is judged; or what keeps it from being so."""
    try:
        part = judged(_job(blob), chunk)
        return chunk.first, store.pack(*stored.parts(part))
    except NirdeployError as error:
        error.where = f"{_of_all(error.where, chunk)}{', ' if error.where else ''}{chunk}"
        error.message, error.hint = _of_all(error.message, chunk), _of_all(error.hint, chunk)
        return error
    except MemoryError:
        return ToolMissing("there is not memory enough for a chunk", hint="take fewer workers, or smaller chunks")
    except Exception as error:  # noqa: BLE001 - the boundary of another process: nothing else leaves it
        return InternalError(f"this is a bug in nirdeploy: {type(error).__name__}: {error}", where=str(chunk))


def _of_all(text: str, chunk: Chunk) -> str:
    """A text in which samples of a chunk have the numbers that they have in the data set."""
    return re.sub(r"\bsample (\d+)\b", lambda found: f"sample {chunk.first + int(found[1])}", text)


def judged(job: Job, chunk: Chunk) -> Verified | Evaluated:
    """Raises as simulators and devices do."""
    built, asked = job.built, job.asked
    measured = _measured(built, asked)
    if asked.what == EVALUATE:
        assert chunk.labels is not None
        return evaluated(built, chunk.x, chunk.labels, measured, asked.reader, asked.output)
    return verified(
        built,
        chunk.x,
        chunk.labels,
        None if asked.port == SIM else measured,
        _probe(asked),
        allow_silent=asked.allow_silent,
        looked=chunk.looked,
        bits=asked.bits,
    )


def _probe(asked: Asked) -> str | list[str]:
    return asked.probe if isinstance(asked.probe, str) else list(asked.probe)


def _measured(built: Built, asked: Asked) -> Callable[[Any], Any]:
    """What runs samples on the device, or on the integers in its place."""

    def on_device(x: Any) -> SpikeRecord | Tally:
        def do(device: Device) -> SpikeRecord | Tally:
            if asked.tally:
                return tally(device, x, asked.tally, _probe(asked), image=built.image)
            return run(device, x, _probe(asked), image=built.image)

        return on_board(asked.port, built.target, asked.baud, built.image, do)

    def on_integers(x: Any) -> SpikeRecord | Tally:
        record = replace(simulate(built.network, x, _probe(asked)), source="port sim")
        return Tally.of(record, asked.tally) if asked.tally else record

    return on_integers if asked.port == SIM else on_device
