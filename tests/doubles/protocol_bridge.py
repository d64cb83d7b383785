"""A port of pyserial's, ``bridge://``, that can be asked to be quick; what is written comes back."""

from __future__ import annotations

from serial.urlhandler.protocol_loop import Serial as Loop


class Serial(Loop):
    """pyserial finds it by its module's name."""

    low_latency = False

    def from_url(self, url: str) -> None:
        """There is nothing to set."""

    def set_low_latency_mode(self, low_latency_settings: bool) -> None:
        self.low_latency = low_latency_settings
