"""Spiker+ and ours on one trained 784-128-10 network and one stimulus, in one run.

    python benchmarks/spikerplus.py [--lanes 8 --lanes 32] [--images 100] [--rate-images 3] [--data mnist10k.npz]

spikerplus 2.0.3 (PyPI, MIT; installed into nirdeploy's cache the first time) generates VHDL, GHDL runs it and counts
its cycles; ours run on the compiled Verilog. GHDL needs most of a second per image, so Spiker+'s accuracy on all test
digits is that of a replica of its arithmetic, whose output bits are compared with GHDL's on every image that it runs.
Two stimuli: mnist.py's, 4 steps with a spike per pixel; and 100 steps in which a pixel spikes as often as it is bright,
which is how Spiker+ was published. Our MHz and logic are those of trade.py, Spiker+'s are the published.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mnist
import mnist_board
import numpy as np
import trade
from rich.console import Console
from rich.table import Table

import nirdeploy as nd
from nirdeploy.errors import InternalError, ToolMissing
from nirdeploy.graph import file as nirfile
from nirdeploy.records import cache

PACKAGES = ("spikerplus==2.0.3", "snntorch==1.0.0", "tabulate==0.10.0", "pandas==3.1.1", "python-dateutil", "six")
PEERS = Path(__file__).resolve().parent / "peers"
SPIKER_MHZ = 100.0  # published, on a Zynq-7020
LATENCY = 3  # sample pulses from an input to what it makes the outputs do
RATE_STEPS = 100
_GHDL = ("--std=08", "-fsynopsys")


@dataclass(frozen=True)
class Integers:
    """Spiker+'s arithmetic: bits of weights, of membranes, and of the fraction of both; the leak as a shift."""

    weight_bits: int = 6
    neuron_bits: int = 20  # the published 16 are too few for bright digits' 100 steps; cycles do not depend on them
    fraction_bits: int = 4
    shift: int = 4

    def of(self, weight: np.ndarray) -> np.ndarray:
        """To the nearest integer, as int64."""
        top = 1 << (self.weight_bits - 1)
        return np.clip(np.round(weight * (1 << self.fraction_bits)), -top, top - 1).astype(np.int64)


def weights(network: Path) -> list[np.ndarray]:
    """Of both layers (neurons, inputs), as trained."""
    return [node.weight for node in nirfile.read(network).nodes.values() if hasattr(node, "weight")]


def replica(x: np.ndarray, layers: list[np.ndarray], kind: Integers) -> np.ndarray:
    """Output spikes (T, B, 10) of Spiker+ on ``x`` (T, B, 784), as read from its VHDL and compared with GHDL.

    A neuron that fired loses the threshold instead of its leak; a layer sees the spikes of the step before. The
    VHDL saturates at every addition; raises :class:`InternalError` where that could matter.
    """
    threshold, half = 1 << kind.fraction_bits, 1 << (kind.neuron_bits - 1)
    membranes = [np.zeros((x.shape[1], len(layer)), dtype=np.int64) for layer in layers]
    fired = [membrane > 0 for membrane in membranes]
    found = []
    for inputs in x:
        source, now = inputs, []
        for i, layer in enumerate(layers):
            v = np.where(fired[i], membranes[i] - threshold, membranes[i] - (membranes[i] >> kind.shift))
            membranes[i] = v + (source.astype(np.float64) @ layer.T.astype(np.float64)).astype(np.int64)
            if np.abs(membranes[i]).max() >= half:
                raise InternalError(f"a membrane of Spiker+ leaves {kind.neuron_bits} bits, where the replica ends")
            now.append(membranes[i] > threshold)
            source = fired[i]
        fired = now
        found.append(fired[-1])
    return np.array(found)


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | (environment or {}), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ToolMissing(f"{Path(command[0]).name} failed with status {done.returncode}: {' '.join(said)}")


def installed() -> Path:
    """The folder with Spiker+; torch and NumPy are this environment's."""
    folder = cache.folder() / "benchmarks" / "-".join(PACKAGES[:1]).replace("==", "-")
    if not folder.exists():
        made = folder.with_suffix(f".{os.getpid()}.tmp")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(made)]
        _run([*pip, *PACKAGES], Path.cwd())
        made.rename(folder)
    return folder


def ghdl(layers: list[np.ndarray], kind: Integers, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spiker+'s VHDL on ``x`` (T, B, 784): output spikes (T, B, 10) and cycles from start to ready (B,).

    Raises :class:`ToolMissing` without GHDL.
    """
    if shutil.which("ghdl") is None:
        raise ToolMissing("GHDL is not installed", hint="apt-get install ghdl")
    steps, batch = x.shape[:2]
    with tempfile.TemporaryDirectory(prefix="nirdeploy-") as name:
        work = Path(name)
        scale = 1 << kind.fraction_bits
        np.savez(
            work / "network.npz",
            hidden=layers[0] / scale,
            output=layers[1] / scale,
            n_cycles=steps + LATENCY - 2,  # it runs one step more, and the last spikes stand when it is ready
            beta=1 - 2.0**-kind.shift,
            weight_bits=kind.weight_bits,
            neuron_bits=kind.neuron_bits,
            fraction_bits=kind.fraction_bits,
        )
        (work / "in.txt").write_bytes(
            b"".join(bytes(row[::-1] + ord("0")) + b"\n" for image in x.swapaxes(0, 1) for row in image)
        )
        python = {"PYTHONPATH": os.pathsep.join([str(installed()), os.environ.get("PYTHONPATH", "")])}
        _run([sys.executable, str(PEERS / "spikerplus_generate.py"), "network.npz", "vhdl"], work, python)
        sources = [*sorted(str(file) for file in (work / "vhdl").glob("*.vhd")), str(PEERS / "spikerplus_bench.vhd")]
        _run(["ghdl", "-i", _GHDL[0], *sources], work)
        _run(["ghdl", "-m", *_GHDL, "bench"], work)
        _run(["ghdl", "-r", *_GHDL, "bench", f"-gsteps={steps}", "--ieee-asserts=disable"], work)
        lines = [line.split() for line in (work / "out.txt").read_text().splitlines()]
    pulses = steps + LATENCY
    if len(lines) != batch * pulses:
        raise InternalError(f"GHDL gave {len(lines):,} lines of outputs, {batch * pulses:,} were expected")
    bits = np.array([[digit == "1" for digit in outputs[::-1]] for _, outputs in lines])
    cycles = np.array([int(count) for count, _ in lines]).reshape(batch, pulses)[:, -1]
    return bits.reshape(batch, pulses, -1).swapaxes(0, 1)[LATENCY:], cycles


@dataclass(frozen=True)
class Stimulus:
    """``x`` uint8 (T, B, 784); GHDL and our Verilog run the first ``images`` of it."""

    name: str
    x: np.ndarray
    images: int


def stimuli(digits: mnist.Digits, images: int, rate_images: int) -> list[Stimulus]:
    brightness = digits.test_x.reshape(len(digits.test_y), -1).numpy()
    rng = np.random.default_rng(0)
    rate = (rng.random((RATE_STEPS, *brightness.shape), dtype=np.float32) < brightness).astype(np.uint8)
    return [
        Stimulus(f"{mnist.STEPS} steps, a spike per pixel", digits.stimulus(), images),
        Stimulus(f"{RATE_STEPS} steps, spikes as often as bright", rate, rate_images),
    ]


@dataclass(frozen=True)
class Result:
    """One design on one stimulus. ``accuracy`` 0 to 1 on all test digits; ``cycles`` per image alone."""

    design: str
    accuracy: float
    cycles: float
    mhz: float
    luts: int
    brams: str
    formula: float | None = None

    @property
    def latency_us(self) -> float:
        return self.cycles / self.mhz

    def row(self, other: Result) -> list[str]:
        product = self.luts * self.latency_us / (other.luts * other.latency_us)
        formula = "" if self.formula is None else f"{self.formula:,.0f}"
        return [
            *(self.design, f"{100 * self.accuracy:.2f} %", f"{self.cycles:,.0f}", formula, f"{self.mhz:.1f}"),
            *(f"{self.latency_us:.1f}", f"{self.luts:,}", self.brams, f"{product:.3f}"),
        ]


def theirs(network: Path, stimulus: Stimulus, labels: np.ndarray, console: Console) -> Result:
    """Spiker+. Raises :class:`InternalError` if the replica differs from GHDL in an output bit."""
    kind = Integers()
    layers = [kind.of(weight) for weight in weights(network)]
    outputs = replica(stimulus.x, layers, kind)
    console.print(f"Spiker+: {stimulus.images} images in GHDL, {stimulus.name}")
    bits, cycles = ghdl(layers, kind, stimulus.x[:, : stimulus.images])
    if differing := int((bits != outputs[:, : stimulus.images]).sum()):
        raise InternalError(f"the replica of Spiker+ differs from GHDL in {differing:,} of {bits.size:,} output bits")
    console.print(f"Spiker+: the replica equals GHDL in {bits.size:,} output bits, {int(bits.sum()):,} of them spikes")
    accuracy = float((outputs.sum(axis=0).argmax(axis=1) == labels).mean())
    return Result("Spiker+", accuracy, float(cycles.mean()), SPIKER_MHZ, trade.SPIKER_LOGIC, str(trade.SPIKER_BRAM))


def ours(network: Path, stimulus: Stimulus, labels: np.ndarray, point: trade.Point) -> Result:
    """One configuration; beside its cycles what NIR2FPGA spends as wide: ceil(outputs / width) per spike."""
    built = mnist_board.build(network, point.lanes)
    record = nd.simulate(built, stimulus.x)
    found = mnist_board.cycles(built, stimulus.x[:, : stimulus.images])
    fed = stimulus.x, record.spikes[built.network.populations[0].name]
    sizes = mnist_board.HIDDEN, mnist_board.OUTPUTS
    spikes = [float(x[:, : stimulus.images].sum()) / stimulus.images for x in fed]
    return Result(
        f"ours, {point.lanes} lanes",
        nd.accuracy(record, labels),
        found.mean,
        point.report.fmax_mhz,
        point.luts,
        str(point.used("block RAM (18 kbit)")),
        sum(count * -(-size // mnist_board.BOARDS[point.lanes][0]) for count, size in zip(spikes, sizes, strict=True)),
    )


def table(stimulus: Stimulus, results: list[Result]) -> Table:
    made = Table(title=f"784-128-10, {stimulus.name}; cycles over {stimulus.images} images")
    columns = "accuracy", "cycles", "NIR2FPGA's formula", "MHz", "us per image", "logic", "BRAM", "logic x us"
    for column in ("design", *columns):
        made.add_column(column, justify="left" if column == "design" else "right")
    for result in results:
        made.add_row(*result.row(results[0]))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    lanes = list(mnist_board.BOARDS)
    parser.add_argument("--lanes", action="append", choices=lanes, help="by default 8, 32 and 128")
    parser.add_argument("--images", type=int, default=100, help="in GHDL, 4 steps each (default: %(default)s)")
    parser.add_argument("--rate-images", type=int, default=3, help="in GHDL, 100 steps each (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=mnist.DEFAULT_DATA, help="mnist10k.npz (default: %(default)s)")
    options = parser.parse_args()
    digits = mnist.load(options.data)
    labels, network = digits.test_y.numpy(), mnist.trained(digits)
    stderr, console = Console(stderr=True), Console(width=None if Console().is_terminal else 160)
    points = [trade.measure(network, lanes, digits, 1, stderr) for lanes in options.lanes or ("8", "32", "128")]
    for stimulus in stimuli(digits, options.images, options.rate_images):
        results = [theirs(network, stimulus, labels, stderr)]
        results += [ours(network, stimulus, labels, point) for point in points]
        console.print(table(stimulus, results))
    console.print(
        f"published: Spiker+ {trade.SPIKER_US:g} us, {trade.SPIKER_LOGIC:,} logic cells, {trade.SPIKER_BRAM} BRAM, "
        "93.85 %; snn-fpga 520 us, 6,358 LUT, 40.5 BRAM at 100 MHz",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
