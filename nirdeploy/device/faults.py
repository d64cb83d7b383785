"""A seeded fault wrapper in front of any port: ``fault:seed=42,drop=1e-4,flip=1e-4:PORT``."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields

from nirdeploy.device.ports import Port
from nirdeploy.errors import UsageProblem, meant

PREFIX = "fault:"


@dataclass(frozen=True)
class Faults:
    """Probabilities per byte, in both directions. ``burst`` zeroes up to eight bytes in a row."""

    seed: int = 0
    drop: float = 0.0
    flip: float = 0.0
    duplicate: float = 0.0
    insert: float = 0.0
    swap: float = 0.0
    burst: float = 0.0


def parse(spec: str) -> tuple[Faults, str]:
    """Split ``fault:field=value,...:PORT``. Raises :class:`UsageProblem` naming the fields there are."""
    settings, colon, port = spec.removeprefix(PREFIX).partition(":")
    known = {field.name: field.type for field in fields(Faults)}
    values: dict[str, float] = {}
    wrong = [name for name in (one.partition("=")[0] for one in settings.split(",")) if name not in known]
    try:
        for setting in settings.split(","):
            name, _, value = setting.partition("=")
            if name not in known:
                raise ValueError(f"unknown field {name!r}")
            values[name] = int(value) if name == "seed" else float(value)
            if name != "seed" and not 0 <= values[name] <= 1:
                raise ValueError(f"{name} must be a probability")
        if not colon or not port:
            raise ValueError("no port after the faults")
    except ValueError as error:
        raise UsageProblem(
            f"cannot read the fault port {spec!r}: {error}",
            hint=f"write fault:seed=1,drop=1e-4:PORT; {meant(wrong, known, 'fields:')}",
        ) from error
    return Faults(**values), port  # type: ignore[arg-type]


class FaultyPort:
    """A port that damages what passes through it, the same way for the same seed and bytes."""

    def __init__(self, port: Port, faults: Faults) -> None:
        self._port = port
        self._faults = faults
        self._out = random.Random(f"out {faults.seed}")
        self._in = random.Random(f"in {faults.seed}")
        self.injected = 0

    def write(self, data: bytes) -> None:
        self._port.write(self._damage(data, self._out))

    def read(self, timeout: float) -> bytes:
        while data := self._port.read(timeout):
            if damaged := self._damage(data, self._in):
                return damaged
        return b""

    def close(self) -> None:
        self._port.close()

    def _damage(self, data: bytes, rng: random.Random) -> bytes:
        faults, result, zeros = self._faults, bytearray(), 0
        total = faults.drop + faults.flip + faults.duplicate + faults.insert + faults.swap + faults.burst
        for byte in data:
            if zeros:
                zeros -= 1
                byte = 0
            if rng.random() >= total:
                result.append(byte)
                continue
            self.injected += 1
            kind = rng.choices(
                ("drop", "flip", "duplicate", "insert", "swap", "burst"),
                (faults.drop, faults.flip, faults.duplicate, faults.insert, faults.swap, faults.burst),
            )[0]
            if kind == "flip":
                result.append(byte ^ 1 << rng.randrange(8))
            elif kind == "duplicate":
                result += bytes([byte, byte])
            elif kind == "insert":
                result += bytes([rng.randrange(256), byte])
            elif kind == "swap":
                result.insert(max(len(result) - 1, 0), byte)
            elif kind == "burst":
                result.append(0)
                zeros = rng.randrange(8)
        return bytes(result)
