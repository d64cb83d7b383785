"""The live raster, driven by textual's own pilot."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from textual.widgets import Static

from nirdeploy.cli.live.raster import LEVELS, Raster
from nirdeploy.cli.live.screen import Screen
from nirdeploy.records.steps import Block


def test_a_row_per_neuron_and_a_column_per_step() -> None:
    raster = Raster("a", 3, rows=24, columns=4)
    spikes = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 2], [1, 1, 1], [0, 0, 0]], np.uint8)
    raster.add(spikes)
    full = LEVELS[-1]
    assert raster.lines(80) == [f"0   {full} ", f"1 {full} {full} ", f"2  {full}{full} "]
    assert raster.lines(4)[0] == f"0 {full} "
    assert raster.spikes == 7


def test_rows_of_several_neurons_show_how_many_spiked() -> None:
    raster = Raster("a", 100, rows=4, columns=10)
    spikes = np.zeros((1, 100), np.uint8)
    spikes[0, :25], spikes[0, 25] = 1, 1
    raster.add(spikes)
    assert [line.split()[0] for line in raster.lines(80)] == ["0-24", "25-49", "50-74", "75-99"]
    assert [line[-1] for line in raster.lines(80)] == [LEVELS[-1], LEVELS[1], " ", " "]


class Stream:
    """What pumps until it is told to stop."""

    def __init__(self, fails: bool = False) -> None:
        self.stopped, self.fails, self.told = threading.Event(), fails, 0

    def work(self) -> None:
        for t in range(30):
            self.shown.told(Block(np.array([t]), {"out": np.eye(10, dtype=np.uint8)[None, t % 10]}, {}))
            self.told += 1
        if self.fails:
            raise ValueError("the line was cut")
        self.stopped.wait(60)

    def screen(self) -> Screen:
        self.shown = Screen({"out": 10}, self.work, self.stopped.set, lambda: f"{self.told} steps")
        return self.shown


def _shown(screen: Screen) -> tuple[str, str, str]:
    return tuple(str(screen.query_one(f"#{one}", Static).render()) for one in ("facts", "name0", "raster0"))  # type: ignore[return-value]


def test_spikes_are_drawn_held_and_left() -> None:
    stream = Stream()

    async def driven() -> None:
        screen = stream.screen()
        async with screen.run_test(size=(100, 40)) as pilot:
            while stream.told < 30:
                await pilot.pause(0.05)
            screen.draw()
            facts, name, raster = _shown(screen)
            assert facts == "30 steps"
            assert name == "out: 10 neurons, 30 spikes"
            assert len(raster.splitlines()) == 10
            assert all(line.count(LEVELS[-1]) == 3 for line in raster.splitlines())
            await pilot.press("space")
            assert screen.held
            screen.told(Block(np.array([30]), {"out": np.ones((1, 10), np.uint8)}, {}))
            screen.draw()
            assert _shown(screen)[2] == raster
            await pilot.press("space")
            screen.draw()
            assert _shown(screen)[2] != raster
            await pilot.press("q")
            await pilot.pause()
        screen.finish()

    asyncio.run(driven())
    assert stream.stopped.is_set()


def test_what_the_stream_fails_with_ends_the_screen() -> None:
    stream = Stream(fails=True)

    async def driven() -> None:
        screen = stream.screen()
        async with screen.run_test() as pilot:
            while screen.failed is None:
                await pilot.pause(0.05)
        with pytest.raises(ValueError, match="the line was cut"):
            screen.finish()

    asyncio.run(driven())
