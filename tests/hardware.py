"""The hardware that tests compile. Each takes a while, so tests share what means the same to them."""

from __future__ import annotations

from nirdeploy.targets import registry
from nirdeploy.targets.tables import Target

#: Gather cores without the link; varied: cores, lanes, neurons updated per cycle, widths of weights, state and decay,
#: dialects or not.
FABRICS: dict[str, dict[str, int]] = {
    "two small cores": {
        **{"cores": 2, "lanes": 8, "weight_rows": 16384, "neurons": 512, "jobs": 64, "update": 2},
        **{"dialects": 0, "spike_planes": 1, "maxima": 0},
    },
    "three cores, wide update": {
        **{
            "cores": 3,
            "lanes": 32,
            "weight_rows": 2048,
            "neurons": 512,
            "jobs": 64,
            "update": 8,
            "spots": 0,
            "lists": 1,
        },
    },
    "two compact cores": {
        **{"cores": 2, "lanes": 8, "weight_rows": 16384, "neurons": 512, "jobs": 64, "update": 1, "compact": 1},
        **{"decay_bits": 8, "state_bits": 16, "shift_max": 7},
    },
    "one core, 16-bit weights": {
        **{"cores": 1, "lanes": 16, "weight_rows": 8192, "neurons": 512, "jobs": 128, "update": 1},
        **{"weight_bits": 16, "accumulator_bits": 24, "state_bits": 20, "decay_bits": 12},
        **{"groups": 8, "spike_planes": 2},
    },
}


def fabric(name: str = "two small cores") -> Target:
    """One of ``FABRICS``, with room for what random networks need."""
    return _fpga(**FABRICS[name], segments=2048)


def small_device() -> Target:
    """Memories that the line fills in a moment. Where their size is of no matter, ``fpga`` itself is compiled too."""
    return _fpga(cores=2, lanes=8, weight_rows=512, neurons=64, jobs=16)


def small_board(name: str, **more: int) -> Target:
    """A board's target with about as little on it as there is, and ``more``."""
    data = registry.load(name).model_dump(by_alias=True)
    small = {
        **{"cores": 1, "lanes": 8, "update": 1, "weight_rows": 256, "neurons": 64, "parameters": 32, "synapse": 0},
        **{"spatial": 0, "planes": 1, "jobs": 4, "segments": 16, "queue": 8, "groups": 4, "spike_words": 16},
        **{
            "dialects": 0,
            "spike_planes": 1,
            "maxima": 0,
            "out_words": 64,
            "window": 1024,
            "state_bits": 12,
            "accumulator_bits": 12,
            "decay_bits": 8,
        },
        "external": 0,
    }
    for key, value in {**small, **more}.items():
        data["formats" if key in data["formats"] else "hardware"][key] = value
    data["models"] = {model: support for model, support in data["models"].items() if not model.startswith("Cuba")}
    return registry.validate(data, where=name)


def overflowing_board() -> Target:
    """More weights than the iCE40 UltraPlus has memory for: 8 single-port RAMs of its 4."""
    return small_board("fpga-icebreaker", lanes=16, weight_rows=16384)


def _fpga(**hardware: int) -> Target:
    return registry.load("fpga").with_hardware(**hardware)
