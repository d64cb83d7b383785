"""Reading classes out of records: each figure against its definition, written out plainly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import InputShapeError, UnknownPopulation, UsageProblem
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.proof.evaluate import READERS, accuracy, evaluate
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import Tally
from tests import networks
from tests.conftest import examples


def _record(spikes: np.ndarray | None = None, v: np.ndarray | None = None) -> SpikeRecord:
    spiking = {} if spikes is None else {"o": spikes}
    return SpikeRecord(spiking, {} if v is None else {"o": v}, {}, "float", 1e-4, {"output": "o"})


def _score(reader: str, values: np.ndarray, t: int, b: int, c: int) -> float:
    """Of one class, after step ``t``."""
    seen = [float(values[s, b, c]) for s in range(t + 1)]
    if reader in ("count", "sum"):
        return sum(seen)
    if reader == "first":
        return next((-float(s) for s, value in enumerate(seen) if value), -np.inf)
    return seen[-1] if reader == "last" else max(seen)


@pytest.mark.law
@settings(max_examples=examples(40))
@given(seed=st.integers(0, 2**32 - 1), reader=st.sampled_from(READERS))
def test_scores_are_as_defined(seed: int, reader: str) -> None:
    rng = np.random.default_rng(seed)
    steps, samples, classes = rng.integers(1, 6, 3)
    spikes = reader in ("count", "first")
    values = rng.integers(0, 3, (steps, samples, classes)) if spikes else rng.normal(size=(steps, samples, classes))
    labels = rng.integers(0, classes, samples)
    record = _record(values.astype(np.uint8)) if spikes else _record(v=values)
    found = evaluate(record, labels, reader)
    right = []
    for t in range(steps):
        hits = 0
        for b in range(samples):
            scores = [_score(reader, values, t, b, c) for c in range(classes)]
            np.testing.assert_allclose(found.scores[t, b], scores)
            hits += scores.index(max(scores)) == labels[b]
        right.append(hits / samples)
    assert found.over_steps.tolist() == right
    assert found.accuracy == found.top(1) == right[-1]
    assert found.top(int(classes)) == 1.0
    ranks = [sorted(range(classes), key=lambda c: -found.scores[-1, b, c]).index(labels[b]) for b in range(samples)]
    assert [found.top(k) for k in range(1, classes + 1)] == [
        np.mean([rank < k for rank in ranks]) for k in range(1, classes + 1)
    ]


def test_confusion_and_classes() -> None:
    spikes = np.zeros((2, 4, 3), np.uint8)
    for sample, read in enumerate((0, 2, 2, 1)):
        spikes[1, sample, read] = 1
    found = evaluate(_record(spikes), np.array([0, 1, 2, 1]))
    assert found.confusion.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert found.per_class.tolist() == [1.0, 0.5, 1.0]
    assert np.isnan(evaluate(_record(spikes), np.array([0, 1, 1, 1])).per_class[2])
    assert found.over_steps.tolist() == [0.25, 0.75]
    assert found.steps_needed == 2
    assert found.spikes == {"o": 1.0}


def test_the_interval_is_wilsons() -> None:
    spikes = np.zeros((1, 10, 2), np.uint8)
    spikes[0, :8, 1] = 1
    low, high = evaluate(_record(spikes), np.ones(10, int)).interval
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)  # 8 of 10; Brown, Cai and DasGupta 2001
    assert evaluate(_record(spikes), np.concatenate([np.ones(8, int), np.zeros(2, int)])).interval[1] == pytest.approx(
        1.0
    )


@pytest.mark.law
@settings(max_examples=examples(25))
@given(graph=networks.grids(), seed=st.integers(0, 1000))
def test_operations_are_the_weights_that_are_taken(graph: CheckedGraph, seed: int) -> None:
    network = nd.quantize(graph, nd.Formats(8, 24, 24, 12))
    x = networks.stimulus(graph, seed)
    record = nd.simulate(network, x)
    counted = 0
    for p in network.projections:
        sent = np.asarray(x if p.source == "in0" else record.spikes[p.source])
        there = replace(p, operator=replace(p.operator, weight=(p.weight != 0).astype(np.float64)))
        for step in sent.reshape(-1, p.inputs):
            counted += int(there.matrix()[:, step != 0].sum())
    output = next(iter(record.spikes))
    found = evaluate(record, np.zeros(record.samples, int), output=output, network=network, x=x)
    assert found.operations is not None
    assert found.operations * record.samples == pytest.approx(counted)


def test_accuracy_counts_spikes_or_sums_membranes() -> None:
    spikes = np.zeros((3, 2, 3), np.uint8)
    spikes[:, 0, 2] = 1
    spikes[0, 1, 1] = 1
    counted = SpikeRecord({"o": spikes}, {}, {}, "integer", 1e-4, {"output": "o"})
    assert accuracy(counted, np.array([2, 1])) == 1.0
    assert accuracy(counted, np.array([2, 0]), output="o") == 0.5
    membrane = SpikeRecord({}, {"o": spikes.astype(np.int32)}, {"o": np.array([1.0, 9.0, 1.0])}, "integer", 1e-4)
    assert accuracy(membrane, np.array([2, 1]), output="o") == 1.0
    with pytest.raises(InputShapeError, match=r"labels go from 1 to 3, the output 'o' has 3 neurons"):
        accuracy(counted, np.array([3, 1]), output="o")
    with pytest.raises(InputShapeError, match=r"labels have the shape \(3,\), .* steps first"):
        accuracy(counted, np.array([0, 1, 2]))


def test_what_cannot_be_read_is_said() -> None:
    spikes = np.ones((2, 3, 4), np.uint8)
    with pytest.raises(UsageProblem, match="no membrane of 'o', which 'last' reads; read it by count, first"):
        evaluate(_record(spikes), np.zeros(3, int), "last")
    with pytest.raises(UsageProblem, match="no spikes of 'o', which 'first' reads; read it by sum, last, largest"):
        evaluate(_record(v=spikes * 1.0), np.zeros(3, int), "first")
    with pytest.raises(UsageProblem, match="no reader 'best'; readers: count, first"):
        evaluate(_record(spikes), np.zeros(3, int), "best")
    with pytest.raises(UnknownPopulation, match="no population 'q'; it holds o"):
        evaluate(_record(spikes), np.zeros(3, int), output="q")
    with pytest.raises(InputShapeError, match="no samples or no steps"):
        evaluate(_record(spikes[:, :0]), np.zeros(0, int))


def test_a_target_that_lags_is_read_in_the_graphs_steps() -> None:
    spikes = np.zeros((3, 1, 2), np.uint8)
    spikes[2, 0, 1] = 1
    late = SpikeRecord({"o": spikes}, {}, {}, "device", 1e-4, {"output": "o"}, latency={"o": 2})
    assert evaluate(late, np.array([1])).over_steps.tolist() == [1.0]


@pytest.mark.parametrize("reader", ["count", "first"])
def test_samples_that_decide_nothing_are_counted(reader: str) -> None:
    spikes = np.zeros((3, 4, 3), np.uint8)
    spikes[1, 1] = 1  # all alike
    spikes[2, 3, 1] = 1
    found = evaluate(_record(spikes), np.zeros(4, int), reader)
    assert found.undecided == found.as_dict()["undecided"] == 3
    assert not found.vacuous
    assert found.doubt.startswith("3 of 4 samples decide nothing: all classes of 'o' come to the same by")
    counted = evaluate(Tally.of(_record(spikes), ["count", "first"]), np.zeros(4, int), reader)
    assert (counted.undecided, counted.vacuous) == (3, False)


def test_an_accuracy_that_shows_nothing_says_so() -> None:
    found = evaluate(_record(np.zeros((3, 4, 3), np.uint8)), np.zeros(4, int))
    assert found.accuracy == 1.0
    assert found.vacuous
    assert found.doubt.endswith("; the accuracy only says how many labels are 0")
    assert not evaluate(_record(np.eye(3, dtype=np.uint8)[None]), np.zeros(3, int)).doubt


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("reader", ["sum", "last", "largest"])
def test_no_class_is_read_of_what_is_no_number(reader: str, wrong: float) -> None:
    v = np.zeros((3, 2, 4))
    v[1, 0, 2] = wrong
    with pytest.raises(
        InputShapeError, match=r"no class can be read of 'o': it holds .* in step 1, sample 0, neuron 2"
    ):
        evaluate(_record(v=v), np.zeros(2, int), reader)
    v[:, 0, 2] = wrong
    with pytest.raises(InputShapeError, match=r"holds .* in sample 0, neuron 2"):
        evaluate(Tally.of(_record(v=v), [reader]), np.zeros(2, int), reader)


def test_a_sum_beyond_all_numbers_is_refused() -> None:
    with pytest.raises(InputShapeError, match="it holds inf in step 1, sample 0, neuron 0"):
        evaluate(_record(v=np.full((2, 1, 2), 1.5e308)), np.zeros(1, int))


def test_a_record_without_outputs_says_how_to_name_one() -> None:
    record = replace(_record(np.ones((2, 3, 4), np.uint8)), outputs={})
    for one in (record, Tally.of(record, ["count"])):
        with pytest.raises(UsageProblem, match="which of its populations .* --output NAME, .* it holds o"):
            accuracy(one, np.zeros(3, int))
        assert accuracy(one, np.zeros(3, int), output="o") == 1.0


@pytest.mark.parametrize(
    ("beyond", "said"),
    [
        (np.array([1, 3], np.uint64) + np.uint64(2**63), "from 9223372036854775809 to 9223372036854775811"),
        (np.array([0, 2**64 - 1], np.uint64), "from 0 to 18446744073709551615"),
        (np.array([-1e300, 2.0]), r"from -1e\+300 to 2.0"),
        (np.array([0.0, 2.0**63]), r"from 0.0 to 9.22"),
    ],
)
def test_labels_beyond_all_classes_are_said_as_they_are(beyond: np.ndarray, said: str) -> None:
    record = _record(np.ones((3, 2, 4), np.uint8))
    with pytest.raises(InputShapeError, match=rf"the labels go {said}.*a label is the number of a neuron"):
        evaluate(record, beyond)
    assert evaluate(record, np.array([0, 3], np.uint64)).labels.tolist() == [0, 3]
