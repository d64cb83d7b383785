"""Passes in plain Python: each pass's network run by the integer simulator, boxes cut out and put in place by loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nirdeploy.backends.fpga.passes.cut import Pass, Passes
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.sim import integer
from nirdeploy.targets.wiring import Form, Place


def played(passes: Passes, network: IntegerNetwork, stimulus: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What every population sends, (T, B, size); the stimulus as whole numbers (T, B, *shape), with its borders."""
    steps, samples = next(iter(stimulus.values())).shape[:2]
    signals = {name: values.reshape(steps, samples, -1).astype(np.int64) for name, values in stimulus.items()}
    for one in passes.passes:
        for given in one.wiring.gives:
            size = int(np.prod(given.grid))
            signals.setdefault(given.signal, np.zeros((steps, samples, size), dtype=np.int64))
        for tile in range(one.wiring.tiles):
            _play(one, tile, signals, network)
    return signals


def _play(one: Pass, tile: int, signals: dict[str, np.ndarray], network: IntegerNetwork) -> None:
    shapes = dict(one.network.inputs)
    read = {}
    for taken in one.wiring.takes:
        together = sum(signals[name] for name in taken.signals)
        values = _in_form(np.asarray(together), taken.form, taken.of_sum, taken.grid)
        late = np.zeros_like(values)
        late[taken.delay :] = values[: len(values) - taken.delay]
        box = np.zeros((*late.shape[:2], *shapes[taken.input]), dtype=np.int64)
        for inside, at in _places(taken.firsts[tile], shapes[taken.input], taken.grid):
            box[_everywhere(inside)] = late[:, :, np.ravel_multi_index(at, taken.grid)]
        read[taken.input] = box
    record = integer.simulate(one.network, read, engine="plain")
    for given in one.wiring.gives:
        values = {**record.spikes, **record.membrane}[given.population]
        grid, count = given.grid, int(np.prod(values.shape[2:]))
        shape = grid if count == int(np.prod(grid)) else values.shape[2:]
        values = values.reshape(*values.shape[:2], *shape)
        for inside, at in _places(given.firsts[tile], shape, grid):
            signals[given.signal][:, :, np.ravel_multi_index(at, grid)] += values[_everywhere(inside)]


def _places(first: Place, shape: Place, grid: Place) -> Iterator[tuple[Place, Place]]:
    """Of every value of a box that lies in the grid: where it is in the box, and in the grid."""
    for inside in np.ndindex(*shape):
        at = tuple(a + b for a, b in zip(first, inside, strict=True))
        if all(0 <= a < size for a, size in zip(at, grid, strict=True)):
            yield inside, at


def _everywhere(place: Place) -> Any:
    """A value in all steps and samples."""
    return (slice(None), slice(None), *place)


def _in_form(values: np.ndarray, form: Form, bits: int, grid: tuple[int, ...]) -> np.ndarray:
    """(T, B, size) of the signal to (T, B, size) of the grid."""
    if form is Form.AS_IT_IS:
        return values
    assert (abs(values) < 1 << bits - 1).all()
    low, negative = values % (1 << bits - 1), (values < 0).astype(np.int64)
    if form is not Form.BOTH:
        return low if form is Form.LOW else negative
    channels = grid[0] // 2
    cut = [part.reshape(*values.shape[:2], channels, 1, -1) for part in (low, negative << bits - 1)]
    return np.concatenate(cut, axis=3).reshape(*values.shape[:2], -1)
