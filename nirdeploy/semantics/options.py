"""options: what a framework's user sets to have another dialect, for messages in the framework's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from nirdeploy.semantics.dialect import Dialect


@dataclass(frozen=True)
class Framework:
    """``options``: as written where a neuron is made, and what they make of the dialect; the least change first."""

    title: str
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


# The options' names: the constructors of snnTorch 1.0, SpikingJelly 2.0, sinabs 3.1 and Rockpool 3.1.
FRAMEWORKS: dict[str, Framework] = {
    "snntorch": Framework(
        "snnTorch",
        {
            "reset_delay=False": {"reset_delay": False},
            'reset_mechanism="zero"': {"reset": "zero"},
            'reset_mechanism="subtract"': {"reset": "subtract"},
        },
    ),
    "spikingjelly": Framework("SpikingJelly", {"v_reset=0.": {"reset": "zero"}, "v_reset=None": {"reset": "subtract"}}),
    "sinabs": Framework(
        "sinabs",
        {
            "spike_fn=SingleSpike": {"spikes": "binary"},
            "min_v_mem=None": {"v_min": "none"},
            "reset_fn=MembraneReset()": {"reset": "zero"},
            "reset_fn=MembraneSubtract()": {"reset": "subtract"},
        },
    ),
    "rockpool": Framework("Rockpool", {"max_spikes_per_dt=1": {"max_spikes": 1}}),
    "norse": Framework("Norse"),
    "spyx": Framework("Spyx"),
    "lava": Framework("Lava"),
}


def that_make(dialect: Dialect, fit: Callable[[Dialect], bool]) -> list[str] | None:
    """The fewest options of the dialect's framework that make a dialect which fits; None if none do."""
    known = FRAMEWORKS[dialect.preset].options
    for count in range(1, len(known) + 1):
        for chosen in combinations(known, count):
            changed = replace(dialect, **{name: value for option in chosen for name, value in known[option].items()})
            if fit(changed):
                return list(chosen)
    return None
