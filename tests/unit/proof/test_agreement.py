"""Records that are not of one network and one run, or hold what nobody can judge, are never equal."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import UsageProblem
from nirdeploy.graph.check import check
from nirdeploy.proof import regress
from nirdeploy.proof.verify import unmeasured, verify
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import Tally
from tests import networks
from tests.unit.proof.test_verify import record

APART: dict[str, tuple[dict[str, Any], str]] = {
    "dt": ({"dt": 2e-4}, "a step takes 0.0001 s in the expected record and 0.0002 s in the measured one"),
    "outputs": (
        {"outputs": {"output": "a"}},
        "the expected record's outputs are output (b), the measured one's output (a)",
    ),
    "no outputs": ({"outputs": {}}, "the measured one's none"),
    "stimulus": (
        {"manifest": {"network": "abc", "stimulus": "ghi"}},
        "of another stimulus than the expected one (ghi, not jkl)",
    ),
    "network": ({"manifest": {"network": "def"}}, "of another integer network than the expected one (def, not abc)"),
}


@pytest.mark.parametrize("kind", APART)
def test_what_records_do_not_agree_on_fails_and_is_said(kind: str) -> None:
    changes, said = APART[kind]
    for measured in (record(**changes), Tally.of(record(**changes), ["count"])):
        verdict = verify(record(), measured)
        assert not verdict.equal
        assert verdict.mismatches == 0
        assert said in verdict.summary()
        assert any(said in line for line in verdict.as_dict()["apart"])


def test_a_digest_that_one_record_lacks_says_nothing() -> None:
    assert verify(record(), record(manifest={}))
    assert verify(record(manifest={"graph": "x"}), record())  # a graph and its integers
    assert not verify(record(manifest={"graph": "x"}), record(manifest={"graph": "y"}))


def test_a_golden_may_be_of_an_earlier_network_but_not_of_another_step(tmp_path: Any) -> None:
    regress.record(tmp_path / "g.nird", record())
    assert regress.check(tmp_path / "g.nird", record(manifest={"network": "def"}))
    slower = regress.check(tmp_path / "g.nird", record(dt=2e-4))
    assert not slower
    assert "a step takes" in slower.summary()


def test_a_build_and_its_device_say_the_same_network() -> None:
    built = nd.build(check(networks.two_layers()), "fpga")
    x = networks.spikes(0, (4, 2, *built.graph.populations[0].shape))
    assert built.image.manifest()["network"] == nd.simulate(built, x).manifest["network"]


@pytest.mark.parametrize(
    ("changes", "red"),
    [
        ({}, True),
        ({"stats": {"saturations": 3.0, "steps": 27.0}}, False),
        ({"stats": {"saturations": 4.0, "steps": 30.0}}, False),  # some steps twice
        ({"stats": {"saturations": 4.0, "steps": 27.0, "bytes_flashed": 9.0}}, False),  # in several passes
        ({"stats": {"saturations": math.nan, "steps": 27.0}}, False),
        ({"stats": {"saturations": 4.0}}, False),
        ({"manifest": {"network": "abc"}}, False),  # perhaps of another stimulus
        ({"stats": {"saturations": 3.0 + 2**32, "steps": 27.0}}, False),  # counted from 0 again
    ],
)
def test_a_device_that_saturates_elsewhere_is_not_equal_though_its_values_are(
    changes: dict[str, Any], red: bool
) -> None:
    """27 steps: 9 of each of 3 samples."""
    expected = record(stats={"saturations": 3.0})
    measured = record(source="device", **{"stats": {"saturations": 4.0, "steps": 27.0}, **changes})
    for verdict in (
        verify(expected, measured),
        verify(expected, Tally.of(measured, ["count", "last"])),
    ):
        assert bool(verdict) != red
        said = "3 updates saturated in the expected record and 4 in the measured one"
        assert (said in verdict.summary()) == red
    if red:
        odd = replace(measured, spikes={**measured.spikes, "a": 1 - measured.spikes["a"]})
        assert not verify(expected, odd).apart  # what differs says more


def _with(name: str, values: np.ndarray) -> SpikeRecord:
    if name == "r":
        return replace(record(), membrane={**record().membrane, name: values})
    return replace(record(), spikes={**record().spikes, name: values})


@given(value=st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 0.5]), at=st.integers(0, 9 * 3 * 4 - 1))
def test_what_is_no_count_is_not_equal_even_to_itself(value: float, at: int) -> None:
    values = record().spikes["a"].astype(np.float64)
    values.reshape(-1)[at] = value
    broken = _with("a", values)
    for expected, measured in ((broken, broken), (record(), broken), (broken, record())):
        verdict = verify(expected, measured)
        assert not verdict.equal
        assert "spikes of 'a' cannot be equal" in verdict.summary()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_membrane_that_is_no_number_is_not_equal(value: float) -> None:
    values = record().volts("r")
    values[3, 1, 0] = value
    broken = replace(_with("r", values), scale={})
    said = verify(broken, broken).summary()
    assert "membrane of 'r' cannot be equal: the expected values are not all finite" in said
    assert not verify(broken, record())
    assert not verify(record(), broken)


def test_negative_counts_of_an_integer_type() -> None:
    broken = _with("a", record().spikes["a"].astype(np.int16) - 1)
    assert "counts are not all whole numbers from 0 to 2^32 - 1 (-1 at" in verify(broken, broken).summary()


def test_counts_beyond_what_a_record_holds() -> None:
    broken = _with("a", record().spikes["a"].astype(np.uint64) << 40)
    assert "counts are not all whole numbers" in verify(broken, broken).summary()


@pytest.mark.parametrize("kind", ["O", "M8[s]", "c16", "S3"])
def test_values_that_are_no_numbers_are_said_and_not_compared(kind: str) -> None:
    broken = _with("a", record().spikes["a"].astype(np.int64).astype(kind))
    for pair in ((broken, broken), (record(), broken), (broken, record())):
        verdict = verify(*pair)
        assert not verdict.equal
        assert "which are no numbers" in verdict.summary()


def test_a_device_gives_no_floats() -> None:
    """A read-out in floats is a reference's, and only then measured instead of judged."""
    device = replace(record(), membrane={"r": record().volts("r") * 0}, scale={}, source="device")
    verdict = verify(record(), device)
    assert not verdict.equal
    assert (
        "membrane of 'r' cannot be equal: int32 in units of a scale is expected, float64 without" in verdict.summary()
    )


def test_where_no_output_is_judged_nothing_is_equal() -> None:
    ours = replace(record(), outputs={"output": "r"})
    exact = replace(ours, membrane={"r": record().volts("r")}, scale={}, source="float")
    verdict = verify(exact, ours)
    assert not verdict.equal
    assert "but what the network gives ('r') is measured and not judged" in verdict.summary()
    assert verify(exact, ours, populations=["a"])


def test_each_output_is_judged_or_nothing_is_equal() -> None:
    """One that spikes does not answer for a read-out whose device says anything."""
    ours = replace(record(), outputs={"one": "b", "other": "r"}, source="device")
    exact = replace(ours, membrane={"r": record().volts("r")}, scale={}, source="float")
    wrong = replace(ours, membrane={"r": 7 - ours.membrane["r"]})
    for measured in (ours, wrong):
        verdict = verify(exact, measured)
        assert not verdict.equal
        assert "but what the network gives ('r') is measured and not judged" in verdict.summary()
    assert verify(exact, ours, populations=["a", "b"])


def test_a_verdict_says_both_manifests_of_records_of_one_source() -> None:
    told = verify(record(), record(manifest={"network": "abc", "target": "fpga"})).manifests
    assert told == {"expected": record().manifest, "measured": {"network": "abc", "target": "fpga"}}
    assert set(verify(record(), record(source="device")).manifests or ()) == {"integer", "device"}


def test_integers_and_devices_lag_alike() -> None:
    """What a record says of its lag would else leave steps out of the comparison."""
    steps = record().steps
    late = replace(record(), latency={"a": 5, "b": 5}, source="device")
    late.spikes["a"][: steps - 5] ^= 1
    verdict = verify(record(), late)
    assert not verdict.equal
    assert "'a' lags behind the graph by 0 steps in the expected record, by 5 in the measured one" in verdict.summary()
    assert verdict.cells == verify(record(), record()).cells


@pytest.mark.parametrize("steps", [-1, 1.5, "a", True])
def test_a_lag_that_is_no_number_of_steps(steps: object) -> None:
    odd = replace(record(), latency={"a": steps})  # type: ignore[dict-item]
    assert "which is no number of steps" in verify(record(), odd).summary()
    assert not verify(record(), odd)


def test_populations_of_several_runs() -> None:
    odd = _with("a", record().spikes["a"][:4])
    verdict = verify(odd, odd)
    assert not verdict
    assert "the expected record is of several runs: 'a' 4 x 3, 'r' 9 x 3" in verdict.summary()


def test_a_record_that_names_no_network_is_remarked() -> None:
    ours = replace(record(), manifest={"network": "12"})
    unnamed = replace(record(), manifest={})
    assert "the measured record does not say of which network it is" in verify(ours, unnamed).summary()
    assert "of which network" not in verify(ours, ours).summary()
    both = replace(record(), manifest={"network": "12", "graph": "34"})
    other = replace(record(), manifest={"graph": "35"})
    assert "is of another graph than the expected one (35, not 34)" in verify(both, other).summary()


def test_outputs_that_no_record_holds_are_said() -> None:
    ours = replace(record(), outputs={"output": "gone"})
    assert verify(ours, ours).notes == ("no record holds what the network gives: 'gone'",)
    assert verify(replace(ours, outputs={}), replace(ours, outputs={})).notes


def test_two_numbers_that_differ_are_never_written_alike() -> None:
    measured = replace(record(), membrane={"r": record().membrane["r"] + 5_123_456})
    expected = replace(record(), membrane={"r": record().membrane["r"] + 5_123_457})
    first = verify(expected, measured).first_divergence
    assert first is not None
    said = str(first).rpartition(": ")[2]
    assert said == f"expected {int(first.expected)}, measured {int(first.measured)}"


def test_only_records_are_compared() -> None:
    with pytest.raises(UsageProblem, match="verify compares two records, not a int"):
        verify(record(), 3)  # type: ignore[arg-type]


def test_nothing_measured_is_never_equal() -> None:
    verdict = unmeasured(record(), "nothing was measured: there is no device")
    assert not verdict.equal
    assert verdict.summary().endswith("nothing was compared with integer; nothing was measured: there is no device")
