"""The report: one page, self-contained, escaped, complete."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from nirdeploy.graph.check import check
from nirdeploy.integers.quantize import quantize
from nirdeploy.proof.explain import explain
from nirdeploy.proof.report import html, library
from nirdeploy.proof.report.write import report
from nirdeploy.proof.verify import verify
from nirdeploy.records.pictures import still as raster
from nirdeploy.targets import registry as targets
from tests import networks
from tests.unit.proof.test_verify import record


class _Balance(HTMLParser):
    """Counts open tags; every one must be closed."""

    VOID = frozenset({"meta", "br", "path", "line", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def _full() -> str:
    graph = check(networks.two_layers())
    network = quantize(graph, targets.load("fpga").formats.of_network())
    x = networks.spikes(0, (20, 3, 20))
    explanation = explain(graph, network, x, np.zeros(3, dtype=int))
    measured = record(source="device")
    measured.spikes["a"][4, 2, 1] ^= 1
    return html.render(
        html.Report(
            title="<script>alert(1)</script>",
            verdicts=[verify(record(), measured)],
            facts={"accuracy, float": 0.5, "images": 3},
            tables={"Quantization": network.report},
            explanation=explanation,
            manifest={"digests": {"image": "abc"}},
        )
    )


def test_a_full_page_is_well_formed_and_needs_nothing_else() -> None:
    page = _full()
    parser = _Balance()
    parser.feed(page)
    assert parser.open == []
    assert not re.search(r"https?://|<link|<img|@import| src=", page)
    assert "&lt;script&gt;" in page
    assert re.findall(r"<script[^>]*>", page) == [
        '<script type="application/json" id="charts">',
        '<script type="application/gzip" id="library">',
        "<script>",
    ]
    assert len(page) - len(library.packed()) < 200_000


def test_it_says_what_differs_and_shows_that_sample_first() -> None:
    page = _full()
    assert "device differs from integer in 1 of 324 cells" in page
    assert "step 4, sample 2, neuron 1" in page
    assert page.index("a, sample 2") < page.index("a, sample 0")
    for word in ("Quantization", "Manifest", "rounding, alone", "accuracy, float"):
        assert word in page


def test_a_bare_page_renders(tmp_path: Path) -> None:
    report(verify(record(), record(source="device")), tmp_path / "page.html")
    assert "device equals integer" in (tmp_path / "page.html").read_text()


def test_it_says_what_was_not_compared() -> None:
    exact = record(membrane={"r": record().volts("r")}, scale={}, source="float")
    scaled = record(scale={"r": np.ones(2)}, source="device")
    page = html.render(html.Report(title="t", verdicts=[verify(record(), scaled), verify(exact, record())]))
    for part in ("(the scale of 2 of 2 neurons differs, ", "(float64 without a scale is expected, ", "not judged"):
        assert part in page


def test_a_run_of_no_steps_has_no_rasters() -> None:
    empty = record(spikes={"a": np.zeros((0, 3, 4), np.uint8)}, membrane={"r": np.zeros((0, 3, 2), np.int32)})
    page = html.render(html.Report(title="t", verdicts=[verify(empty, empty)]))
    assert "nothing was compared" in page
    assert "<figure" not in page


def test_raster_draws_agreed_missing_and_extra_apart() -> None:
    a, b = np.zeros((4, 3), np.uint8), np.zeros((4, 3), np.uint8)
    a[0, 0] = b[0, 0] = a[1, 1] = b[2, 2] = 1
    drawn = str(raster.raster(a, b, "x"))
    for kind in ("agreed", "missing", "extra"):
        [path] = re.findall(rf'class="{kind}" d="([^"]*)"', drawn)
        assert path.count("M") == 1


def test_a_large_raster_is_cut_and_says_so() -> None:
    drawn = str(raster.raster(np.ones((1000, 500)), np.ones((1000, 500)), "x"))
    assert "first 256 steps, 128 neurons" in drawn
    assert len(drawn) < 1_000_000
