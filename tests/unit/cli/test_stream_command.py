"""nirdeploy stream, and recordings wherever a stimulus goes."""

from __future__ import annotations

import io
import itertools
import json
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy import processes
from nirdeploy.device.streaming.pump import pump
from nirdeploy.device.streaming.sources.lines import FromLines
from nirdeploy.device.streaming.sources.live import Bounded
from nirdeploy.device.streaming.sources.packets import FromPackets
from nirdeploy.device.streaming.sources.source import Ended
from nirdeploy.errors import CorruptFile, NirdeployError, PortError
from nirdeploy.records.events.binning import Binner, Bins, Grid
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.steps import Block
from tests.unit.cli.conftest import Cli
from tests.unit.records.events.files import drawn, write

SIDE, STEPS = 6, 10
EVENTS = drawn(0, 900, 2 * SIDE, 2 * SIDE)
AS_STEPS = ("--bin", "10ms", "--downsample", "2")


def graph() -> nir.NIRGraph:
    """2 x 6 x 6 inputs, 8 LIF neurons."""
    rng, shape = np.random.default_rng(0), np.array([2, SIDE, SIDE])
    nodes = {
        "input": nir.Input({"input": shape}),
        "flat": nir.Flatten({"input": shape}, 0, -1),
        "fc": nir.Linear(rng.normal(0.02, 0.1, (8, 2 * SIDE * SIDE))),
        "lif": nir.LIF(tau=np.full(8, 0.02), r=np.full(8, 4.0), v_leak=np.zeros(8), v_threshold=np.full(8, 0.3)),
        "output": nir.Output({"output": np.array([8])}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(itertools.pairwise(names)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.nir, build/ that takes counts, spikes/ that takes spikes, and recordings."""
    folder = tmp_path_factory.mktemp("stream")
    nir.write(folder / "model.nir", graph())
    nd.build(folder / "model.nir", out=folder / "build", dt=1e-2, input_bits=4)
    nd.build(folder / "model.nir", out=folder / "spikes", dt=1e-2)
    write(folder / "a.aedat4", EVENTS, 2 * SIDE, 2 * SIDE)
    np.savez(folder / "columns.npz", t=EVENTS["t"], x=EVENTS["x"], y=EVENTS["y"], p=EVENTS["p"])
    np.save(folder / "events.npy", EVENTS)
    return folder


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return nd.read_events(EVENTS, "10ms", downsample=2, size=(2 * SIDE, 2 * SIDE)).x


@pytest.fixture(scope="module")
def wanted(folder: Path, x: np.ndarray) -> np.ndarray:
    """(steps, neurons)"""
    found = nd.simulate(folder / "build", x)["output"][:, 0]
    assert 0 < found.sum() < found.size
    return found


@pytest.mark.parametrize("name", ["a.aedat4", "columns.npz", "events.npy"])
def test_a_recording_as_a_stimulus(cli: Cli, folder: Path, wanted: np.ndarray, tmp_path: Path, name: str) -> None:
    out = tmp_path / "r.nird"
    found = cli("simulate", folder / "build", "-x", folder / name, *AS_STEPS, "-o", out, "--json")
    assert found.json["steps"] == STEPS
    assert "900 of 900 events in 10 steps of 10 ms" in found.err
    assert np.array_equal(SpikeRecord.load(out)["output"][:, 0], wanted)


def test_every_command_that_takes_a_stimulus(cli: Cli, folder: Path, tmp_path: Path) -> None:
    a, out = folder / "a.aedat4", tmp_path / "r.nird"
    labels = tmp_path / "labels.npy"
    np.save(labels, np.array([1]))
    assert cli("run", folder / "build", "-x", a, *AS_STEPS, "-p", "sim", "-o", out).code == 0
    for more in ((), ("--chunk", 1)):  # the model alone proves nothing of a device: a verdict, and no error
        found = cli("verify", folder / "build", "-x", a, *AS_STEPS, "-p", "sim", *more)
        assert "900 of 900 events" in found.err
        assert found.code == 1
    assert cli("evaluate", folder / "build", "-x", a, *AS_STEPS, "-p", "sim", "--labels", labels).code == 0
    calibrated = ("build", folder / "model.nir", "--dt", 0.01, "--input-bits", 4, "-o", tmp_path / "b")
    whole = cli(*calibrated, "--calibrate", a, *AS_STEPS)
    assert whole.code != 0
    assert "a recording is one sample unless it is cut" in whole.err
    cut = cli(*calibrated, "--calibrate", a, *AS_STEPS, "--cut", "20ms", "--json")
    assert "900 of 900 events in 5 samples of 2 steps" in cut.err
    assert cut.json["calibration"]["samples"] == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build", "-x", "a.aedat4"), "say how long: --bin 10ms"),
        (("build", "-x", "a.aedat4", "--bin", "10ms"), "--downsample 2 makes them fit"),
        (("build", "-x", "a.aedat4", *AS_STEPS, "--cut", "15ms"), "no whole number of bins"),
        (("spikes", "-x", "a.aedat4", *AS_STEPS), r"--binary.*--input-bits 3"),
        (("build", "-x", "a.aedat4", *AS_STEPS, "--start", "5s"), "no event of the recording is seen"),
        (("build", "-x", "x.npy", "--bin", "10ms"), "steps already"),
        (("build", "-x", "a.aedat4", "--bin", "ten"), "no duration"),
        (("build", "-x", "a.aedat4", *AS_STEPS, "--crop", "left"), "no window"),
        (("build",), "there is no stimulus"),
        (("build", "x.npy", "-x", "x.npy"), "two stimuli"),
        (("build", "-x", "none.raw", *AS_STEPS), "no such recording"),
        (("build", "-x", "tonic:NMNIST", *AS_STEPS), "tonic"),
    ],
)
def test_what_is_no_stimulus_is_said(
    cli: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(folder)
    np.save("x.npy", np.zeros((3, 1, 2, SIDE, SIDE), np.uint8))
    found = cli("simulate", *arguments, "-o", tmp_path / "r.nird")
    assert found.code != 0
    assert re.search(said, found.err.replace("\n", " "))
    assert not (tmp_path / "r.nird").exists()


def test_binary_makes_spikes_of_counts(cli: Cli, folder: Path, tmp_path: Path) -> None:
    asked = ("simulate", folder / "spikes", "-x", folder / "a.aedat4", *AS_STEPS, "--binary", "-o", tmp_path / "r.nird")
    assert cli(*asked).code == 0


def test_a_recording_is_streamed(cli: Cli, folder: Path, wanted: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "r.nird"
    asked = ("stream", folder / "build", "-x", folder / "a.aedat4", *AS_STEPS, "-p", "sim", "-o", out)
    found = cli(*asked, "--json").json
    assert found["steps"] == STEPS
    assert found["source"]["events_counted"] == 900
    assert found["board"]["latency_us"] > 0
    assert np.array_equal(SpikeRecord.load(out)["output"][:, 0], wanted)
    shown = cli(*asked[:-2]).out
    assert "10 steps" in shown
    assert "computed for virtual at 12 MHz" in shown


def test_lines_of_json_say_each_step(cli: Cli, folder: Path, x: np.ndarray, wanted: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.concatenate([x, x], axis=1))
    found = cli("stream", folder / "build", "-x", tmp_path / "x.npy", "-p", "sim", "--lines", "--steps", 15)
    steps = [json.loads(line) for line in found.out.splitlines()]
    assert [step["step"] for step in steps] == list(range(15))
    for step in steps:  # the second sample begins at rest
        assert step["spikes"]["lif"] == np.flatnonzero(wanted[step["step"] % STEPS]).tolist()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "a stream needs a build and a source"),
        (("build",), "a stream needs a build and a source"),
        (("build", "-x", "udp:x", "--bin", "1ms"), "no UDP port"),
        (("build", "-x", "udp:0"), "--bin 10ms"),
        (("build", "-x", "x.npy", "--by-clock"), "are of packets"),
        (("build", "-x", "a.aedat4", *AS_STEPS, "--cut", "20ms"), "a stream is one sample without end"),
        (("build", "-x", "x.npy", "--json", "--lines"), "each take standard output"),
        (("build", "-x", "nothing.npy"), "no such stimulus file"),
        (("--rescue", "r.nird"), "no steps of a stream are kept"),
    ],
)
def test_what_is_no_stream_is_said(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(folder)
    np.save("x.npy", np.zeros((3, 1, 2, SIDE, SIDE), np.uint8))
    found = cli("stream", *arguments, *(("-p", "sim") if arguments[:1] == ("build",) else ()))
    assert found.code != 0
    assert said in found.err


def test_a_network_of_passes_is_refused(cli: Cli, tmp_path: Path) -> None:
    from tests.unit.device.models import graph as large

    target = tmp_path / "small.toml"
    text = (Path(__file__).parents[3] / "targets" / "fpga.toml").read_text()
    target.write_text(text.replace("weight_rows = 2048", "weight_rows = 64").replace("default = true", ""))
    built = nd.build(large(0, 200), target, tmp_path / "b", dt=1e-3)
    assert built.image.passes
    np.save(tmp_path / "x.npy", np.zeros((3, 1, 8, 8), np.uint8))
    found = cli("stream", tmp_path / "b", "-x", tmp_path / "x.npy")
    assert found.code == 4
    assert "passes, each of which takes all steps of a sample" in found.err
    assert cli("stream", tmp_path / "b", "-x", tmp_path / "x.npy", "-p", "sim").code == 0


def collected(built: nd.Build, source: object, depth: int = 8) -> list[np.ndarray]:
    blocks: list[Block] = []
    with nd.stream(built, "outputs", depth=depth) as s:
        pump(s, source, blocks.append, lambda: False)  # type: ignore[arg-type]
    return [step["output"] for block in blocks for step in block.steps({}, {"output": "lif"})]


def _lines(folder: Path, text: bytes, binner: Binner | None = None) -> FromLines:
    network = nd.Build.load(folder / "build").network
    return FromLines(io.BytesIO(text), network.inputs, binner, 64, drops=False)


def binner() -> Binner:
    return Binner(Grid.live(Bins("10ms", downsample=2), (2, SIDE, SIDE), "events"))


def test_lines_of_steps_and_of_events(folder: Path, x: np.ndarray, wanted: np.ndarray) -> None:
    built = nd.Build.load(folder / "build")
    steps = "".join(f"# a comment\n{json.dumps(step.ravel().tolist())}\n\n" for step in x[:, 0]).encode()
    assert np.array_equal(np.stack(collected(built, _lines(folder, steps))), wanted)
    named = "".join(json.dumps({"input": step.tolist()}) + "\n" for step in x[:, 0]).encode()
    assert np.array_equal(np.stack(collected(built, _lines(folder, named))), wanted)
    events = "".join(f"{e['t']} {e['x']},{e['y']} {e['p']}\n" for e in EVENTS).encode()
    source = _lines(folder, events, binner())
    assert np.array_equal(np.stack(collected(built, source)), wanted)
    assert source.said()["events_counted"] == 900


@pytest.mark.parametrize("line", [b"[1, 2]", b"nonsense", b'{"other": []}', b'["a"]', b"[" * 100_000, b"\xff\xfe"])
def test_lines_that_are_no_step(folder: Path, line: bytes) -> None:
    with pytest.raises(CorruptFile, match="no step .in line 2 of the source.") as error:
        collected(nd.Build.load(folder / "build"), _lines(folder, b"# x\n" + line + b"\n"))
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("line", [b"1 2 3", b"-1 2 3 1", b"1 99999 3 1", b"1 2 3 4", b"9999999999999999999 1 1 1"])
def test_lines_that_are_no_event(folder: Path, line: bytes) -> None:
    with pytest.raises(CorruptFile, match="no event .in line 1 of the source."):
        collected(nd.Build.load(folder / "build"), _lines(folder, line, binner()))


def test_packets_on_the_loopback(folder: Path, wanted: np.ndarray) -> None:
    source = FromPackets("127.0.0.1", 0, binner(), quiet=2.0)
    arrived = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
            for some in np.array_split(EVENTS, 30):
                port.sendto(some.tobytes(), source.address)
            port.sendto(b"odd", source.address)
        arrived.set()

    threading.Thread(target=send).start()
    try:
        found = np.stack(collected(nd.Build.load(folder / "build"), source))
    finally:
        source.close()
    assert arrived.is_set()
    counts = source.said()
    assert counts["packets_odd"] == 1
    if not counts["packets_dropped"]:
        assert np.array_equal(found, wanted)


def test_packets_beyond_the_queue_are_dropped_and_counted() -> None:
    source = FromPackets("127.0.0.1", 0, binner(), packets=2, quiet=1.0)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
            for _ in range(20):
                port.sendto(EVENTS[:5].tobytes(), source.address)
            while source.said()["packets_dropped"] < 18:
                threading.Event().wait(0.01)
        source.take(0.0)
        assert source.said()["events"] == 10
    finally:
        source.close()


def until_it_ends(source: FromPackets | Bounded) -> Iterator[Any]:
    """All that is taken of it."""
    while True:
        try:
            yield source.take(0.05)
        except Ended:
            return


def test_packets_by_the_clock() -> None:
    source = FromPackets("127.0.0.1", 0, binner(), by_clock=True, quiet=0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.sendto(EVENTS.tobytes()[: 13 * 50], source.address)
    came = [one for one in until_it_ends(source) if one is not None]
    source.close()
    steps = np.concatenate(came)
    assert steps.sum() == 50
    assert len(steps) >= 20  # 10 ms each, until nothing came for 0.2 s


def test_an_address_that_cannot_be_had() -> None:
    with pytest.raises(PortError, match="cannot listen on"):
        FromPackets("203.0.113.1", 9, binner())
    source = FromPackets("127.0.0.1", 0, binner())
    with pytest.raises(PortError, match="cannot listen on"):
        FromPackets("127.0.0.1", source.address[1], binner())
    source.close()


def test_a_queue_waits_or_drops() -> None:
    things = iter(range(100))

    def read() -> int:
        try:
            return next(things)
        except StopIteration:
            raise Ended from None

    waits = Bounded(read, 3, drops=False)
    assert [one for one in until_it_ends(waits) if one is not None] == list(range(100))
    assert waits.dropped == 0
    waits.close()


def test_what_a_source_fails_with_comes_out() -> None:
    def read() -> None:
        raise CorruptFile("no such thing")

    source = Bounded(read, 3, drops=False)
    with pytest.raises(NirdeployError, match="no such thing"):
        list(until_it_ends(source))


def test_standard_input_in_a_process_of_its_own_ended_by_ctrl_c(folder: Path, x: np.ndarray, tmp_path: Path) -> None:
    """A writer that goes on and on: Ctrl-C ends the stream with exit code 0, and its record is whole."""
    out = tmp_path / "r.nird"
    arguments = ("-m", "nirdeploy", "stream", str(folder / "build"), "-x", "-", "-p", "sim", "--lines", "-o", str(out))
    line = json.dumps(x[0, 0].ravel().tolist()).encode() + b"\n"
    with subprocess.Popen(
        processes.command(*arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=processes.environment(),
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(5 * line)
        process.stdin.flush()
        steps = [json.loads(process.stdout.readline()) for _ in range(5)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert [step["step"] for step in steps] == list(range(5))
    record = SpikeRecord.load(out)
    assert record.steps == 5
    assert np.array_equal(
        record["output"][:, 0], nd.simulate(folder / "build", np.repeat(x[:1], 5, axis=0))["output"][:, 0]
    )
