"""However the samples are cut, and whether parts were stored or not, what is joined is what the whole comes to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.pipeline import Build
from nirdeploy.proof.coverage.judge import Ledger
from nirdeploy.proof.energy.modelled import energy, priced
from nirdeploy.proof.scale import stored
from nirdeploy.proof.scale.parts import Evaluated, Verified, evaluated, verified
from nirdeploy.records import store
from nirdeploy.records.spikes import SpikeRecord
from tests import networks
from tests.conftest import examples

SAMPLES = 6


def _readout() -> nir.NIRGraph:
    """Whose output is a membrane, and whose populations sort in another order than they stand."""
    graph = networks.two_layers(sizes=(12, 10, 4))
    nodes = {{"lif1": "z", "lif2": "a"}.get(name, name): node for name, node in graph.nodes.items()}
    nodes["a"] = nir.LI(tau=np.full(4, 1e-2), r=np.ones(4), v_leak=np.zeros(4))
    return nir.NIRGraph(nodes, [("input", "fc1"), ("fc1", "z"), ("z", "fc2"), ("fc2", "a"), ("a", "output")])


@pytest.fixture(scope="module", params=["spikes", "readout"])
def built(request: pytest.FixtureRequest) -> Build:
    return nd.build(networks.two_layers(sizes=(12, 10, 4)) if request.param == "spikes" else _readout())


def _flawed(built: Build, wrong: set[int]) -> Callable[[Any], SpikeRecord]:
    """A device that says something else of the samples whose first step has so many spikes."""

    def measured(x: np.ndarray) -> SpikeRecord:
        record = nd.simulate(built, x)
        name = next(iter(record.spikes))
        spikes = record.spikes[name].copy()
        for sample in range(x.shape[1]):
            if int(x[0, sample].sum()) in wrong:
                spikes[2, sample, 3] ^= 1
                spikes[5, sample, 1] ^= 1
        stats = {**record.stats, "busy_cycles": float(x.sum())}
        return replace(record, spikes={**record.spikes, name: spikes}, source="device", stats=stats)

    return measured


@pytest.mark.law
@settings(max_examples=examples(5), phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(
    seed=st.integers(0, 1000),
    rate=st.sampled_from([0.0, 0.1, 0.5]),
    cuts=st.sets(st.integers(1, SAMPLES - 1)),
    wrong=st.sets(st.integers(0, 12), max_size=4),
    looked=st.integers(0, SAMPLES),
)
def test_any_cut(built: Build, seed: int, rate: float, cuts: set[int], wrong: set[int], looked: int) -> None:
    x, labels = networks.spikes(seed, (7, SAMPLES, 12), rate), np.random.default_rng(seed).integers(0, 4, SAMPLES)
    measured, ends = _flawed(built, wrong), sorted(cuts | {SAMPLES})
    slices = [slice(first, last) for first, last in zip([0, *ends], ends, strict=False)]

    def of(part: slice) -> Verified:
        many = max(0, min(looked, part.stop) - part.start)
        return _again(verified(built, x[:, part], labels[part], measured, looked=many))

    whole, parts = verified(built, x, labels, measured, looked=looked), list(map(of, slices))
    joined = Verified.joined(parts)
    assert _said(joined) == _said(whole)
    told = {name: {**said, "stimulus": ""} for name, said in (whole.verdict.manifests or {}).items()}
    assert {name: {**said, "stimulus": ""} for name, said in (joined.verdict.manifests or {}).items()} == told
    assert replace(joined.verdict, manifests=None) == replace(whole.verdict, manifests=None)  # and all its fields
    if looked:
        ledgers = [Ledger(built.network, list(map(str, [p.name for p in built.network.populations]))) for _ in "ab"]
        ledgers[0].absorb(whole.exercised)
        for part in parts:
            if part.exercised:
                ledgers[1].absorb(part.exercised)
        assert ledgers[0].coverage() == ledgers[1].coverage()

    scored = evaluated(built, x, labels, measured)
    joined_scores = Evaluated.joined([_again(evaluated(built, x[:, s], labels[s], measured)) for s in slices])
    assert _told(built, joined_scores) == _told(built, scored)
    record = measured(x)
    expected = _json(nd.evaluate(record, labels, network=built.network, x=x).as_dict(3))
    assert _json(joined_scores.evaluations[2].as_dict(3)) == expected
    assert _told(built, joined_scores)[1][2] == _json(energy(built, record, x).as_dict())


def _again(part: Any) -> Any:
    """A part as it comes back from another process, or a folder."""
    return stored.of_parts(*store.unpack(store.pack(*stored.parts(part)), where="here"))


def _json(told: Any) -> str:
    return json.dumps(told)


def _said(found: Verified) -> list[str]:
    """The float model's membranes without their last digits, which depend on how many samples are computed at once."""
    told, exact = (found.rounding.as_dict(), found.explanation.as_dict()), (found.verdict.as_dict(), found.accuracies)
    rounded = (json.loads(_json(one), parse_float=lambda text: f"{float(text):.9g}") for one in told)
    return [
        *map(_json, (*rounded, *exact)),
        str(found.saturations),
        *found.explanation.summary(),
        found.verdict.summary(),
        *found.doubts,
    ]


def _told(built: Build, found: Evaluated) -> tuple[list[str], list[str]]:
    costs = [ran and priced(built, ran).as_dict() for ran in found.ran]
    return [_json(one.as_dict(2)) for one in found.evaluations], [_json(cost) for cost in costs]


def test_samples_that_decide_nothing_are_counted_over_all_parts() -> None:
    built = nd.build(networks.two_layers(sizes=(12, 10, 4)))
    silent, labels = networks.spikes(0, (7, SAMPLES, 12), 0.0), np.zeros(SAMPLES, dtype=np.int64)
    parts = [_again(verified(built, silent[:, s], labels[s], None)) for s in (slice(0, 2), slice(2, SAMPLES))]
    assert f"{SAMPLES} of {SAMPLES} samples decide nothing" in Verified.joined(parts).doubts[0]


def test_a_part_is_what_it_was_stored_as(built: Build) -> None:
    x, labels = networks.spikes(3, (7, SAMPLES, 12), 0.5), np.arange(SAMPLES) % 4
    for part in (verified(built, x, labels, None, looked=2), evaluated(built, x, labels, _flawed(built, {5, 6}))):
        blob = store.pack(*stored.parts(part))
        assert store.pack(*stored.parts(_again(part))) == blob
