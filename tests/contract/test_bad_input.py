"""What a user can get wrong on the command line: a message that says what, where and what to do, and an exit code.

Every case runs ``nirdeploy`` as a process of its own, as a script would.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.device.ports import SerialPort
from nirdeploy.graph import file as nirfile
from nirdeploy.targets import registry as target
from nirdeploy.targets.resources import targets_dir
from tests import networks
from tests.doubles.device import DeviceModel, ServedModel

INPUTS, NEURONS, STEPS, SAMPLES = 4, 3, 5, 2


def lif(size: int = NEURONS, **changes: np.ndarray) -> nir.LIF:
    params = {"tau": 8e-3, "r": 80.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    return nir.LIF(**{name: np.full(size, value) for name, value in params.items()} | changes)


def graph(
    weight: np.ndarray | None = None,
    neuron: nir.NIRNode | None = None,
    extra_edges: tuple[tuple[str, str], ...] = (),
) -> nir.NIRGraph:
    """input - fc - lif - output."""
    if weight is None:
        weight = np.random.default_rng(1).normal(size=(NEURONS, INPUTS))
    return nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([INPUTS if weight.shape[0] == NEURONS else weight.shape[1]])}),
            "fc": nir.Linear(weight),
            "lif": neuron or lif(weight.shape[0]),
            "output": nir.Output({"output": np.array([weight.shape[0]])}),
        },
        edges=[("input", "fc"), ("fc", "lif"), ("lif", "output"), *extra_edges],
        type_check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good files and bad ones."""
    here = tmp_path_factory.mktemp("bad_input")
    nirfile.write(here / "good.nir", graph())
    whole = (here / "good.nir").read_bytes()
    (here / "text.nir").write_text("this is not HDF5")
    (here / "truncated.nir").write_bytes(whole[: len(whole) // 2])
    with_nan = np.ones((NEURONS, INPUTS))
    with_nan[1, 2] = np.nan
    nirfile.write(here / "nan.nir", graph(with_nan))
    nirfile.write(here / "shape.nir", graph(np.ones((NEURONS, INPUTS + 1))))
    nirfile.write(here / "dangling.nir", graph(extra_edges=(("fc", "ghost"),)))
    nirfile.write(here / "tau.nir", graph(neuron=lif(tau=np.zeros(NEURONS))))
    large = graph(np.random.default_rng(0).normal(size=(900, 784)))
    nirfile.write(here / "large.nir", networks.looped(large, "lif"))  # it cannot be cut into passes
    nd.build(here / "good.nir", out=here / "build")
    (here / "other.toml").write_text(_other_hardware())
    nd.build(here / "good.nir", target=here / "other.toml", out=here / "build_other")
    shutil.copytree(here / "build", here / "build_damaged")
    _flip_a_bit(here / "build_damaged" / "image.ndi")
    (here / "target.toml").write_text(_other_hardware().replace("lanes = 32", "lanes = 33"))
    x = np.random.default_rng(2).integers(0, 2, size=(STEPS, SAMPLES, INPUTS), dtype=np.uint8)
    np.save(here / "x.npy", x)
    np.save(here / "no_batch.npy", x[:, 0])
    np.save(here / "too_wide.npy", np.zeros((STEPS, SAMPLES, INPUTS + 1)))
    np.save(here / "analog.npy", x * 0.5)
    (here / "text.npy").write_text("not NumPy's")
    record = nd.simulate(here / "build", x)
    record.save(here / "record.nird")
    nd.simulate(here / "build", x[:-1]).save(here / "shorter.nird")
    (here / "damaged.nird").write_bytes((here / "record.nird").read_bytes()[:1000])
    return here


def _other_hardware() -> str:
    text = (targets_dir() / "fpga.toml").read_text()
    cores = target.load("fpga").hardware.cores
    assert f"cores = {cores}" in text
    return text.replace(f"cores = {cores}", f"cores = {2 * cores}")


def _flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nirdeploy", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(folder: Path, command: str) -> dict[str, Any]:
    """Run a command that must fail; its error object. Checks what all errors have in common."""
    process = start(folder, *command.split(), "--json")
    out, err = process.communicate()
    found: dict[str, Any] = json.loads(out)  # one object, nothing else
    assert set(found) == {"schema", "error"}
    error: dict[str, Any] = found["error"]
    assert process.returncode == error["exit_code"]
    assert "Traceback" not in err
    assert error["message"] in err
    assert err.count("\n") == 1, "more than one paragraph"
    return error


def text(error: dict[str, Any]) -> str:
    return f"{error['message']} | {error['where']} | {error['hint']}"


CASES = [
    # The model file.
    ("check nowhere.nir", 3, "E301", ["No such file", "nowhere.nir"]),
    ("check text.nir", 3, "E301", ["not an HDF5 file", "text.nir"]),
    ("check truncated.nir", 3, "E301", ["truncated.nir", "export the network again"]),
    ("build text.nir -o out", 3, "E301", ["not an HDF5 file"]),
    ("check nan.nir", 3, "E302", ["'fc'", "1 of 12 values of weight are NaN", "nan.nir"]),
    ("check shape.nir", 3, "E302", ["'fc' takes 5 inputs", "(4,)", "Flatten"]),
    ("check dangling.nir", 3, "E302", ["'fc' -> 'ghost'", "does not exist"]),
    ("check good.nir -t fpga-icebreaker --dialect nir,spikes=multi", 4, "E401", ["'lif'", "cannot do spikes=multi"]),
    ("check tau.nir", 3, "E302", ["'lif'", "tau must be positive", "0"]),
    ("check good.nir --dialect sinbas", 2, "E205", ["'sinbas'", "nir"]),
    ("check good.nir --dialect nir,reset=soft", 2, "E205", ["reset='soft'", "zero, subtract"]),
    ("check good.nir --dt 1", 3, "E302", ["'lif'", "dt = 1 s", "--dt"]),
    # The target.
    ("build large.nir -o out", 4, "E401", ["weight rows ('lif' alone", "smaller"]),
    ("check large.nir -t fpga", 4, "E401", ["weight rows ('lif' alone", "smaller"]),
    ("build good.nir -o out -t fgpa", 2, "E204", ["'fgpa'", "did you mean 'fpga'"]),
    ("build good.nir -o out -t target.toml", 3, "E303", ["lanes = 33", "power of two", "target.toml"]),
    ("build good.nir -o out --to palce", 2, "E201", ["'palce'", "place"]),
    ("build -o nowhere --from place", 2, "E201", ["not a build folder", "nowhere"]),
    ("build good.nir -o good.nir", 5, "E501", ["File exists", "good.nir"]),
    # What nirdeploy wrote.
    ("flash build_damaged -p nowhere", 3, "E304", ["SHA-256", "image.ndi", "build it again"]),
    ("info build_damaged/image.ndi", 3, "E304", ["SHA-256"]),
    ("flash nowhere -p nowhere", 2, "E201", ["not a build folder", "nowhere"]),
    ("verify record.nird damaged.nird", 3, "E304", ["damaged.nird"]),
    ("verify record.nird nowhere.nird", 3, "E304", ["nowhere.nird"]),
    ("verify record.nird shorter.nird", 2, "E202", ["5 steps", "4"]),
    ("verify build", 2, "E201", ["stimulus"]),
    ("verify record.nird record.nird --probe nobody", 2, "E203", ["nobody", "lif"]),
    ("regress check nowhere.nird record.nird", 3, "E304", ["no golden", "regress record"]),
    ("regress record record.nird record.nird", 2, "E201", ["exists already", "regress update"]),
    ("regress check record.nird record.nird --tolerance lfi=0.1", 2, "E201", ["lfi", "lif"]),
    # The port.
    ("flash build -p /dev/nowhere", 6, "E601", ["no port /dev/nowhere", "virtual"]),
    ("info -p /dev/nowhere", 6, "E601", ["/dev/nowhere"]),
    ("flash build -p fault:bogus=1:virtual", 2, "E201", ["bogus", "drop"]),
    ("flash build -p auto", 6, "E601", ["is plugged in"]),
    ("board stop nobody", 6, "E601", ["'nobody'"]),
]  # fmt: skip


@pytest.mark.parametrize(("command", "exit_code", "code", "said"), CASES, ids=[case[0] for case in CASES])
def test_refused(folder: Path, command: str, exit_code: int, code: str, said: list[str]) -> None:
    error = refused(folder, command)
    assert (error["exit_code"], error["code"]) == (exit_code, code)
    for part in said:
        assert part in text(error)


@pytest.fixture
def device() -> Iterator[ServedModel]:
    with ServedModel(DeviceModel(target.load("fpga"))) as served:
        yield served


@pytest.fixture
def nobody() -> Iterator[tuple[int, str]]:
    """A port on which nobody answers, and the other end of its line."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("command", "exit_code", "code", "said"),
    [
        ("run build no_batch.npy", 2, "E202", ["(5, 4)", "(T, B, 4)", "batch dimension is missing", "x[:, None]"]),
        ("run build too_wide.npy", 2, "E202", ["(5, 2, 5)", "(T, B, 4)"]),
        ("run build analog.npy", 2, "E202", ["only 0 and 1", "encode"]),
        ("run build text.npy", 3, "E304", ["cannot read the stimulus", "text.npy"]),
        ("run build nowhere.npy", 2, "E201", ["nowhere.npy"]),
        ("run build x.npy --probe nobody", 2, "E203", ["'nobody'", "lif"]),
    ],
)
def test_a_stimulus_that_does_not_fit(
    folder: Path, device: ServedModel, command: str, exit_code: int, code: str, said: list[str]
) -> None:
    with nd.open_device(device.port) as opened:
        nd.flash(nd.Build.load(folder / "build"), opened)
    error = refused(folder, f"{command} -o never.nird -p {device.port}")
    assert (error["exit_code"], error["code"]) == (exit_code, code)
    for part in said:
        assert part in text(error)
    assert not (folder / "never.nird").exists()


def test_a_device_without_an_image(folder: Path, device: ServedModel) -> None:
    error = refused(folder, f"run build x.npy -o never.nird -p {device.port}")
    assert (error["exit_code"], error["code"]) == (7, "E702")
    assert "no image" in error["message"]
    assert "flash" in error["hint"]


def test_a_device_with_another_image(folder: Path, device: ServedModel) -> None:
    other = nd.build(graph(np.eye(NEURONS, INPUTS)))
    with nd.open_device(device.port) as opened:
        nd.flash(other, opened)
    error = refused(folder, f"run build x.npy -o never.nird -p {device.port}")
    assert (error["exit_code"], error["code"]) == (7, "E702")
    assert other.image.digest()[:16] in error["message"]
    assert nd.Build.load(folder / "build").image.digest()[:16] in error["message"]


def test_a_device_with_other_hardware(folder: Path, device: ServedModel) -> None:
    error = refused(folder, f"flash build_other -p {device.port}")
    assert (error["exit_code"], error["code"]) == (7, "E702")
    assert target.load("fpga").signature.hex() in error["message"]
    assert target.load(folder / "other.toml").signature.hex() in error["message"]
    assert "target 'other'" in error["message"]  # refused when the port was opened, before anything was written


def test_a_silent_device(folder: Path, nobody: tuple[int, str]) -> None:
    _, port = nobody
    error = refused(folder, f"flash build -p {port}")
    assert (error["exit_code"], error["code"]) == (7, "E701")
    assert "did not answer HELLO" in error["message"]
    assert port in error["where"]
    assert "baud" in error["hint"]


def test_a_busy_port(folder: Path, nobody: tuple[int, str]) -> None:
    _, port = nobody
    held = SerialPort(port, 115200)
    try:
        error = refused(folder, f"flash build -p {port}")
    finally:
        held.close()
    assert (error["exit_code"], error["code"]) == (6, "E602")
    assert f"process {os.getpid()}" in error["message"]


def test_interrupted_while_it_waits(folder: Path, nobody: tuple[int, str]) -> None:
    master, port = nobody
    # A shell's background job ignores Ctrl-C, and so does all that it starts: this process must not.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = start(folder, "flash", "build", "-p", port, "--json")
    finally:
        signal.signal(signal.SIGINT, before)
    os.read(master, 1)  # it has said HELLO and waits
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert json.loads(out)["error"]["exit_code"] == 130
    assert "Traceback" not in err
