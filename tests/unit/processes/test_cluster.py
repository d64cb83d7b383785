"""Addresses at which no Dask scheduler is: an error that says so, soon, and nothing is left of the try."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import distributed
import pytest

from nirdeploy.errors import ToolMissing, UsageProblem
from nirdeploy.processes import cluster
from nirdeploy.processes.work import Work

WORK = Work(lambda _, item: item, b"", "an item", str)


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """A listener that says this to whoever comes, and then nothing."""
    listeners: list[socket.socket] = []
    there: list[socket.socket] = []

    def started(said: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    came, _ = listener.accept()
                except OSError:
                    return
                there.append(came)
                came.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        return f"tcp://127.0.0.1:{listener.getsockname()[1]}"

    yield started
    for one in [*listeners, *there]:
        one.close()


def asked(address: str) -> ToolMissing:
    with pytest.raises(ToolMissing) as caught, cluster.cluster(WORK, address):
        pass
    assert caught.value.where == address
    return caught.value


@pytest.mark.parametrize(
    "said",
    [b"SSH-2.0-OpenSSH_9.0\r\n", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 4],
    ids=["ssh", "http"],
)
def test_something_else_answers(said: bytes, answering: Callable[[bytes], str]) -> None:
    began, before = time.monotonic(), set(threading.enumerate())
    error = asked(answering(said))
    assert "what answers there is no Dask scheduler (" in error.message
    assert "not its dashboard" in error.hint
    assert time.monotonic() - began < 10
    assert not [one for one in set(threading.enumerate()) - before if "serve" not in one.name]


def test_nothing_is_said_or_nobody_is_there(answering: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SECONDS", 1)
    assert asked(answering(b"")).message == "no scheduler answers"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    assert asked(free).message == "no scheduler answers"
    with pytest.raises(UsageProblem, match="is not the address of a scheduler"), cluster.cluster(WORK, "nowhere"):
        pass


def test_a_worker_is_no_scheduler() -> None:
    with distributed.LocalCluster(n_workers=1, processes=False, protocol="tcp://", dashboard_address=None) as running:
        (worker,) = running.scheduler_info["workers"]
        assert asked(worker).message == "what answers there is no Dask scheduler but a worker"
        with cluster.cluster(WORK, running.scheduler_address) as measure:
            assert list(measure([3])) == [3]
