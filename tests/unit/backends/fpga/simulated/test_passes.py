"""Passes on the virtual board: the RTL behind its UART plays what does not fit it, bit for bit."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy import processes
from nirdeploy.cli.watch import VARIABLE
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.graph.precision import with_bits
from nirdeploy.records.trains import JOURNAL
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Maximum
from tests import hardware, networks

pytestmark = pytest.mark.xdist_group("board")


def maps() -> CheckedGraph:
    """A map of more neurons than there are; one whose kernels are deeper than the weight memory, behind it a maximum;
    and a matrix."""
    rng = np.random.default_rng(0)
    shapes = {"in": (3, 12, 12), "a": (64, 12, 12), "b": (12, 5, 6), "c": (7,)}
    values = {"tau": 5e-3, "r": 6.0, "v_leak": 0.0, "v_threshold": 0.6, "v_reset": 0.0}
    deep = Convolution(rng.normal(0, 1, (12, 64, 3, 3)) / 9, (64, 12, 12), padding=((0, 0), (1, 1)))
    return CheckedGraph(
        tuple(
            Population(name, "LIF", shape, {key: np.full(shape, v) for key, v in values.items()}, np.zeros(shape))
            if name != "in"
            else Population(name, "Input", shape, {}, np.zeros(shape))
            for name, shape in shapes.items()
        ),
        (
            Projection(
                "in", "a", Convolution(rng.normal(0.1, 1, (64, 3, 3, 3)) / 5, (3, 12, 12), padding=((1, 1), (1, 1)))
            ),
            Projection("a", "b", deep, maximum=Maximum((12, 10, 12), (2, 2), (2, 2))),
            Projection("b", "c", Dense(rng.normal(0.05, 1, (7, 360)) / 19), delay=2),
        ),
        *(("in",), {"output": "c"}, Dialect(dt=1e-3), "argument"),
    )


def test_a_network_of_any_size_on_a_small_board() -> None:
    target = hardware.small_device()
    for graph, x in (
        (check(networks.looped(networks.two_layers(sizes=(1300, 30, 200)))), networks.spikes(1, (5, 3, 1300))),
        (maps(), networks.spikes(2, (4, 2, 3, 12, 12))),
        (with_bits(maps(), {"a": 2, "b": 4}), networks.spikes(3, (4, 2, 3, 12, 12))),
    ):
        built = nd.build(graph, target)
        assert len(built.image.passes) > 2
        with nd.open_device("virtual", target) as device:
            nd.flash(built, device)
            measured = nd.run(device, x)
        verdict = nd.verify(nd.simulate(built, x), measured)
        assert verdict.equal, verdict.summary()
        assert verdict.cells == x.shape[0] * x.shape[1] * sum(p.size for p in built.network.populations)
        assert not verdict.silent


def shell(*arguments: object, stderr: int = subprocess.PIPE, **variables: str) -> subprocess.Popen[str]:
    """The command line in a process of its own, these variables in its environment."""
    line, own = processes.command("-m", "nirdeploy", *map(str, arguments)), processes.environment(variables)
    return subprocess.Popen(line, env=own, stdout=subprocess.PIPE, stderr=stderr, text=True)


def killed_in_pass(number: int, *arguments: object) -> int:
    """The command at a terminal, killed while it plays that pass, or one after it; how many there are."""
    terminal, its_end = pty.openpty()
    command = shell(*arguments, stderr=its_end, **{VARIABLE: ""})
    os.close(its_end)
    shown, passes = b"", (0, 0)
    while passes[0] < number:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # its end of the terminal is closed
            pytest.fail(f"it ended before it was killed, having shown {shown.decode()!r}")
        found = re.findall(rb"pass (\d+) of (\d+)", shown)
        passes = max(((int(one), int(all_)) for one, all_ in found), default=passes)
    command.kill()
    assert command.communicate()[0] == ""
    os.close(terminal)
    assert command.returncode == -signal.SIGKILL
    return passes[1]


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    graph = check(networks.two_layers(sizes=(1300, 30, 200)))
    built, x = nd.build(graph, hardware.small_device(), tmp_path / "b"), networks.spikes(1, (20, 3, 1300))
    np.save(tmp_path / "x.npy", x)
    out, store = tmp_path / "r.nird", tmp_path / "kept"
    command = ("run", built.out, tmp_path / "x.npy", "-p", "virtual", "-o", out, "--store", store)
    passes = killed_in_pass(4, *command)
    assert passes == len(built.image.passes) > 6
    assert not out.exists()
    done = json.loads((store / JOURNAL).read_text())["done"]
    assert {f"pass{number:05}.0" for number in range(3)} <= set(done)
    (store / "mine").write_text("")

    again = shell(*command, "--json")
    said, beside = again.communicate()
    assert (again.returncode, beside) == (0, "")
    result = json.loads(said)  # one object, and nothing else
    tiles = [one.wiring.tiles for one in built.image.passes if one.wiring]
    assert 0 < result["stats"]["steps"] <= 20 * 3 * sum(tiles[3:])
    assert [path.name for path in store.iterdir()] == ["mine"]
    measured, expected = nd.SpikeRecord.load(out), nd.simulate(built, x)
    assert nd.verify(expected, measured).equal

    whole = shell(*command)
    _, beside = whole.communicate()
    assert beside.startswith(f"pass 1 of {passes} ...\n")
    uninterrupted = nd.SpikeRecord.load(out)
    assert nd.verify(uninterrupted, measured).equal
    assert uninterrupted.stats["saturations"] == measured.stats["saturations"]
    assert uninterrupted.stats["steps"] == 20 * 3 * sum(tiles)
