"""Tallies compared and evaluated: as the steps they come from, and said to be tallies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.errors import InputShapeError, UnknownPopulation, UsageProblem
from nirdeploy.proof.evaluate import READERS, accuracy, evaluate
from nirdeploy.proof.verify import verify
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import READS, Tally
from tests.conftest import examples
from tests.unit.proof.test_verify import record

ALL = 3 * (2 * (4 + 6) + 3 * 2)  # cells: count and first of a and b; last, largest and sum of r


def changed(tally: Tally, read: str, name: str, at: tuple[int, ...], by: int = 1) -> Tally:
    values = {one: {n: v.copy() for n, v in held.items()} for one, held in tally.values.items()}
    values[read][name][at] += by
    return replace(tally, values=values)


@pytest.mark.parametrize("which", [(0, 1), (1, 0), (1, 1)])
def test_a_tally_equals_the_record_that_it_comes_from(which: tuple[int, int]) -> None:
    pair = [(record(), Tally.of(record(source="device"), READS))[i] for i in which]
    verdict = verify(*pair)
    assert verdict.equal, verdict.summary()
    assert verdict.cells == ALL
    assert (verdict.reads, verdict.steps, verdict.samples) == (READS, 9, 3)
    assert verdict.summary().endswith(
        f"{ALL} cells compared, 0 differ; compared sample by sample ({', '.join(READS)}), not step by step"
    )
    assert verdict.as_dict()["reads"] == list(READS)


@pytest.mark.parametrize(
    ("read", "name", "at"),
    [
        ("count", "b", (2, 1, 0)),
        ("first", "a", (0, 3)),
        ("last", "r", (1, 1)),
        ("largest", "r", (0, 0)),
        ("sum", "r", (2, 0)),
    ],
)
def test_one_wrong_number_is_named(read: str, name: str, at: tuple[int, ...]) -> None:
    good = Tally.of(record(), READS)
    verdict = verify(record(), changed(good, read, name, at))
    assert not verdict
    assert verdict.mismatches == 1
    [wrong] = [p for p in verdict.populations if p.mismatches]
    assert (wrong.population, wrong.kind) == (name, read)
    first = verdict.first_divergence
    assert first is not None
    assert (first.step, first.sample, first.neuron) == (None, at[0], at[1:])
    held = float(good.values[read][name][at])
    assert (first.expected, first.measured) == (held, held + 1)
    assert f"sample {at[0]}: expected {held:g}" in verdict.summary()
    assert "step" not in str(first)


def test_reads_of_one_tally_alone_are_said_and_what_only_they_tell_of_is_missing() -> None:
    one, other = Tally.of(record(), ["count", "first"]), Tally.of(record(), ["first", "last"])
    verdict = verify(one, other)
    assert verdict.reads == ("first",)
    assert (verdict.missing, bool(verdict)) == (("r",), False)
    assert "of 'a' only the expected record has 'count', which was not compared" in verdict.summary()
    assert "of 'r' only the measured record has 'last', which was not compared" in verdict.summary()
    assert verify(one, other, populations=["a", "b"])
    with pytest.raises(UnknownPopulation, match="no read of samples in common"):
        verify(Tally.of(record(), ["count"]), Tally.of(record(), ["first"]))


def test_what_a_record_holds_and_the_tally_does_not_tell_is_missing() -> None:
    """The read-out may be the network's only output."""
    wrong = record(membrane={"r": record().membrane["r"] + 7})
    for pair in ((Tally.of(record(), ["count"]), wrong), (wrong, Tally.of(record(), ["count"]))):
        verdict = verify(*pair)
        assert (verdict.missing, bool(verdict)) == (("r",), False)
        assert "record has a membrane, which was not compared" in verdict.summary()
    extra = record(membrane={**record().membrane, "a": np.zeros((9, 3, 4), np.int32)})
    assert verify(Tally.of(record(), ["count", "last"]), extra).missing == ()


def test_first_spikes_of_many_steps_in_a_small_type() -> None:
    tally = Tally({"first": {"a": np.full((2, 3), 200, np.uint8)}}, 300, {}, "device", 1e-3, {"output": "a"})
    assert verify(tally, tally)


def test_a_tally_of_nothing() -> None:
    with pytest.raises(UnknownPopulation, match="the tally holds no population"):
        verify(Tally({"first": {}}, 3, {}, "device", 1e-3), Tally({"first": {}}, 3, {}, "device", 1e-3))


def test_a_population_that_one_lacks_is_missing() -> None:
    fewer = record(membrane={}, scale={})
    del fewer.spikes["a"]  # type: ignore[attr-defined]
    verdict = verify(Tally.of(record(), ["count"]), fewer)
    assert verdict.missing == ("a",)
    assert not verdict
    assert "only the expected record has 'count' of 'a'" in verdict.summary()
    assert verify(Tally.of(record(), ["count"]), fewer, populations=["b"])


def test_silence_shows_nothing() -> None:
    none = record(spikes={"a": np.zeros((9, 3, 4), np.uint8)}, membrane={}, scale={})
    for reads in (["count"], ["first"], ["count", "first"]):
        verdict = verify(none, Tally.of(none, reads))
        assert (verdict.vacuous, verdict.silent, bool(verdict)) == (True, ("a",), False)
        assert verify(none, Tally.of(none, reads), allow_silent=True)


def test_tallies_of_other_runs_are_not_compared() -> None:
    short = record(spikes={"a": record().spikes["a"][:5]}, membrane={}, scale={})
    with pytest.raises(InputShapeError, match="9 steps x 3 samples, integer 5 x 3"):
        verify(record(), Tally.of(short, ["count"]))


def test_float_membranes_are_measured_and_decide_nothing() -> None:
    exact = record(membrane={"r": record().volts("r") + 0.125}, scale={}, source="float")
    verdict = verify(exact, Tally.of(record(), ["count", "last"]))
    [of_r] = [p for p in verdict.populations if p.population == "r"]
    assert (of_r.decides, of_r.max_error) == (False, 0.125)
    assert verdict.equal


@pytest.mark.law
@settings(max_examples=examples(40))
@given(seed=st.integers(0, 999), reader=st.sampled_from(READERS))
def test_a_class_read_from_a_tally_is_that_of_the_last_step(seed: int, reader: str) -> None:
    rng = np.random.default_rng(seed)
    steps, samples, classes = rng.integers(1, 6, 3)
    spikes = reader in ("count", "first")
    values = rng.integers(0, 3, (steps, samples, classes))
    made = {"o": values.astype(np.uint8)} if spikes else {}
    membrane = {} if spikes else {"o": values.astype(np.int32) - 1}
    whole = SpikeRecord(made, membrane, {} if spikes else {"o": np.ones(classes)}, "device", 1e-4, {"output": "o"})
    labels = rng.integers(0, classes, samples)
    found, expected = evaluate(Tally.of(whole, [reader]), labels), evaluate(whole, labels, reader)
    assert (found.reader, found.output, found.whole) == (reader, "o", True)
    np.testing.assert_allclose(found.scores[-1], expected.scores[-1])
    assert found.accuracy == expected.accuracy == accuracy(Tally.of(whole, [reader]), labels)
    assert found.confusion.tolist() == expected.confusion.tolist()
    assert (found.steps_needed, len(found.over_steps)) == (None, 1)


def test_what_a_tally_does_not_hold_is_not_read() -> None:
    tally, labels = Tally.of(record(), ["count", "last"]), np.zeros(3)
    assert evaluate(tally, labels).reader == "count"
    assert evaluate(tally, labels, output="r").reader == "last"
    with pytest.raises(UsageProblem, match="does not hold what 'first' reads of 'b'; read it by count"):
        evaluate(tally, labels, "first")
    with pytest.raises(UsageProblem, match="no reader 'mean'"):
        evaluate(tally, labels, "mean")
    with pytest.raises(UnknownPopulation, match="holds no population 'x'"):
        evaluate(tally, labels, output="x")
    with pytest.raises(InputShapeError, match="the labels go from"):
        evaluate(tally, np.full(3, 6))
