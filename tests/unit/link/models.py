"""A small device for tests: two populations whose weights lie in its memory, and images for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nirdeploy.image import Image, InputSlot, Readout, ReadoutPart, Section
from nirdeploy.link.reference import INPUT_WORDS, DeviceModel, Memory

SIGNATURE = bytes.fromhex("0123456789abcdef")
WEIGHTS, FILLER = 0x00200000, 0x00300000
INPUTS, HIDDEN, VALUES = 70, 40, 3
THRESHOLD = 3
HIDDEN_WORD, VALUE_WORD = 4, 100
MEMORIES = [(INPUT_WORDS, 1), (0x00000000, 2), (WEIGHTS, 4096), (FILLER, 2048)]


class Integrators:
    """HIDDEN integrate-and-fire neurons read the input, VALUES integrators read their spikes."""

    def __init__(self) -> None:
        self.saturations = 0
        self.rest()

    def rest(self) -> None:
        self.v = np.zeros(HIDDEN, dtype=np.int64)
        self.u = np.zeros(VALUES, dtype=np.int64)

    def begin(self, memory: Memory) -> None:
        self.saturations = 0
        self.rest()
        words = memory.view(WEIGHTS, INPUTS * HIDDEN + HIDDEN * VALUES)
        assert words is not None
        weights = words.view("<i4").astype(np.int64)
        self.first = weights[: INPUTS * HIDDEN].reshape(HIDDEN, INPUTS)
        self.second = weights[INPUTS * HIDDEN :].reshape(VALUES, HIDDEN)

    def step(self, bitmap: np.ndarray, first: bool) -> np.ndarray:
        if first:
            self.rest()
        x = np.unpackbits(bitmap.view(np.uint8), bitorder="little")[:INPUTS].astype(np.int64)
        self.v += self.first @ x
        spikes = self.v >= THRESHOLD
        self.v[spikes] = 0
        self.u += self.second @ spikes
        self.saturations += int(spikes[0])
        out = np.zeros(VALUE_WORD + VALUES, dtype=np.uint32)
        padded = np.zeros(64, dtype=np.uint8)
        padded[:HIDDEN] = spikes
        out[HIDDEN_WORD : HIDDEN_WORD + 2] = np.packbits(padded, bitorder="little").view("<u4")
        out[VALUE_WORD:] = self.u.astype(np.int32).view(np.uint32)
        return out


def image(seed: int = 0, filler: int = 700, signature: bytes = SIGNATURE) -> Image:
    """An image with random weights and a section of ``filler`` random words."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-2, 4, INPUTS * HIDDEN + HIDDEN * VALUES).astype("<i4").view("<u4")
    sections = (
        Section("input", INPUT_WORDS, np.array([3], dtype="<u4")),
        Section("weights", WEIGHTS, weights),
        Section("filler", FILLER, rng.integers(0, 2**32, filler, dtype="<u4")),
    )
    return Image(
        target="test",
        signature=signature.hex(),
        sections=sections,
        inputs=(InputSlot("left", (5, 6), 0), InputSlot("right", (38,), 32)),
        input_words=3,
        readouts=(
            Readout(
                "hidden",
                (8, 5),
                "spikes",
                (ReadoutPart(1, HIDDEN_WORD, 0, 32), ReadoutPart(2, HIDDEN_WORD + 1, 32, 8)),
            ),
            Readout("out", (3,), "membrane", (ReadoutPart(3, VALUE_WORD, 0, 3),), (0.5, 0.25, 1.0)),
        ),
        outputs={"output": "out"},
        dt=1e-3,
        provenance={"seed": seed},
    )


def device_model(memories: Sequence[tuple[int, int]] = MEMORIES) -> DeviceModel:
    return DeviceModel(SIGNATURE, memories, Integrators(), neurons=HIDDEN)


def stimulus(time: int, batch: int, density: float = 0.2, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "left": (rng.random((time, batch, 5, 6)) < density).astype(np.uint8),
        "right": (rng.random((time, batch, 38)) < density).astype(np.uint8),
    }


def expected(held: Image, x: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What the network does: spikes (T, B, 8, 5) and values (T, B, 3), from the image's weights alone."""
    weights = held.sections[1].words.view("<i4").astype(np.int64)
    first = weights[: INPUTS * HIDDEN].reshape(HIDDEN, INPUTS)
    second = weights[INPUTS * HIDDEN :].reshape(VALUES, HIDDEN)
    time, batch = x["left"].shape[:2]
    bits = np.zeros((time, batch, INPUTS), dtype=np.int64)
    bits[:, :, :30] = x["left"].reshape(time, batch, 30)
    bits[:, :, 32:] = x["right"]
    v = np.zeros((batch, HIDDEN), dtype=np.int64)
    u = np.zeros((batch, VALUES), dtype=np.int64)
    spikes, values = [], []
    for t in range(time):
        v += bits[t] @ first.T
        fired = v >= THRESHOLD
        v[fired] = 0
        u += fired @ second.T
        spikes.append(fired.astype(np.uint8))
        values.append(u.copy())
    return np.stack(spikes).reshape(time, batch, 8, 5), np.stack(values)


def holds(model: DeviceModel, held: Image) -> bool:
    """Whether the device's memory is the image, word for word."""
    return all(
        np.array_equal(model.memory.view(s.address, len(s.words)), s.words)  # type: ignore[arg-type]
        for s in held.sections
    )


class ModelPort:
    """A port with a device model right behind it: no line, no time, silence comes at once."""

    def __init__(self, model: DeviceModel) -> None:
        self.model = model
        self.answers = bytearray()
        self.written = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += len(data)
        self.answers += self.model.feed(data)

    def read(self, timeout: float) -> bytes:
        data = bytes(self.answers)
        self.answers.clear()
        return data

    def close(self) -> None:
        self.closed = True
