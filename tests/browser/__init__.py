"""A page in headless Chromium, as a person would meet it: by eye, by finger and by keyboard."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ABSENT = "Chromium is not installed (Debian: apt install chromium)"
WIDTHS = (360, 768, 1280)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE = 400_000  # ms; a busy machine draws by software

#: Text whose contrast with what is behind it is below what WCAG AA asks: [text, ratio].
_FAINT = """() => {
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const parts = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const own = parts(getComputedStyle(at).backgroundColor);
      if (own.length === 3 || own[3] > 0) return own;
    }
    return [255, 255, 255];
  };
  const heat = document.createElement("i");
  heat.style.backgroundColor = "var(--heat)";
  document.body.append(heat);
  const hot = parts(getComputedStyle(heat).backgroundColor);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style, noscript, title")) continue;
    if (!element.getClientRects().length) continue;
    const style = getComputedStyle(element), inSvg = element.closest("svg");
    const size = parseFloat(style.fontSize), big = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const paper = element.closest(".hm") ? hot : behind(element);
    const [one, other] = [parts(inSvg ? style.fill : style.color), paper].map(luminance);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < (big ? 3 : 4.5)) found.push([walker.currentNode.data.trim().slice(0, 60), ratio]);
  }
  return found;
}"""

#: Elements that stand out on the right although nothing around them scrolls.
_WIDE = """() => [...document.body.querySelectorAll("*")].filter((element) =>
  !element.closest(".scroll, pre, svg, .plot, script") && element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.outerHTML.slice(0, 120))"""

#: What the keyboard should reach, as it is seen now; in a closed part of the page nothing is.
_REACHABLE = """() => [...document.querySelectorAll("a[href], button, summary, [tabindex='0']")]
  .filter((element) => element.checkVisibility()).length"""


@dataclass
class Opened:
    """A page, what its console said of errors, and what it asked the network for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def charts(self, before: str = "") -> list[int]:
        """Those in sight as the page opens, in their order; ``before``: only those above an element."""
        places = "[...document.querySelectorAll('[data-chart]')].filter((one) => one.checkVisibility())"
        above = (
            f".filter((one) => document.querySelector('{before}').compareDocumentPosition(one) & 2)" if before else ""
        )
        return [int(number) for number in self.page.evaluate(f"{places}{above}.map((one) => one.dataset.chart)")]

    def ready(self, chart: int = 0) -> None:
        """Bring a chart into view and wait until it is drawn."""
        place = f"[data-chart='{chart}']"
        self.page.locator(place).scroll_into_view_if_needed()
        self.page.wait_for_function("place => document.querySelector(place).dataset.ready", arg=place, polling=100)

    def ranges(self, chart: int = 0) -> dict[str, list[float]]:
        """Of the axes as they are seen."""
        of = "n => { const full = document.querySelector(`[data-chart='${n}']`)._fullLayout;"
        found: dict[str, list[float]] = self.page.evaluate(
            f"{of} return {{ x: full.xaxis.range.map(Number), y: full.yaxis.range.map(Number) }}; }}", chart
        )
        return found

    def faint(self) -> list[Any]:
        return list(self.page.evaluate(_FAINT))

    def wide(self) -> list[str]:
        """What makes the page wider than the window."""
        over = self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        return [*self.page.evaluate(_WIDE), *(["the page scrolls sideways"] if over else [])]

    def by_keyboard(self) -> tuple[int, int]:
        """How many elements Tab reaches, of how many there are."""
        many = self.page.evaluate(_REACHABLE)
        self.page.evaluate("document.activeElement.blur(); window.met = new Set(); scrollTo(0, 0)")
        for _ in range(many + 5):
            self.page.keyboard.press("Tab")
            self.page.evaluate("document.activeElement !== document.body && window.met.add(document.activeElement)")
        return self.page.evaluate("window.met.size"), many


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Skips where there is none."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(ABSENT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=_PATIENCE)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser: Browser, path: Path, width: int, *, scheme: str = "light") -> Iterator[Opened]:
    """A page from a file, on a phone where the window is narrow."""
    phone = width < 500
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        has_touch=phone,
        is_mobile=phone,
        offline=True,
    )
    context.set_default_timeout(_PATIENCE)
    one = Opened(context.new_page())
    one.page.on("console", lambda said: one.errors.append(said.text) if said.type == "error" else None)
    one.page.on("pageerror", lambda error: one.errors.append(str(error)))
    one.page.on("request", lambda request: one.requests.append(request.url))
    one.page.goto(path.as_uri())
    drawn = "document.documentElement.dataset.charts === 'ready' || !document.getElementById('charts')"
    one.page.wait_for_function(drawn, polling=100)
    yield one
    context.close()
