"""terms: what the words of a page mean, said where they stand."""

from __future__ import annotations

from collections.abc import Iterable

#: By the name of a column or figure.
TERMS = {
    "fan in": "signals that lead to one neuron",
    "shift": "weights count so many bits above the membrane's smallest unit",
    "weight sqnr db": "how far the rounding of the weights lies below the weights themselves, in decibel (signal to "
    "quantization noise ratio): each bit is worth 6 dB; below about 20 dB a network often changes what it does",
    "decay error": "the largest error that rounding makes in the share of a membrane that a step leaves",
    "threshold error": "the largest error that rounding makes in a threshold, of the threshold",
    "saturation margin bits": "so many bits a membrane may still grow before it is held at the largest number; "
    "below 0 it may be held there, and then says less than it should",
    "weight bits": "bits of each weight into the population",
    "membrane bits": "bits of each membrane",
    "decay bits": "fraction bits of the decay",
    "neurons": "places of neurons, of those that the core has",
    "parameters": "rows of thresholds, decays and the like",
    "weight rows": "rows of the weight memory: a row holds a weight for each lane",
    "jobs": "populations, or slices of them, that a core updates in a step",
    "segments": "pieces of what a core listens to: one for each group of neurons, or inputs, whose spikes it takes",
    "cycles": "clock cycles that the core takes for a step, predicted at one spike in ten",
    "limited by": "what the cycles go to: updates of neurons, or spikes that arrive",
    "saturations": "updates whose result was held at the largest or smallest number that there is; 0 is best",
    "cells": "a cell is one neuron in one step of one sample",
    "mismatches": "cells that differ",
    "coverage": "of how many parameters a fault of one step would have shown in what was compared",
    "fired": "neurons that spiked at least once, inputs that were ever active",
    "busy cycles": "clock cycles in which cores worked, in all samples",
}


def of(names: Iterable[str]) -> dict[str, str]:
    """What is known of these, in their order."""
    spelt = [name.replace("_", " ") for name in names]
    return {name: TERMS[name] for name in spelt if name in TERMS}
