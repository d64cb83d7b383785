"""Frameworks in environments of their own, held to our float reference in their dialect: no spike differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nirdeploy.graph.check import check
from nirdeploy.semantics.dialect import Dialect, parse
from nirdeploy.sim import float_
from tests.frameworks.networks import Ledger
from tests.frameworks.witnesses.asking import WITNESSES, ask

pytestmark = pytest.mark.witness

NETWORKS = 36


@pytest.fixture(scope="module", params=WITNESSES)
def testimony(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of random networks of one framework (``.nir``), each with stimulus and own spikes (``.npz``)."""
    folder = tmp_path_factory.mktemp(request.param)
    ask(request.param, "random", folder, str(NETWORKS))
    return folder


def compared(folder: Path, dialect: Dialect | None = None) -> Iterator[tuple[str, int, dict[str, np.ndarray]]]:
    """By network: its name, how many spike counts differ, and the framework's own spikes."""
    for path in sorted(folder.glob("*.nir")):
        with np.load(path.with_suffix(".npz")) as archive:
            x, home = archive["x"], {name: archive[name] for name in archive.files if name != "x"}
        ours = float_.simulate(check(path, dialect=dialect), x).spikes
        assert set(ours) == set(home)
        yield path.stem, sum(int((ours[name] != home[name]).sum()) for name in home), home


def test_the_framework_spikes_as_our_reference_in_its_dialect(testimony: Path, ledger: Ledger) -> None:
    differing: dict[str, int] = {}
    for name, wrong, home in compared(testimony):
        ledger.add(home)
        differing |= {name: wrong} if wrong else {}
    assert not differing
    assert ledger.networks == NETWORKS


def test_in_nirs_own_dialect_it_does_not(testimony: Path) -> None:
    # Exponential, as a time constant of Rockpool may be shorter than its step.
    found = [wrong for _, wrong, _ in compared(testimony, parse("nir,dt=1e-3,discretization=exponential"))]
    assert sum(wrong > 0 for wrong in found) > NETWORKS // 2


_IN_A_ROW = ["input_1", "_0", "_1", "_2", "_3", "output"]


@pytest.mark.parametrize(
    ("framework", "expected"),
    [
        (
            "rockpool",
            [
                _IN_A_ROW,
                ["x", "fc1", "lif1", "fc2", "rec", "rec_recurrent", "output"],
                ["input_1", "_0", "output"],
            ],
        ),
        ("spyx", [_IN_A_ROW, [*_IN_A_ROW, "_3_recurrent"]]),
    ],
)
def test_nodes_are_called_as_from_every_framework(framework: str, expected: list[list[str]]) -> None:
    assert json.loads(ask(framework, "names").splitlines()[-1]) == expected


@pytest.mark.parametrize(
    ("framework", "messages"),
    [
        (
            "spyx",
            {
                "adaptive": "layer 0 (ALIF) of the Spyx network has no NIR form",
                "derived": "layer 0 (Other) of the Spyx network has no NIR form",
                "function": "layer 0 (ufunc) of the Spyx network has no NIR form",
                "dilated": "layer 0 (Conv): kernel_dilation does not pass",
                "lopsided": "layer 0 (Conv): SAME pads one side more than the other",
                "unflattened": "layer 0 (Linear) takes a signal of (H, W, C); insert a Flatten",
                "between": "layer 2 (IF) follows a Flatten; put a Linear between them",
            },
        ),
        (
            "rockpool",
            {
                "noisy": "0 (LIFTorch): it is noisy (in tests/frameworks/witnesses/rockpool_nets.py:",
                "half": "max_spikes_per_dt = 1.5 is not a whole number",
                "times": "several time steps: 0.001 s, 0.01 s",
                "time": "several time steps: 0.0001 s, 0.001 s",
                "lowpass": "1_LowPass (LowPass): rockpool's LowPass: it steps by time constants of its own",
                "synapses": "its 2 neurons have 2 synapses each, with time constants of their own",
                "rate": "0 (RateTorch): rockpool's RateTorch: it does not spike",
            },
        ),
    ],
)
def test_what_no_node_expresses_is_refused(framework: str, messages: dict[str, str]) -> None:
    said = json.loads(ask(framework, "refused").splitlines()[-1])
    assert set(said) == set(messages)
    for name, message in messages.items():
        assert said[name].startswith("ExportError: "), said[name]
        assert message in said[name]
