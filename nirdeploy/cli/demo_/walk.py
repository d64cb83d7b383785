"""The whole way, step by step, through the public API: what ``make demo`` shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import board
from nirdeploy.cli.demo_ import digits
from nirdeploy.device.client import Progress
from nirdeploy.proof import regress
from nirdeploy.proof.explain import Explanation
from nirdeploy.proof.report import html
from nirdeploy.proof.report.witnesses import told
from nirdeploy.proof.verdict import Verdict
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.targets import registry as targets

Bar = Callable[[str], AbstractContextManager[Progress | None]]
Tell = Callable[[str], None]


#: The network's file in the folder of the demo.
MODEL = "digits.nir"


@dataclass(frozen=True)
class DemoResult:
    """What the demo found; ``cycles_per_inference``: cycles in which the cores worked, per image."""

    accuracy: dict[str, float]
    images: int
    spikes_compared: int
    mismatches: int
    equal: bool
    float_cells_differing: int
    first_divergence: str | None
    regression: str
    cycles_per_inference: float
    link_efficiency: float
    report: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Clock:
    """One line per step, with its time."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._number = 0

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        self._number += 1
        start = time.monotonic()
        said: list[str] = []
        yield said
        self._tell(f"{self._number}. {name:<9} {time.monotonic() - start:6.1f} s   {'; '.join(said)}")


def run_demo(out: Path, tell: Tell, bar: Bar, *, target: str | None = None, seed: int = 0) -> DemoResult:
    """Train, export, build, flash, run the whole test split, verify, regress, report.

    Args:
        out: folder for everything that is made.
        tell: takes one line per step. bar: gives a progress bar for a label.
    """
    clock, chosen = _Clock(tell), targets.load(target)
    out.mkdir(parents=True, exist_ok=True)
    model = out / MODEL
    with clock.step("train") as said, bar("training") as progress:
        data = digits.load(seed)
        net = digits.train(data, seed, progress)
        said.append(f"64-{digits.HIDDEN}-10 LIF, {data.train_x.shape[1]} images, surrogate gradient")
    with clock.step("export") as said:
        graph = nd.export_to_nir(net, torch.zeros(data.test_x[:, :1].shape), model, dt=digits.DT)
        said.append(f"{len(graph.nodes)} NIR nodes in {model}")
    with clock.step("build") as said:
        built = nd.build(model, chosen, out / "build")
        used = {core.core for core in built.placement.cores if any(core.used.values())}
        said.append(f"checked, quantized to {chosen.formats.weight_bits}-bit weights, on {len(used)} cores")
    with clock.step("board") as said, bar("compiling the virtual board"):
        said.append("cached" if board.is_prepared(chosen) else "RTL compiled by Verilator")
        board.prepare(chosen)
    with nd.open_device("virtual", chosen) as device:
        with clock.step("flash") as said, bar("flashing") as progress:
            flashed = nd.flash(built, device, progress)
            efficiency = flashed.line_fraction(chosen.serial_board.clock_hz, chosen.serial_board.baud)
            said.append(f"{flashed.bytes_sent:,} bytes, {100 * efficiency:.1f} % of the line rate")
        with clock.step("run") as said, bar("running") as progress:
            measured = nd.run(device, data.test_x, progress=progress)
            said.append(f"{measured.samples} images x {measured.steps} steps")
    with clock.step("verify") as said:
        reference = nd.simulate(model, data.test_x)
        quantized = nd.simulate(built, data.test_x)
        verdict, rounding = nd.verify(quantized, measured), nd.verify(reference, quantized)
        explanation = nd.explain(built.graph, built.network, data.test_x, data.test_y)
        said.append(verdict.summary())
    with clock.step("regress") as said:
        regression = _regress(out / "golden.nird", quantized, measured, built.manifest())
        said.append(regression.summary())
    witnesses = {"float": reference, "integer": quantized, "device": measured}
    result = DemoResult(
        accuracy={name: nd.accuracy(record, data.test_y) for name, record in witnesses.items()},
        images=measured.samples,
        spikes_compared=verdict.cells,
        mismatches=verdict.mismatches,
        equal=verdict.equal,
        float_cells_differing=rounding.mismatches,
        first_divergence=str(verdict.first_divergence or "") or None,
        regression=regression.summary(),
        cycles_per_inference=measured.stats["busy_cycles"] / measured.samples,
        link_efficiency=efficiency,
        report=str(out / "report.html"),
    )
    with clock.step("report") as said:
        page = _page(result, built, [verdict, rounding, regression.verdict], explanation)
        html.write(out / "report.html", told(page, data.test_x, data.test_y, "virtual"))
        said.append(result.report)
    return result


def _regress(golden: Path, reference: SpikeRecord, run: SpikeRecord, manifest: dict[str, Any]) -> regress.Regression:
    """Keep the reference as golden (a golden of an earlier demo gives way) and compare the run with it."""
    if golden.exists():
        regress.update(golden, reference, "the demo ran again", manifest=manifest)
    else:
        regress.record(golden, reference, manifest=manifest)
    return regress.check(golden, run)


def _page(
    result: DemoResult,
    built: nd.Build,
    verdicts: list[Verdict],
    explanation: Explanation,
) -> html.Report:
    facts = {f"accuracy, {name}": f"{100 * value:.2f} %" for name, value in result.accuracy.items()}
    return html.Report(
        title="Handwritten digits, deployed and proven",
        verdicts=verdicts,
        facts={
            **facts,
            "images": result.images,
            "cycles per inference": result.cycles_per_inference,
            "flash, of the line rate": f"{100 * result.link_efficiency:.1f} %",
        },
        explanation=explanation,
        manifest=built.manifest(),
        built=built,
    )
