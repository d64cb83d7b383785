"""counting: what a device says that it counted, held to what can be before anybody reads it."""

from __future__ import annotations

from nirdeploy.device.client import Device
from nirdeploy.device.protocol import COUNTED, DeviceStatus
from nirdeploy.errors import TransferError


class Counting:
    """The counters of some runs, from now on. ``totals``: what they came to."""

    def __init__(self, device: Device) -> None:
        self._where = device.where
        self._began = self._last = device.status().cycles
        self.totals = {"cycles": 0.0, "busy_cycles": 0.0, "steps": 0.0, "saturations": 0.0}

    def add(self, status: DeviceStatus, steps: int | None = None) -> None:
        """A run that has ended, and began after the last one.

        Args:
            steps: that it must have done; None: nobody knows how many were not lost.

        Raises:
            TransferError: these counters cannot be.
        """
        gone = self.gone(status)
        if status.busy_cycles > gone:
            raise self._absurd(f"its cores worked for {status.busy_cycles:,} of {gone:,} cycles")
        if steps is not None and status.steps != steps % COUNTED:
            raise self._absurd(f"it did {status.steps:,} steps, and was given {steps:,}")
        self.totals["cycles"] = float(status.cycles - self._began)
        for name in ("busy_cycles", "steps", "saturations"):
            self.totals[name] += getattr(status, name)

    def gone(self, status: DeviceStatus) -> int:
        """Cycles since the last time. Raises :class:`TransferError` where they went backwards."""
        if status.cycles < self._last:
            raise self._absurd(f"its clock went from {self._last:,} cycles back to {status.cycles:,}")
        gone, self._last = status.cycles - self._last, status.cycles
        return gone

    def _absurd(self, what: str) -> TransferError:
        return TransferError(
            f"the device counts what cannot be, or was reset meanwhile: {what}",
            where=self._where,
            hint="reset the board, flash and run again; check that its bitstream is the target's",
        )
