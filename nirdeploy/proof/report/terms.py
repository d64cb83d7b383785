"""terms: what the words of a page mean, said where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: By the part of a page, and by the name of a column or figure there.
TERMS: Mapping[str, Mapping[str, str]] = {
    "facts": {
        "saturations": "updates whose result was held at the largest or smallest number that there is; 0 is best",
        "dialect": "the rules of a step where frameworks differ: when a spike resets, what the input is multiplied by",
    },
    "compared": {
        "cells": "a cell is one neuron in one step of one sample",
        "mismatches": "cells that differ",
        "coverage": "of how many parameters a fault of one step would have shown in what was compared",
    },
    "populations": {
        "fan in": "signals that lead to one neuron",
        "weight bits": "bits of each weight into the population",
        "weight sqnr db": "how far the rounding of the weights lies below the weights themselves, in decibel (the "
        "signal to quantization noise ratio): a bit more is worth 6 dB",
        "saturation margin bits": "by so many bits a membrane may still grow before it is held at the largest number; "
        "below 0 it may be held there, and then says less than it should",
        "threshold error": "the largest error that rounding makes in a threshold, as a part of it",
        "decay error": "the largest error that rounding makes in the share of a membrane that a step leaves",
        "membrane bits": "bits of each membrane",
        "decay bits": "fraction bits of the decay",
        "shift": "weights count so many bits above the membrane's smallest unit",
    },
    "cores": {
        "neurons": "places of neurons, of those that the core has",
        "parameters": "rows of thresholds, decays and the like",
        "weight rows": "rows of the weight memory: a row holds a weight for each lane",
        "jobs": "populations, or slices of them, that a core updates in a step",
        "segments": "pieces of what a core listens to: one for each group of neurons, or inputs, whose spikes it takes",
        "cycles": "clock cycles that the core takes for a step, predicted",
        "limited by": "what takes most of the cycles: the update of neurons, the walk over what spiked, or its sources",
    },
    "Coverage": {
        "fired": "neurons that spiked at least once, inputs that were ever active",
        "weight": "of how many weights a fault of one step would have shown; so with the other columns in percent",
        "saturated": "neurons that were held at the largest or smallest number",
        "codes": "of an input of numbers: how many of those that it may take occurred",
    },
}


def of(part: str, names: Iterable[str]) -> dict[str, str]:
    """What is known of these in a part of the page, in their order."""
    known = TERMS.get(part, {})
    return {name: known[name] for name in (one.replace("_", " ") for one in names) if name in known}
