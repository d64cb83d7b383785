"""All products are the same bytes wherever, when and as whom they are made, from a wheel and from a checkout."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import nir
import numpy as np
import pytest

from nirdeploy.graph import file as nirfile
from tests import networks
from tests.contract.conftest import ROOT, clean_environment

TARGETS = ("fpga",)

#: Run in an empty folder beside which lie net.nir and x.npz: everything that is made of them, by the command line.
CODE = """
import os, sys
os.umask(int(sys.argv[1], 8))
from nirdeploy.cli import main
for target in sys.argv[2:]:
    build, record = f"build-{target}", f"{target}.nird"
    for line in (
        ("build", "../net.nir", "-t", target, "-o", build),
        ("simulate", build, "../x.npz", "-o", record),
        ("verify", build, "-x", "../x.npz", "-p", "sim", "--html", f"{target}.html", "--junit", f"{target}.xml"),
        ("evaluate", build, "-x", "../x.npz", "-p", "sim", "--json"),
    ):
        try:
            main(line)
        except SystemExit as stop:
            assert stop.code in (0, 1), (line, stop.code)
"""

#: Folder, time zone, locale, seed of hashes, umask, and whether it is the wheel's.
SURROUNDINGS = [
    ("plain", "UTC", "C.UTF-8", "0", "022", False),
    ("a folder", "Asia/Tokyo", "C", "1", "022", False),
    ("plain", "America/St_Johns", "POSIX", "2", "077", False),
    ("größe", "UTC", "de_DE.UTF-8", "3", "002", False),
    ("plain", "Asia/Tokyo", "C.UTF-8", "random", "027", True),
    ("a folder", "UTC", "tr_TR.UTF-8", "4", "077", True),
    ("größe", "Pacific/Kiritimati", "C.UTF-8", "5", "000", True),
    ("deep/er/still", "Europe/Berlin", "C", "6", "022", True),
]


@pytest.fixture(scope="module")
def digests(python: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Of every file, and of what is said, by surroundings."""
    found = []
    for folder, zone, locale, seed, umask, installed in SURROUNDINGS:
        own = tmp_path_factory.mktemp("here") / folder / "made"
        own.mkdir(parents=True)
        _given(own.parent)
        environment = {**clean_environment(), "TZ": zone, "LC_ALL": locale, "LANG": locale, "PYTHONHASHSEED": seed}
        if not installed:
            environment["PYTHONPATH"] = str(ROOT)
        command = [str(python if installed else sys.executable), "-P", "-c", CODE, umask, *TARGETS]
        done = subprocess.run(command, cwd=own, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        files = {path.relative_to(own).as_posix(): path.read_bytes() for path in own.rglob("*") if path.is_file()}
        found.append({name: hashlib.sha256(held).hexdigest() for name, held in (files | {"": done.stdout}).items()})
    return found


def _given(folder: Path) -> None:
    graph: nir.NIRGraph = networks.two_layers(sizes=(12, 10, 4))
    nirfile.write(folder / "net.nir", graph)
    np.savez(folder / "x.npz", x=networks.spikes(1, (6, 5, 12), 0.5), labels=np.arange(5) % 4)


def test_eight_surroundings_make_the_same(digests: list[dict[str, str]]) -> None:
    assert len(digests) == 8
    first = digests[0]
    assert {f"build-{target}/manifest.json" for target in TARGETS} < first.keys()
    assert len(first) > 8
    for surroundings, own in zip(SURROUNDINGS, digests, strict=True):
        differ = sorted(name for name in first.keys() | own.keys() if first.get(name) != own.get(name))
        assert not differ, json.dumps([surroundings, differ])
