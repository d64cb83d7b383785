"""Flash throughput over the virtual board's serial port, as a fraction of the line rate.

    python benchmarks/link.py [--json]

The image fills the weight memories. Time is the device's own clock, read from its cycle counter before
the first request of the flash and after its commit: questions, answers, check and the host's pauses
included. What counts as carried is the sections' bytes, ten line bits each (8N1).
"""

from __future__ import annotations

import argparse
import json

import nirdeploy as nd
from benchmarks.rtl_cycles import network
from nirdeploy.backends.fpga.simulated import board
from nirdeploy.targets import registry as targets

BAUDS = (1_000_000, 1_500_000, 3_000_000)


def measure() -> dict[str, dict[str, float]]:
    """``efficiency``, ``bytes``, ``seconds`` and ``retransmitted`` by baud rate."""
    target = targets.load("fpga").with_hardware(weight_rows=4096)
    built = nd.build(network(), target)
    board.prepare(target)
    found: dict[str, dict[str, float]] = {"efficiency": {}, "bytes": {}, "seconds": {}, "retransmitted": {}}
    for baud in BAUDS:
        with board.start(target, baud=baud) as running, nd.open_device(running.port, target, baud) as device:
            report = nd.flash(built, device)
        found["efficiency"][str(baud)] = round(report.line_fraction(target.serial_board.clock_hz, baud), 4)
        found["bytes"][str(baud)] = report.bytes_sent
        found["seconds"][str(baud)] = round(report.seconds, 2)
        found["retransmitted"][str(baud)] = report.retransmitted
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure()
    if options.json:
        print(json.dumps(found))
        return
    print("     baud    bytes  seconds (wall)  of the line rate")
    for baud, efficiency in found["efficiency"].items():
        print(f"{baud:>9} {found['bytes'][baud]:>8} {found['seconds'][baud]:>15} {100 * efficiency:>16.1f} %")


if __name__ == "__main__":
    main()
