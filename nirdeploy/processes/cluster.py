"""cluster: work done by the workers of a Dask scheduler, which get the blob once."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from nirdeploy.errors import NirdeployError, ToolMissing, UsageProblem
from nirdeploy.processes.work import ATTEMPTS, OF_A_BOARD, Measure, Work

_SECONDS = 15  # for the scheduler to answer, and for a first worker to be there
_LOOK_S = 2  # between two looks at who is still there: workers, and on a worker who waits for what it does


@contextlib.contextmanager
def cluster(work: Work, address: str) -> Iterator[Measure]:
    """The workers of the scheduler at that address.

    Raises:
        ToolMissing: ``distributed`` is not installed, nobody answers or what does is no scheduler, there are no
            workers, or they fail.
        UsageProblem: no address.
    """
    distributed = installed()
    check_address(address)
    check_scheduler(address)
    try:
        client = distributed.Client(address, timeout=_SECONDS, set_as_default=False)
    except Exception as error:
        raise _silent(address) from error
    with client:
        try:
            yield _Cluster(client, work).measure
        finally:
            if work.after is not None:
                with contextlib.suppress(Exception):  # workers that have gone; others forget it when they end
                    client.run(work.after, on_error="ignore")


def check_address(address: str) -> None:
    """Before a client is made: one that cannot be leaves its threads behind. Raises :class:`UsageProblem`."""
    from distributed.comm import addressing, registry

    try:
        scheme, place = addressing.parse_address(address, strict=True)
        registry.get_backend(scheme)
        addressing.parse_host_port(place)
    except ValueError as error:
        raise UsageProblem(f"{address!r} is not the address of a scheduler", hint="tcp://HOST:PORT") from error


def check_scheduler(address: str) -> None:
    """Before a client is made: one that meets anything else tries on, and leaves its threads and warnings behind.

    Raises :class:`ToolMissing`.
    """
    try:
        with ThreadPoolExecutor(1) as apart:  # a notebook's thread has a loop that runs
            said = apart.submit(lambda: asyncio.run(asyncio.wait_for(_identity(address), _SECONDS))).result()
    except OSError as error:  # TimeoutError is one
        raise _silent(address) from error
    except Exception as error:  # what it said was taken for lengths, versions, messages
        raise _no_scheduler(address, f"({type(error).__name__})") from error
    if said.get("type") != "Scheduler":
        raise _no_scheduler(address, f"but a {str(said.get('type')).lower()}")


async def _identity(address: str) -> Mapping[str, Any]:
    """What answers there says that it is. Raises whatever comes of an answer that is none of Dask's."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=_SECONDS, **Security().get_connection_args("client"))
    try:
        await comm.write({"op": "identity", "reply": True})
        said: Mapping[str, Any] = dict(await comm.read())
        return said
    finally:
        comm.abort()


def _silent(address: str) -> ToolMissing:
    return ToolMissing(
        "no scheduler answers", where=address, hint="start one with 'dask scheduler', and name the address it says"
    )


def _no_scheduler(address: str, what: str) -> ToolMissing:
    return ToolMissing(
        f"what answers there is no Dask scheduler {what}",
        where=address,
        hint="name the address that 'dask scheduler' says as 'Scheduler at', not its dashboard's",
    )


def installed() -> Any:
    """The package ``distributed``. Raises :class:`ToolMissing`."""
    try:
        import distributed
    except ImportError as error:
        raise ToolMissing(
            "Dask's package 'distributed' is not installed", hint="pip install 'nirdeploy[scale]'"
        ) from error
    return distributed


@dataclass
class _Asked:
    """``tries``: how often it was lost with a worker."""

    item: Any
    tries: int = 0


class _Cluster:
    """Items that a worker took with it when it died are tried again, and so are all where the blob went with it."""

    def __init__(self, client: Any, work: Work) -> None:
        self._client, self._work, self._given = client, work, None
        self._going: dict[Any, _Asked] = {}
        self._left: deque[_Asked] = deque()

    def measure(self, items: Iterable[Any]) -> Iterator[Any]:
        coming, seen = map(_Asked, items), time.monotonic()
        try:
            while True:
                if not self._left:
                    self._left.extend(islice(coming, 1))
                if not (self._left or self._going):
                    return
                if slots := self._slots():
                    seen = time.monotonic()
                    self._left.extend(islice(coming, max(2 * slots - len(self._going) - len(self._left), 0)))
                    self._ask()
                elif time.monotonic() - seen > _SECONDS:
                    raise self._gone()
                for asked, future in self._come():
                    yield from self._taken(asked, future)
        except (OSError, TimeoutError) as error:
            raise self._gone(f" ({type(error).__name__})") from error
        finally:
            self._client.cancel(list(self._going))
            self._going.clear()

    def _slots(self) -> int:
        """How many items the workers that are there do at once."""
        return sum(_slots(worker, self._work.needs) for worker in self._workers().values())

    def _workers(self) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]] = self._client.scheduler_info(n_workers=-1)["workers"]
        return found

    def _ask(self) -> None:
        if self._given is None or self._given.status != "finished":  # lost with the last worker that had it
            self._given = self._client.scatter(self._work.blob, broadcast=True, hash=False, timeout=_SECONDS)
        needs = dict(self._work.needs) or None
        while self._left:
            asked = self._left.popleft()
            future = self._client.submit(
                _on_worker, self._work.answer, self._given, asked.item, pure=False, resources=needs
            )
            self._going[future] = asked

    def _come(self) -> list[tuple[_Asked, Any]]:
        """Items that came to an end, whatever that is; after a while none."""
        if not self._going:
            time.sleep(0.1)
            return []
        lost = installed().client.FuturesCancelledError
        with contextlib.suppress(TimeoutError, lost), self._client.as_current():
            installed().wait(list(self._going), timeout=_LOOK_S, return_when="FIRST_COMPLETED")
        ended = [future for future in self._going if future.status != "pending"]
        return [(self._going.pop(future), future) for future in ended]

    def _taken(self, asked: _Asked, future: Any) -> Iterator[Any]:
        """What came of an item, if that is a result. Raises what it cannot be done for."""
        if future.status == "finished":
            where, found = future.result()
            if not isinstance(found, NirdeployError):
                yield found
                return
            if not (self._work.needs and isinstance(found, OF_A_BOARD)):
                raise found
            self._without(where)
            if not self._slots():
                raise found
        else:
            if future.status == "error":
                _told(future.exception(), self._work.noun)
            asked.tries += 1
        if asked.tries >= ATTEMPTS:
            raise ToolMissing(
                f"the workers ended {ATTEMPTS} times while they measured {self._work.noun}",
                where=self._work.name(asked.item),
                hint="if they have not memory enough, take fewer samples, or workers with more",
            )
        self._left.append(asked)

    def _without(self, where: str) -> None:
        """A worker has lost what is needed: it gets no more of it to do, and what it was given is asked again."""
        if where in self._workers():
            self._client.run(_set_resources, dict.fromkeys(self._work.needs, 0.0), workers=[where], on_error="ignore")
        given = set(self._client.processing([where]).get(where, ()))
        for future in [future for future in self._going if future.key in given]:
            self._left.append(self._going.pop(future))
            future.cancel()

    def _gone(self, why: str = "") -> ToolMissing:
        where = str(self._client.scheduler.address) if self._client.scheduler else ""
        if self._work.needs:
            return ToolMissing(
                f"no worker of the scheduler has a {' and a '.join(self._work.needs)}{why}",
                where=where,
                hint=f"start one beside each: nirdeploy worker {where} -p PORT",
            )
        return ToolMissing(
            f"the scheduler has no workers, or has gone{why}",
            where=where,
            hint="start some with 'dask worker' and the scheduler's address",
        )


def _slots(worker: Mapping[str, Any], needs: Mapping[str, float]) -> int:
    if not needs:
        return int(worker["nthreads"])
    return int(min(worker["resources"].get(name, 0) // many for name, many in needs.items()))


async def _set_resources(resources: Mapping[str, float], dask_worker: Any = None) -> None:
    """On a worker: it has so many of these from now on."""
    await dask_worker.set_resources(**resources)


def _told(error: BaseException, noun: str) -> None:
    """An item that ended with a worker, or for want of data that did, is tried again; anything else is told."""
    if not isinstance(error, installed().KilledWorker):
        raise ToolMissing(
            f"a worker could not measure {noun}: {type(error).__name__}: {error}",
            hint="install the same nirdeploy on every worker",
        ) from error


class _Unwanted(BaseException):
    """Nobody waits any more for what is done: no Exception, which work may take for its own."""


def _on_worker(answer: Any, blob: bytes, item: Any) -> tuple[str, Any]:
    """As processes of this machine do it: with one thread for its sums. Whose it was, and what came of it."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(1)  # of the process, for good: other items may be done beside this one
    where = str(installed().get_worker().address)
    try:
        with _while_wanted():
            return where, answer(blob, item)
    except _Unwanted:
        return where, None  # to nobody


@contextlib.contextmanager
def _while_wanted() -> Iterator[None]:
    """On a worker: raises :class:`_Unwanted` inside, wherever its Python is, once the client has gone or cancelled it.

    Dask ends nothing that runs: what others gave this worker would wait for it, unseen by the scheduler.
    """
    worker, thread = installed().get_worker(), threading.get_ident()
    key, over, ending = worker.get_current_task(), threading.Event(), threading.Lock()

    def look() -> None:
        while not over.wait(_LOOK_S):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                with ending:
                    if not over.is_set():
                        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Unwanted))
                return

    threading.Thread(target=look, name="wanted", daemon=True).start()
    try:
        yield
    finally:
        with ending:  # and from here on nothing is raised
            over.set()
