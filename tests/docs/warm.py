"""A Python that has imported what nirdeploy needs, and forks a process for each command or page that asks.

    python warm.py SOCKET

A command line of nirdeploy takes a second to import what it needs, and the pages have a hundred of them. What comes is
a line of JSON, and beside it the three standard streams of whoever asks: ``{"do": "nirdeploy", "arguments", "folder",
"environment"}`` is answered by the exit code; ``{"do": "python"}`` by a process that keeps its names and answers every
``{"code", "name", "folder"}`` by whether it ran.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

IMPORTED = ("torch", "sklearn.datasets", "snntorch", "nirdeploy.pipeline", "nirdeploy.exchange.modules")


def main(path: str) -> None:
    import nirdeploy
    from nirdeploy.cli import entry

    for name in (*IMPORTED, *(f"nirdeploy.cli.{name}_" for name in entry._COMMANDS)):
        importlib.import_module(name)
    for name in nirdeploy.__all__:
        getattr(nirdeploy, name)
    signal.signal(signal.SIGCHLD, _ended)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            asked, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _serve(asked)
            asked.close()


def _ended(*_: object) -> None:
    """Those that have ended are gone, and the time they took counts as this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _serve(asked: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, streams, _, _ = socket.recv_fds(asked, 1 << 20, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    wanted = json.loads(said)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["folder"])
    if wanted["do"] == "nirdeploy":
        asked.sendall(b"%d" % _command(wanted["arguments"]))
    else:
        _python(asked)
    os._exit(0)


def _command(arguments: list[str]) -> int:
    from nirdeploy.cli import main as nirdeploy

    sys.argv = ["nirdeploy", *arguments]
    try:
        nirdeploy(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _python(asked: socket.socket) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    sys.argv = [""]
    sys.path.insert(0, "")
    with asked.makefile("rw") as stream:
        for line in stream:
            block = json.loads(line)
            os.chdir(block["folder"])
            try:
                exec(compile(block["code"], block["name"], "exec", dont_inherit=True), names)
                ran = True
            except BaseException:  # noqa: BLE001 - whatever a block does is told, and the page ends
                traceback.print_exc()
                ran = False
            sys.stdout.flush()
            sys.stderr.flush()
            stream.write(json.dumps(ran) + "\n")
            stream.flush()


if __name__ == "__main__":
    Path(sys.argv[1]).unlink(missing_ok=True)
    main(sys.argv[1])
