"""Records that are not of one network and one run, or hold what nobody can judge, are never equal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nirdeploy as nd
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
    assert "counts are not all whole numbers from 0 on (-1 at" in verify(broken, broken).summary()


def test_nothing_measured_is_never_equal() -> None:
    verdict = unmeasured(record(), "nothing was measured: there is no device")
    assert not verdict.equal
    assert verdict.summary().endswith("nothing was compared with integer; nothing was measured: there is no device")
