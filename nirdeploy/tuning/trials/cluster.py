"""cluster: trials measured by the workers of a Dask scheduler, which get the job once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from nirdeploy.errors import NirdeployError, ToolMissing, UsageProblem
from nirdeploy.tuning.trials.trial import Bits, Job, Measure, Outcome, answer
from nirdeploy.tuning.trials.workers import ATTEMPTS

_SECONDS = 15  # for the scheduler to answer, and for a first worker to be there


@contextlib.contextmanager
def cluster(job: Job, address: str) -> Iterator[Measure]:
    """The workers of the scheduler at that address.

    Raises:
        ToolMissing: ``distributed`` is not installed, nobody answers, there are no workers, or they fail.
        UsageProblem: no address.
    """
    distributed = _distributed()
    _check_address(address)
    try:
        client = distributed.Client(address, timeout=_SECONDS, set_as_default=False)
    except OSError as error:
        raise ToolMissing(
            "no scheduler answers", where=address, hint="start one with 'dask scheduler', and name the address it says"
        ) from error
    with client:
        yield partial(_measure, client, job.pack())


def _check_address(address: str) -> None:
    """Before a client is made: one that cannot be leaves its threads behind."""
    from distributed.comm import addressing, registry

    try:
        scheme, place = addressing.parse_address(address, strict=True)
        registry.get_backend(scheme)
        addressing.parse_host_port(place)
    except ValueError as error:
        raise UsageProblem(f"{address!r} is not the address of a scheduler", hint="tcp://HOST:PORT") from error


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise ToolMissing(
            "Dask's package 'distributed' is not installed", hint="pip install 'nirdeploy[scale]'"
        ) from error
    return distributed


def _measure(client: Any, blob: bytes, trials: Sequence[Bits]) -> Iterator[Outcome]:
    """Trials that a worker took with it when it died are tried again, and so is all where the job went with it."""
    left = list(trials)
    for _ in range(ATTEMPTS):
        if not left:
            return
        for at, outcome in _round(client, blob, list(left)):
            left.remove(at)
            yield outcome
    if left:
        raise ToolMissing(
            f"the workers ended {ATTEMPTS} times while they measured a trial",
            where=", ".join(f"{name}={own}" for name, own in left[0].items()),
            hint="if they have not memory enough, take fewer samples, or workers with more",
        )


def _round(client: Any, blob: bytes, trials: Sequence[Bits]) -> Iterator[tuple[Bits, Outcome]]:
    """Each trial once, but for those that are lost."""
    distributed = _distributed()
    try:
        client.wait_for_workers(1, timeout=_SECONDS)
        given = client.scatter(blob, broadcast=True, hash=False)
        asked = {client.submit(_on_worker, given, dict(bits), pure=False): bits for bits in trials}
        for future in distributed.as_completed(asked, loop=client.loop):
            if future.status == "finished":
                found = future.result()
                if isinstance(found, NirdeployError):
                    raise found
                yield asked[future], found
            elif future.status == "error":
                _told(future.exception(), distributed.KilledWorker)
    except (OSError, TimeoutError) as error:
        raise ToolMissing(
            f"the scheduler has no workers, or has gone ({type(error).__name__})",
            where=str(client.scheduler.address),
            hint="start some with 'dask worker' and the scheduler's address",
        ) from error


def _told(error: BaseException, lost: type[BaseException]) -> None:
    """A trial that ended with a worker, or for want of data that did, is tried again; anything else is told."""
    if not isinstance(error, lost):
        raise ToolMissing(
            f"a worker could not measure a trial: {type(error).__name__}: {error}",
            hint="install the same nirdeploy on every worker",
        ) from error


def _on_worker(blob: bytes, bits: Bits) -> Outcome | NirdeployError:
    """As processes of this machine do it: with one thread for its sums."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(1)  # of the process, for good: other trials may run beside this one
    return answer(blob, bits)
