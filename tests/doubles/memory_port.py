"""A port with the device's RTL right behind it, and a plain memory beside that."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.simulated import verilate
from nirdeploy.targets.emit import Artifacts, emit

ALWAYS = 256  # of 256 cycles
_HARNESS = "sim/memory_port.cpp"
_ROOM = 1 << 20
_REST = 100  # cycles


class RtlPort:
    """As a serial port without a line; simulated time passes while bytes come, and while it is read.

    ``memory``: the words beside the chip, the simulation's own. ``patience``: cycles that a read takes at most.
    """

    name = "rtl"

    def __init__(self, target: FpgaTarget, patience: int = 5000) -> None:
        made = Artifacts()
        for name, text in emit(target).items():
            made.add(name, text)
        made.add(_HARNESS, Path(__file__).with_suffix(".cpp").read_bytes())
        self._lib = verilate.library(made, "device", _HARNESS)
        for name in ("create", "memory"):
            getattr(self._lib, f"bench_{name}").restype = ctypes.c_void_p
        for name in ("cycles", "reads", "writes"):
            getattr(self._lib, f"bench_{name}").restype = ctypes.c_uint64
            getattr(self._lib, f"bench_{name}").argtypes = [ctypes.c_void_p]
        self._lib.bench_memory.argtypes = [ctypes.c_void_p]
        self._lib.bench_destroy.argtypes = [ctypes.c_void_p]
        self._lib.bench_pace.argtypes = [ctypes.c_void_p, *[ctypes.c_uint32] * 3]
        self._lib.bench_run.argtypes = [
            *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint64),
            *(ctypes.c_char_p, ctypes.c_uint32),
        ]
        words = target.hardware.external << 18
        self._handle = self._lib.bench_create(ctypes.c_uint32(words))
        held = ctypes.cast(self._lib.bench_memory(self._handle), ctypes.POINTER(ctypes.c_uint32))
        self.memory: np.ndarray = np.ctypeslib.as_array(held, (words,))
        self._out = ctypes.create_string_buffer(_ROOM)
        self._answers = bytearray()
        self.patience = patience

    def pace(self, least: int, most: int, often: int = ALWAYS) -> None:
        """Cycles that a read takes, and in how many of 256 cycles the memory takes a request."""
        self._lib.bench_pace(self._handle, least, most, often)

    @property
    def cycles(self) -> int:
        return int(self._lib.bench_cycles(self._handle))

    @property
    def words_read(self) -> int:
        return int(self._lib.bench_reads(self._handle))

    @property
    def words_written(self) -> int:
        return int(self._lib.bench_writes(self._handle))

    def write(self, data: bytes) -> None:
        count = self._lib.bench_run(self._handle, data, len(data), _REST, self.patience, self._out, _ROOM)
        self._answers += self._out.raw[:count]

    def read(self, timeout: float) -> bytes:
        if not self._answers:
            self.write(b"")
        data = bytes(self._answers)
        self._answers.clear()
        return data

    def close(self) -> None:
        if self._handle:
            self._lib.bench_destroy(self._handle)
            self._handle = None
