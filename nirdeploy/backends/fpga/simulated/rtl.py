"""The RTL as a simulator: the fabric's Verilog, compiled, fed bitmaps and read back, without the link."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.simulated import verilate
from nirdeploy.errors import DeviceMismatch, InternalError
from nirdeploy.records import spikes
from nirdeploy.targets.emit import Artifacts, emit
from nirdeploy.targets.image import Image, input_bitmap, record_of, stimulus_of
from nirdeploy.targets.slots import Readout, ReadoutPart

_U32 = ctypes.POINTER(ctypes.c_uint32)
_U64 = ctypes.POINTER(ctypes.c_uint64)
_U8 = ctypes.POINTER(ctypes.c_uint8)


@dataclass(frozen=True)
class Timing:
    """``cycles`` of a whole run, and the cycle at which each step's last message crossed the bus."""

    cycles: int
    step_done: np.ndarray

    def sustained(self) -> float:
        """Cycles per step once the pipeline is full: the slope between the 10 % and 90 % marks."""
        low, high = len(self.step_done) // 10, (len(self.step_done) * 9) // 10
        return float((int(self.step_done[high]) - int(self.step_done[low])) / (high - low))


class Fabric:
    """One simulated chip of a target. Raises :class:`ToolMissing` without Verilator or a compiler."""

    def __init__(self, target: FpgaTarget, artifacts: Artifacts | None = None) -> None:
        self.target = target
        lib = verilate.library(artifacts or emit(target), "bench", "sim/bench.cpp")
        lib.bench_create.restype = ctypes.c_void_p
        lib.bench_destroy.argtypes = [ctypes.c_void_p]
        lib.bench_write.argtypes = [ctypes.c_void_p, ctypes.c_uint32, _U32, ctypes.c_uint32]
        lib.bench_read.argtypes = [ctypes.c_void_p, ctypes.c_uint32, _U32, ctypes.c_uint32]
        lib.bench_run.argtypes = [
            *(ctypes.c_void_p, _U32, ctypes.c_uint32, ctypes.c_uint32, _U8, ctypes.c_uint32),
            *(_U32, ctypes.c_uint32, _U64, _U64, _U32),
        ]
        self._lib = lib
        self._handle = lib.bench_create()
        self.timing = Timing(0, np.zeros(0, dtype=np.uint64))

    def close(self) -> None:
        if self._handle:
            self._lib.bench_destroy(self._handle)
            self._handle = None

    def __enter__(self) -> Fabric:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self, image: Image) -> None:
        """Write every section. Raises :class:`DeviceMismatch` if the image is for other hardware."""
        if image.signature != self.target.signature.hex():
            raise DeviceMismatch(f"the image is for hardware {image.signature}, this is {self.target.signature.hex()}")
        for section in image.sections:
            words = np.ascontiguousarray(section.words, dtype=np.uint32)
            if self._lib.bench_write(self._handle, section.address, words.ctypes.data_as(_U32), len(words)):
                raise InternalError(f"section {section.name} leaves the device's memories")

    def read(self, address: int, count: int) -> np.ndarray:
        """``count`` words read back from the memories."""
        words = np.zeros(count, dtype=np.uint32)
        self._lib.bench_read(self._handle, address, words.ctypes.data_as(_U32), count)
        return words

    def run(self, image: Image, x: Any, probe: str | Sequence[str] = "all") -> spikes.SpikeRecord:
        """Run the loaded image on ``x`` (T, B, *input shape), the samples one after the other."""
        probed = spikes.select(probe, [r.population for r in image.readouts], image.outputs)
        stimulus = stimulus_of(image, x)
        time, batch = next(iter(stimulus.values())).shape[:2]
        bitmap = _bitmaps(image, stimulus)
        first = np.zeros(time * batch, dtype=np.uint8)
        first[::time] = 1
        out, saturations = self._steps(bitmap, first, _groups(image))
        read = _read([r for r in image.readouts if r.population in probed], out, time, batch)
        return record_of(image, read, "rtl", {"saturations": float(saturations), "cycles": float(self.timing.cycles)})

    def _steps(self, bitmap: np.ndarray, first: np.ndarray, expected: int) -> tuple[np.ndarray, int]:
        steps, words = bitmap.shape
        out = np.zeros((steps, self.target.hardware.out_words), dtype=np.uint32)
        done = np.zeros(steps, dtype=np.uint64)
        cycles, saturations = ctypes.c_uint64(), ctypes.c_uint32()
        hangs = self._lib.bench_run(
            self._handle,
            *(bitmap.ctypes.data_as(_U32), steps, words, first.ctypes.data_as(_U8), expected),
            *(out.ctypes.data_as(_U32), out.shape[1], done.ctypes.data_as(_U64)),
            *(ctypes.byref(cycles), ctypes.byref(saturations)),
        )
        if hangs:
            raise InternalError("the fabric does not move any more: a job waits for a group that never completes")
        self.timing = Timing(cycles.value, done)
        return out, saturations.value


def _bitmaps(image: Image, stimulus: dict[str, np.ndarray]) -> np.ndarray:
    """uint32 (B * T, input words): sample after sample."""
    bits = input_bitmap(image, stimulus)
    packed = np.packbits(bits.reshape(-1, bits.shape[2]), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4").astype(np.uint32)


def _groups(image: Image) -> int:
    return sum(1 << part.group for readout in image.readouts for part in readout.parts)


def _read(readouts: Sequence[Readout], out: np.ndarray, time: int, batch: int) -> dict[str, list[np.ndarray]]:
    """What :func:`record_of` takes, from the words of every step, sample after sample: uint32 (B * T, words)."""
    by_step = out.reshape(batch, time, -1).swapaxes(0, 1)
    return {r.population: [_part_of(r, part, by_step) for part in r.parts] for r in readouts}


def _part_of(readout: Readout, part: ReadoutPart, out: np.ndarray) -> np.ndarray:
    """uint8 (T, B, bytes) of a part, from the words (T, B, words) of every step."""
    words = -(-part.bits // 32) if readout.kind == "spikes" else part.count
    return np.ascontiguousarray(out[:, :, part.address : part.address + words]).astype("<u4").view(np.uint8)
