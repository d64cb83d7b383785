"""A reader at a shell: types what stands in a page, block after block, in a folder of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import NUMBERS, PRINTS, ROOT, Block

HERE = Path(__file__).parent
SECONDS = 600  # of one block; far more than any takes

#: What a block leaves behind for the next one: variables, and the folder it went to.
_KEPT = 'trap \'export -p > "$READER/variables"; pwd > "$READER/folder"\' EXIT\n'
_NUMBER = re.compile(r"-?\b\d[\d,]*(\.\d+)?(e-?\d+)?\b")
_BEGIN = '[ ! -e "$READER/variables" ] || . "$READER/variables"\n' + _KEPT


class Failed(AssertionError):
    """A block that did not do what its page says."""


class Warm:
    """The process of warm.py, its socket, and a folder with the ``nirdeploy`` that asks it."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.variables, self.socket, self.bin = variables, folder / "warm", folder / "bin"
        self.bin.mkdir()
        shim = self.bin / "nirdeploy"
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {HERE / "ask.py"} "$@"\n')
        shim.chmod(0o755)
        self.process = subprocess.Popen(
            [sys.executable, "-P", HERE / "warm.py", self.socket],
            stdout=subprocess.PIPE,
            env=self.environment(),
            start_new_session=True,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == b"ready\n"

    def environment(self) -> dict[str, str]:
        """One thread each; tables of a width that does not depend on who looks."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
        path = os.pathsep.join([str(self.bin), str(Path(sys.executable).parent), os.environ["PATH"]])
        paths = {"PYTHONPATH": str(ROOT), "PATH": path}
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NIRDEPLOY_"))}
        return {
            **ours,
            **self.variables,
            **threads,
            **paths,
            "COLUMNS": "100",
            "NIRDEPLOY_PROGRESS": "off",
            "NIRDEPLOY_WARM": str(self.socket),
        }

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Reader:
    """Someone who reads one page. ``said`` is what the last block printed.

    Args:
        folder: where the page is followed.
        keeps: another folder, for what is remembered from block to block.
        environment: the variables of the shell.
        warm: lends its processes, if there is one; else ``python`` is the shell's own.
    """

    def __init__(self, folder: Path, keeps: Path, environment: dict[str, str], warm: Warm | None = None) -> None:
        self.folder, self.keeps, self.warm, self.said = folder, keeps, warm, ""
        self.environment = {**environment, "READER": str(keeps)}
        self._python: socket.socket | None = None
        self._read = 0

    def close(self) -> None:
        if self._python:
            self._python.close()

    def does(self, block: Block) -> None:
        """Run it, write it, or compare it. Raises :class:`Failed`."""
        if block.language == "text":
            if block.title in (PRINTS, NUMBERS):
                self._compare(block)
        elif block.title:
            (self._now() / block.title).parent.mkdir(parents=True, exist_ok=True)
            (self._now() / block.title).write_text(block.text)
        elif block.language == "bash":
            self._shell(block)
        elif block.language == "python":
            self.python(block.text, block.where, block.line)

    def _now(self) -> Path:
        """The folder that the page's commands have gone to."""
        kept = self.keeps / "folder"
        return Path(kept.read_text().strip()) if kept.exists() else self.folder

    def _shell(self, block: Block) -> None:
        script = self.keeps / "block.sh"
        script.write_text(_BEGIN + block.text)
        with (self.keeps / "said").open("w") as said:
            done = subprocess.Popen(
                ["bash", "-e", "-o", "pipefail", script],
                cwd=self._now(),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = done.wait(SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(done.pid, signal.SIGKILL)
                code = done.wait()
        self.said = (self.keeps / "said").read_text(errors="replace")
        if code:
            raise Failed(f"{block.where}: exit code {code}\n{block.text}\nsaid:\n{self.said}")

    def python(self, code: str, where: str, line: int = 1) -> None:
        """Run ``code`` after what the page's other Python was."""
        if self._python is None:
            self._python = self._start()
        request = {"code": "\n" * (line - 1) + code, "name": where.partition(":")[0], "folder": str(self._now())}
        with self._python.makefile("rw") as stream:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            answer = stream.readline()
        written = (self.keeps / "python").read_text(errors="replace")
        self.said, self._read = written[self._read :], len(written)
        if answer != "true\n":
            raise Failed(f"{where}: {self.said or 'Python ended'}\n{code}")

    def _start(self) -> socket.socket:
        assert self.warm
        asked = socket.socket(socket.AF_UNIX)
        asked.settimeout(SECONDS)
        asked.connect(str(self.warm.socket))
        wanted = {"do": "python", "folder": str(self._now()), "environment": self.environment}
        with (self.keeps / "python").open("w") as out, Path(os.devnull).open() as nothing:
            streams = [nothing.fileno(), out.fileno(), out.fileno()]
            socket.send_fds(asked, [json.dumps(wanted).encode()], streams)
        return asked

    def _compare(self, block: Block) -> None:
        said, wanted = self.said, block.text
        if block.title == NUMBERS:
            said, wanted = (_NUMBER.sub("#", text) for text in (said, wanted))
        if not prints(said, wanted):
            raise Failed(f"{block.where}: the page says\n{block.text}\nand what came was\n{self.said}")


def prints(said: str, wanted: str) -> bool:
    """Whether ``said`` holds the lines of ``wanted``, one after the other; ``...`` stands for anything."""
    lines = [r"[^\S\n]*".join(map(_anything, line.split())) for line in wanted.strip().splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == _anything("...") else rf"\s*{line}[^\S\n]*\n" for line in lines)
    return re.search(rf"^{pattern}", said.rstrip() + "\n", re.M) is not None


def _anything(word: str) -> str:
    return ".*?".join(map(re.escape, word.split("...")))


@contextlib.contextmanager
def reading(folder: Path, keeps: Path, warm: Warm) -> Iterator[Reader]:
    """A reader in ``folder``; whatever the page has started in Python ends with it."""
    reader = Reader(folder, keeps, warm.environment(), warm)
    try:
        yield reader
    finally:
        reader.close()


def copied(made: Path, folder: Path) -> Path:
    """A copy of the files that examples take, for one page."""
    return Path(shutil.copytree(made, folder, symlinks=True))
