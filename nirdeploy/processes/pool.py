"""pool: work done by processes on this machine. Started as a process, this module is one of them.

Whatever their number, each computes with one thread: how a sum is cut up among threads can change its last digits.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from nirdeploy import processes
from nirdeploy.errors import NirdeployError, ToolMissing
from nirdeploy.processes.work import ATTEMPTS, Measure, Work

#: Of a process' environment.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextlib.contextmanager
def local(work: Work, count: int) -> Iterator[Measure]:
    """So many processes, which end with the context."""
    workers = [_Worker(work) for _ in range(count)]
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def measured(item: Any) -> Any:
        worker = idle.get()
        try:
            return worker.measure(item)
        finally:
            idle.put(worker)

    def measure(items: Iterable[Any]) -> Iterator[Any]:
        coming, going = iter(items), set[Future[Any]]()
        try:
            while True:
                going |= {pool.submit(measured, item) for item in itertools.islice(coming, 2 * count - len(going))}
                if not going:
                    return
                done, going = wait(going, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in going:
                future.cancel()

    with ThreadPoolExecutor(count) as pool:
        try:
            yield measure
        finally:
            for worker in workers:
                worker.close()


class _Worker:
    """A process that is started when there is something to do, and again if it dies."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._starting = threading.Lock()

    def measure(self, item: Any) -> Any:
        """Raises what keeps items from being done; :class:`ToolMissing` where the process dies each time."""
        for _ in range(ATTEMPTS):
            try:
                answered = self._ask(item)
            except (EOFError, BrokenPipeError, pickle.UnpicklingError):
                code = self._end()
                continue
            if isinstance(answered, NirdeployError):
                raise answered
            return answered
        raise ToolMissing(
            f"a worker's process ended {ATTEMPTS} times while it measured {self._work.noun}, with {code} at last",
            where=self._work.name(item),
            hint="if there is not memory enough, take fewer workers (--workers 1) or fewer samples",
        )

    def _ask(self, item: Any) -> Any:
        if self._process is None:
            self._start()
            self._send((self._work.answer, self._work.blob))
        self._send(item)
        assert self._process is not None
        received: Any = self._process.stdout
        return pickle.load(received)

    def _start(self) -> None:
        with self._starting:
            if self._closed:
                raise EOFError
            self._process = subprocess.Popen(
                processes.command("-m", "nirdeploy.processes.pool"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=processes.environment(ONE_THREAD),
            )

    def _send(self, what: object) -> None:
        assert self._process is not None
        given: Any = self._process.stdin
        pickle.dump(what, given)
        given.flush()

    def _end(self) -> int | None:
        """The process' exit code, once it has ended."""
        if self._process is None:
            return None
        process, self._process = self._process, None
        process.kill()
        with contextlib.suppress(BrokenPipeError):  # of what was not sent to the end
            process.communicate()
        return process.returncode

    def close(self) -> None:
        """End the process, whatever it does, and start none again. It has ended when this returns."""
        with self._starting:
            self._closed = True
            process = self._process
        if process is not None:
            process.kill()
            process.wait()


def _main() -> None:
    """Reads what is to be done and then items from stdin, and writes what came of each to stdout, until there are no
    more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of the terminal; who started this ends it
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints must not be taken for an answer
    with contextlib.suppress(EOFError, BrokenPipeError):  # who started this has gone
        answer, blob = pickle.load(sys.stdin.buffer)
        while True:
            pickle.dump(answer(blob, pickle.load(sys.stdin.buffer)), answers)
            answers.flush()


if __name__ == "__main__":
    _main()
