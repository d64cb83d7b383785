"""What ``nirdeploy stimulus`` exercises of two networks, beside random stimuli of as many samples.

python benchmarks/exercised.py
"""

from __future__ import annotations

import time

from nirdeploy.graph.check import check
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.proof.coverage.judge import coverage
from nirdeploy.proof.coverage.search import stimulus_for
from tests.networks import spikes, two_layers

STEPS, SAMPLES, SECONDS = 64, 64, 30.0


def main() -> None:
    print("| network | `--cover-bits` | random, 15 % spikes | made | samples | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for sizes in ((20, 30, 10), (784, 128, 10)):
        network = quantize(check(two_layers(sizes=sizes)), Formats(8, 24, 24, 12))
        for bits in (None, 8, 5):
            drawn = coverage(network, spikes(0, (STEPS, SAMPLES, sizes[0]), rate=0.15), bits=bits)
            began = time.monotonic()
            made = stimulus_for(network, steps=STEPS, samples=SAMPLES, seconds=SECONDS, bits=bits)
            took, found = time.monotonic() - began, made.coverage
            name, asked = "-".join(map(str, sizes)), "integers" if bits is None else bits
            print(
                f"| {name} | {asked} | {drawn.percent:.1f} % | {found.percent:.1f} % | {found.samples} | {took:.0f} |"
            )


if __name__ == "__main__":
    main()
