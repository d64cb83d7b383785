"""Xylo's integer model against the vendor's own simulator: spikes, membranes and currents, nothing differs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nirdeploy.backends.xylo.placement import place
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.emit import emit
from nirdeploy.targets.tables import Target
from tests.chips.fits import placement_of
from tests.chips.table import Table
from tests.chips.witnesses.asking import ask
from tests.chips.xylo_networks import BACKEND, NAMES, Drawn, states, target
from tests.witnesses import seeds

pytestmark = pytest.mark.witness

NETWORKS = 150
STEPS = 80
SCRIPTS = 30


def rendered(network: IntegerNetwork, target: Target, stimulus: dict[str, np.ndarray], folder: Path) -> None:
    """What the build leaves, and the stimulus (T, 1, size) beside it."""
    placement = placement_of(place(network, target))
    BACKEND.validate(placement, network, target)
    emit(target, network, placement).save(folder)
    np.savez(folder / "stimulus.npz", **dict[str, Any]({name: values[:, 0] for name, values in stimulus.items()}))


def drawn(folder: Path, count: int) -> dict[Path, tuple[IntegerNetwork, dict[str, np.ndarray]]]:
    """Networks at random in turn for each of the chips, rendered into folders of their own, and their stimuli."""
    made = {}
    for seed in seeds(count):
        chip = target(NAMES[seed % 3], fan_out=4) if seed % 2 else target(NAMES[seed % 3])
        one = Drawn(seed, chip)
        network, x = one.network(), one.stimulus(STEPS)
        rendered(network, chip, x, folder / str(seed))
        made[folder / str(seed)] = network, x
    return made


def test_xylosim_computes_the_same(tmp_path: Path, table: Table) -> None:
    """Registers at random; neurons of few synapses, so that many are repeated by an alias."""
    made = drawn(tmp_path, NETWORKS)
    ask("xylosim", "layer", tmp_path)
    seen: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for folder, (network, x) in made.items():
        ours = states(network, x)
        seen["saturated"] += ours.saturations
        with np.load(folder / "record.npz") as theirs:
            for name in theirs.files:
                seen["values"] += theirs[name].size
                wrong[folder.name] += int((ours.values[name] != theirs[name]).sum())
                seen["spikes"] += int(theirs[name].sum()) if name.startswith("spikes.") else 0
    counts = {"networks": len(made), "values": seen["values"], "spikes": seen["spikes"], "mismatches": wrong.total()}
    table.compared("xylo", "xylosim 0.1.3", **counts)
    assert not +wrong
    assert seen["spikes"] > 10_000
    assert seen["saturated"] > 1000  # the ends of the registers are among what was compared


def test_the_rendered_script_runs_in_rockpool_without_samna(tmp_path: Path, table: Table) -> None:
    """Rockpool's own simulation of the three chips, built from the matrices that the script makes."""
    made = drawn(tmp_path, SCRIPTS)
    ask("xylosim", "script", tmp_path)
    seen: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for folder, (network, x) in made.items():
        ours = states(network, x).values
        with np.load(folder / "record.npz") as theirs:
            assert len(theirs.files) == 3 * len(network.populations)
            for name in theirs.files:
                kind, _, population = name.partition(".")
                values = ours[f"{'spikes' if kind == 's' else kind}.{population}"]
                seen["values"] += values.size
                wrong[folder.name] += int((values != theirs[name]).sum())
                seen["spikes"] += int(values.sum()) if kind == "s" else 0
    counts = {"networks": len(made), "values": seen["values"], "spikes": seen["spikes"], "mismatches": wrong.total()}
    table.compared("xylo", "the rendered script in Rockpool 3.1", **counts)
    assert not +wrong
    assert seen["spikes"] > 1000
