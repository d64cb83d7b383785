"""The page in headless Chromium, at three widths: nothing is cut off, faint or fetched, and all charts are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

import nirdeploy as nd
from nirdeploy.proof.report import html
from nirdeploy.proof.report.witnesses import told
from nirdeploy.proof.verify import verify
from nirdeploy.records.spikes import SpikeRecord
from tests import networks
from tests.browser import WIDTHS, Opened, chromium, opened

pytestmark = pytest.mark.xdist_group("browser")  # they share its pages

HOSTILE = "<script>alert(1)</script> \N{RIGHT-TO-LEFT OVERRIDE}net"
FAR = 700  # a neuron that a page which shows the first ones would leave out


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with all that there may be: a device that differs, labels, coverage, a build."""
    path = tmp_path_factory.mktemp("page") / "full.html"
    built = nd.build(networks.two_layers(sizes=(24, 40, 10)), "fpga")
    x, labels = networks.spikes(1, (40, 6, 24), 0.4), np.arange(6)
    quantized, reference = nd.simulate(built, x), nd.simulate(built.graph, x)
    measured = replace(nd.simulate(built, x), source="device")
    measured.spikes["lif1"][30, 3, 33] ^= 1
    verdict = replace(verify(quantized, measured), coverage=nd.coverage(built, x[:4, :1]))
    report = html.Report(
        title=HOSTILE,
        verdicts=[verdict, verify(reference, quantized)],
        facts={"accuracy, device": 0.5},
        tables={"Coverage": verdict.coverage.rows() if verdict.coverage else ()},
        explanation=nd.explain(built.graph, built.network, x, labels),
        manifest=built.manifest(),
        built=built,
    )
    html.write(path, told(report, x, labels, "virtual"))
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10^5 spikes in one raster, and one that only the device has, far down."""
    path = tmp_path_factory.mktemp("page") / "large.html"
    spikes = (np.random.default_rng(0).random((500, 1, 800)) < 0.25).astype(np.uint8)
    spikes[321, 0, FAR] = 0
    expected = SpikeRecord({"many": spikes}, {}, {}, "integer", 1e-3, {"out": "many"})
    assert spikes.sum() > 99_000
    other = spikes.copy()
    other[321, 0, FAR] = 1
    measured = replace(expected, spikes={"many": other}, source="device")
    html.write(path, html.Report("many", [verify(expected, measured)]))
    return path


@pytest.fixture(scope="module")
def phone(browser: Browser, full: Path) -> Iterator[Opened]:
    with opened(browser, full, WIDTHS[0]) as page:
        yield page


def _nothing_is_cut_off_faint_or_fetched(page: Opened, path: Path) -> None:
    for chart in page.charts():
        page.ready(chart)
    assert page.wide() == []
    assert page.faint() == []
    page.page.emulate_media(color_scheme="dark")
    page.page.wait_for_function("getComputedStyle(document.body).backgroundColor === 'rgb(18, 24, 31)'")
    page.page.wait_for_function("document.querySelector('.plot .bg').style.fill === 'rgb(18, 24, 31)'")
    assert page.faint() == []
    assert page.errors == []
    assert page.requests == [path.as_uri()]
    assert "\\u202e" in page.page.locator("h1").inner_text()


def test_nothing_is_cut_off_faint_or_fetched_on_a_phone(phone: Opened, full: Path) -> None:
    _nothing_is_cut_off_faint_or_fetched(phone, full)


@pytest.mark.parametrize("width", WIDTHS[1:])
def test_nothing_is_cut_off_faint_or_fetched(browser: Browser, full: Path, width: int) -> None:
    with opened(browser, full, width) as page:
        _nothing_is_cut_off_faint_or_fetched(page, full)


def test_the_keyboard_reaches_all(phone: Opened) -> None:
    reached, there = phone.by_keyboard()
    assert reached == there > 40


def test_the_first_difference_is_in_sight_of_each_pair(phone: Opened) -> None:
    rings = "n => document.querySelector(`[data-chart='${n}']`)._fullLayout.annotations.map((one) => one.text)"
    firsts = phone.charts(before="#compared")
    assert len(firsts) == 4  # device against integer, integer against float: a raster and a membrane of each
    for chart in firsts:
        phone.ready(chart)
        found = phone.page.evaluate(rings, chart)
        assert [text for text in found if text.startswith("first difference: step")], found
    assert "neuron 33" in phone.page.locator(f"#words{firsts[0]}").inner_text()
    for chart in firsts[1::2]:
        assert "threshold" in phone.page.locator(f"#words{chart}").inner_text()


def test_a_hundred_thousand_spikes_are_drawn_and_zoomed(browser: Browser, large: Path) -> None:
    with opened(browser, large, 768) as page:
        page.ready()
        drawn = "n => document.querySelector(`[data-chart='${n}']`)._fullData.map((one) => [one.type, one._length])"
        many, one = page.page.evaluate(drawn, 0)
        assert many[0] == "scattergl"
        assert many[1] > 99_000
        assert one == ["scattergl", 1]
        near = page.ranges()
        assert near["x"][0] < 321 < near["x"][1]
        assert near["y"][1] < FAR < near["y"][0]
        page.page.locator(".controls button", has_text="all").click()
        page.page.wait_for_function("document.querySelector('[data-chart]')._fullLayout.xaxis.range[0] === -0.5")
        assert page.ranges() == {"x": [-0.5, 499.5], "y": [799.5, -0.5]}
        page.page.locator("[data-chart='0']").focus()
        page.page.keyboard.press("+")
        page.page.wait_for_function("document.querySelector('[data-chart]')._fullLayout.xaxis.range[0] > 0")
        closer = page.ranges()
        assert closer["x"][1] - closer["x"][0] == pytest.approx(250)
        assert closer["x"][0] < 321 < closer["x"][1]
        assert page.errors == []


def test_a_page_without_a_script_says_what_the_charts_show(browser: Browser, full: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(full.as_uri())
    assert "neuron 33 in step 30" in page.locator("#words0").inner_text()
    assert "charts need a script" in page.locator("body").inner_text()
    context.close()
