"""What a command imports before it does anything: nobody waits for what it does not need."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

#: What takes a good part of a second to import, or more.
HEAVY = {"torch", "numba", "scipy", "sklearn", "h5py", "nir", "numpy", "pydantic", "rich", "jinja2", "matplotlib"}

#: A command line, and what it may import of these.
MAY = {
    "--help": set[str](),
    "--version": set[str](),
    "bild": set[str](),
    "export --help": set[str](),
    "verify --help": set[str](),
    "targets": HEAVY - {"torch", "numba", "scipy", "sklearn", "jinja2", "matplotlib"},
    "board list": HEAVY - {"torch", "numba", "scipy", "sklearn", "jinja2", "matplotlib"},
    "doctor": HEAVY - {"torch", "numba", "scipy", "sklearn", "matplotlib"},
    "check nowhere.nir": HEAVY - {"torch", "numba", "scipy", "sklearn", "matplotlib"},
    "export nowhere.py:net --input-shape 1,4 -o x.nir --from snntoch": {"numpy"},
}


@pytest.mark.parametrize("line", MAY)
def test_a_command_imports_no_more_than_it_needs(line: str) -> None:
    assert imported(f"import sys; from nirdeploy.cli import main; sys.argv[1:] = {line.split()!r}") <= MAY[line]


def test_the_package_alone_imports_nothing() -> None:
    assert imported("import nirdeploy, nirdeploy.exchange, nirdeploy.exchange.frontends", runs=False) == set()


@pytest.mark.parametrize("package", ["nirdeploy", "nirdeploy.exchange"])
def test_names_are_complete_though_they_are_lazy(package: str) -> None:
    """For tab completion, ``import *`` and whoever looks one up."""
    one = importlib.import_module(package)
    assert set(one.__all__) <= set(dir(one))
    assert all(getattr(one, name) is not None for name in one.__all__)


def imported(code: str, runs: bool = True) -> set[str]:
    """What a fresh Python imports of :data:`HEAVY`."""
    ran = (
        "\nimport contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()), "
        "contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit): main()"
        if runs
        else ""
    )
    line = f"{code}{ran}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", line], capture_output=True, text=True, check=True)
    return HEAVY & {name.partition(".")[0] for name in done.stdout.split()}
