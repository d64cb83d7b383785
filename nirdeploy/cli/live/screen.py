"""screen: a stream in the terminal, drawn by textual while a thread of its own pumps."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nirdeploy.cli.live.raster import Raster
from nirdeploy.errors import ToolMissing

try:
    from textual.app import App, ComposeResult
    from textual.containers import VerticalScroll
    from textual.widgets import Footer, Header, Static
except ImportError as error:
    raise ToolMissing(
        f"the live raster needs textual, which is not there: {error}", hint="pip install 'nirdeploy[live]'"
    ) from error

if TYPE_CHECKING:
    from nirdeploy.device.streaming.session import StepStream
    from nirdeploy.device.streaming.sources.source import Source
    from nirdeploy.records.steps import Block

_ROWS, _COLUMNS = 24, 512
_SECONDS = 0.1  # between two pictures
_WAITING = 4096  # blocks that the screen may be behind; beyond, the oldest are not drawn


class Screen(App[None]):
    """Rasters of all populations that spike, and a line of figures.

    Args:
        populations: neurons by name.
        work: what pumps; it is run in a thread, and ends soon after ``stop`` was called.
        facts: what is said of the stream by now.
    """

    TITLE = "nirdeploy stream"
    BINDINGS = [("q", "leave", "end the stream"), ("space", "hold", "hold the picture")]  # noqa: RUF012 - textual's own
    CSS = "Static { height: auto; } .name { text-style: bold; }"

    def __init__(
        self,
        populations: dict[str, int],
        work: Callable[[], None],
        stop: Callable[[], None],
        facts: Callable[[], str],
    ) -> None:
        super().__init__()
        self.rasters = {name: Raster(name, count, _ROWS, _COLUMNS) for name, count in populations.items()}
        self.failed: BaseException | None = None
        self.held = False
        self._work, self._stop, self._facts = work, stop, facts
        self._blocks: deque[Block] = deque(maxlen=_WAITING)
        self._thread = threading.Thread(target=self._pump, name="a stream", daemon=True)

    def told(self, block: Block) -> None:
        """Something came; any thread may say so."""
        self._blocks.append(block)

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static(self._facts(), id="facts", markup=False)
        with VerticalScroll():
            for number, name in enumerate(self.rasters):
                yield Static(name, classes="name", id=f"name{number}", markup=False)
                yield Static("", id=f"raster{number}", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.set_interval(_SECONDS, self.draw)
        self._thread.start()

    def _pump(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the screen ends
            self.failed = error
            self.call_from_thread(self.exit)

    def draw(self) -> None:
        """The picture as of now."""
        while self._blocks:
            block = self._blocks.popleft()
            for name, raster in self.rasters.items():
                raster.add(block.spikes[name])
        ended = "" if self._thread.is_alive() else "  (ended; q leaves)"
        self.query_one("#facts", Static).update(self._facts() + ended)
        if self.held:
            return
        for number, raster in enumerate(self.rasters.values()):
            shown = self.query_one(f"#raster{number}", Static)
            shown.update("\n".join(raster.lines(shown.size.width or 80)))
            self.query_one(f"#name{number}", Static).update(
                f"{raster.name}: {raster.neurons:,} neurons, {raster.spikes:,} spikes"
            )

    def action_hold(self) -> None:
        self.held = not self.held

    def action_leave(self) -> None:
        self._stop()
        self.exit()

    def finish(self) -> None:
        """Wait for the thread. Raises what it ended with."""
        self._stop()
        self._thread.join()
        if self.failed is not None:
            raise self.failed


def screen(flow: StepStream, source: Source, told: Any) -> Screen:
    """The screen of a stream; ``told`` is what counts for the summary."""
    from nirdeploy.device.streaming.pump import pump

    began = time.monotonic()

    def stop() -> None:
        told.by_hand = True

    def facts() -> str:
        seconds = max(time.monotonic() - began, 1e-9)
        rate = f"{told.steps / seconds:,.0f} a second"
        return f"{told.steps:,} steps, {rate}, {flow.dropped:,} dropped; in {seconds:,.0f} s"

    def work() -> None:
        def both(block: Block) -> None:
            told(block)
            shown.told(block)

        pump(flow, source, both, told.stopped, told.most)

    shown = Screen({n: math.prod(v.shape[2:]) for n, v in flow.head.spikes.items()}, work, stop, facts)
    return shown


def show(flow: StepStream, source: Source, told: Any) -> None:
    """Until somebody leaves. Raises what the stream does."""
    shown = screen(flow, source, told)
    shown.run()
    shown.finish()
