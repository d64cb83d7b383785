"""Goldens: recorded once, compared exactly, changed only with a reason."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from nirdeploy.errors import CorruptFile, InputShapeError, UsageProblem
from nirdeploy.proof import regress
from nirdeploy.proof.report import junit
from nirdeploy.proof.verify import verify
from nirdeploy.records.spikes import SpikeRecord
from tests.unit.proof.test_verify import record


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    regress.record(tmp_path / "golden.nird", record(), manifest={"digests": {"image": "1"}})
    return tmp_path / "golden.nird"


def _flipped(count: int) -> SpikeRecord:
    changed = record(source="device")
    changed.spikes["a"].reshape(-1)[:count] ^= 1
    return changed


def _junit(regression: regress.Regression, path: Path) -> None:
    junit.write(path, [regression.verdict], failed=regression.failed)


def test_the_same_spikes_pass(golden: Path) -> None:
    regression = regress.check(golden, record(source="device"))
    assert regression.passed
    assert regression.summary() == "no regression: 324 cells equal the golden's"
    assert regress.load(golden).manifest["build"] == {"digests": {"image": "1"}}


def test_a_single_spike_fails_and_is_named(golden: Path) -> None:
    regression = regress.check(golden, _flipped(1))
    assert not regression.passed
    assert [p.population for p in regression.failed] == ["a"]
    assert regression.summary().startswith("regression in a:")


@pytest.mark.parametrize(
    ("tolerance", "passes"), [(0.02, True), ({"a": 0.02}, True), ({"b": 0.02}, False), (0.01, False)]
)
def test_only_a_stated_tolerance_allows_a_difference(golden: Path, tolerance: object, passes: bool) -> None:
    regression = regress.check(golden, _flipped(2), tolerance=tolerance)  # type: ignore[arg-type]
    assert bool(regression) == regression.passed == passes  # 2 of 108 cells of "a"


def test_unknown_population_in_a_tolerance(golden: Path) -> None:
    with pytest.raises(UsageProblem, match="a tolerance names zz"):
        regress.check(golden, record(), tolerance={"zz": 0.1})


def test_a_lost_population_fails(golden: Path) -> None:
    assert not regress.check(golden, record(membrane={}, scale={})).passed


def test_read_outs_must_be_of_the_goldens_form(golden: Path, tmp_path: Path) -> None:
    scaled = record(scale={"r": np.array([0.5, np.nextafter(0.25, 1)])})
    exact = record(membrane={"r": record().volts("r")}, scale={}, source="float")
    for run, text in ((scaled, "the scale of 1 of 2 neurons differs"), (exact, "float64 without a scale is measured")):
        regression = regress.check(golden, run, tolerance=1.0)
        assert not regression.passed
        assert [p.population for p in regression.failed] == ["r"]
        assert regression.summary().startswith("regression in r: ")
        assert text in regression.summary()
        _junit(regression, tmp_path / "r.xml")
        assert ET.parse(tmp_path / "r.xml").getroot()[0].get("failures") == "1"


def test_a_run_of_no_steps_passes_nothing() -> None:
    empty = record(spikes={"a": np.zeros((0, 3, 4), np.uint8)}, membrane={}, scale={})
    regression = regress.Regression(verify(empty, empty), {}, {})
    assert not regression.passed
    assert "nothing was compared" in regression.summary()


def test_junit_tells_a_populations_spikes_from_its_membrane(tmp_path: Path) -> None:
    both = {**record().membrane, "a": np.zeros((9, 3, 4), np.int32)}
    regress.record(tmp_path / "golden.nird", record(membrane=both))
    changed = record(membrane={**both, "a": both["a"] + 1})
    _junit(regress.check(tmp_path / "golden.nird", changed), tmp_path / "r.xml")
    cases = ET.parse(tmp_path / "r.xml").getroot()[0].iter("testcase")
    failed = [(c.get("name"), c.get("classname")) for c in cases if c.find("failure") is not None]
    assert failed == [("a", "membrane")]


def test_manifest_changes_are_reported(golden: Path) -> None:
    regression = regress.check(golden, replace(record(), manifest={"network": "xyz", "stimulus": "jkl"}))
    assert regression.passed
    assert regression.manifest_changes == {"network": ("abc", "xyz")}


def test_recording_twice_is_refused(golden: Path) -> None:
    before = golden.read_bytes()
    with pytest.raises(UsageProblem, match="exists already"):
        regress.record(golden, _flipped(1))
    assert golden.read_bytes() == before


def test_an_update_needs_a_reason_and_keeps_it(golden: Path) -> None:
    with pytest.raises(UsageProblem, match="needs a reason"):
        regress.update(golden, _flipped(3), "  ")
    changed = regress.update(golden, _flipped(3), "new weights")
    assert changed.verdict.mismatches == 3
    assert regress.check(golden, _flipped(3)).passed
    last = regress.load(golden).manifest["history"][-1]
    assert (last["reason"], last["mismatches"]) == ("new weights", 3)


def test_junit_marks_what_failed(golden: Path, tmp_path: Path) -> None:
    _junit(regress.check(golden, _flipped(2), tolerance=0.02), tmp_path / "ok.xml")
    assert ET.parse(tmp_path / "ok.xml").getroot()[0].get("failures") == "0"
    _junit(regress.check(golden, _flipped(2)), tmp_path / "bad.xml")
    assert ET.parse(tmp_path / "bad.xml").getroot()[0].get("failures") == "1"


def test_missing_and_damaged_goldens(golden: Path, tmp_path: Path) -> None:
    with pytest.raises(CorruptFile, match="there is no golden"):
        regress.check(tmp_path / "none.nird", record())
    data = bytearray(golden.read_bytes())
    golden.write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptFile, match="not a spike record"):
        regress.check(golden, record())


def test_an_update_keeps_who_when_why_and_what_it_was(golden: Path) -> None:
    regress.update(golden, _flipped(2), "retrained", by="Ada", manifest={"digests": {"image": "2"}})
    kept = regress.load(golden).manifest
    first, second = kept["history"]
    assert (first["reason"], first["is"]) == ("recorded", record().digest())
    assert (second["reason"], second["by"], second["mismatches"]) == ("retrained", "Ada", 2)
    assert (second["was"], second["is"]) == (record().digest(), _flipped(2).digest())
    assert datetime.fromisoformat(second["date"]).tzinfo is not None
    assert kept["build"] == {"digests": {"image": "2"}}


def test_the_manifest_of_a_build_stays_with_its_network_and_in_the_history(golden: Path) -> None:
    first = regress.load(golden).manifest["build"]
    regress.update(golden, _flipped(1), "built", manifest={"digests": {"image": "2"}, "options": {"many": (1, 2)}})
    told = {"digests": {"image": "2"}, "options": {"many": [1, 2]}}
    assert regress.load(golden).manifest["history"][-1]["manifest_changes"] == {"build": [first, told]}
    same = regress.update(golden, _flipped(2), "the same network")
    assert same.manifest_changes == {}
    assert regress.load(golden).manifest["build"] == told
    other = replace(_flipped(3), manifest={"network": "xyz", "stimulus": "jkl"})
    assert regress.update(golden, other, "another network").manifest_changes["build"] == (told, None)
    kept = regress.load(golden).manifest
    assert "build" not in kept
    assert kept["history"][-1]["manifest_changes"]["build"] == [told, None]


@pytest.mark.parametrize(
    ("entry", "odd"),
    [*(("history", odd) for odd in (None, 5, "nonsense", {"a": 1}, [1])), ("build", None), ("build", [1])],
)
def test_a_golden_whose_history_is_none_is_refused(golden: Path, entry: str, odd: object) -> None:
    replace(record(), manifest={**record().manifest, entry: odd}).save(golden)
    before = golden.read_bytes()
    with pytest.raises(CorruptFile, match="not a golden: "):
        regress.check(golden, record())
    with pytest.raises(CorruptFile, match="not a golden: "):
        regress.update(golden, record(), "why")
    assert golden.read_bytes() == before


@pytest.mark.parametrize("tolerance", [float("nan"), float("inf"), 2, -0.1, "much", {"a": 2}, {"a": float("nan")}])
def test_a_tolerance_is_a_fraction(golden: Path, tolerance: object) -> None:
    with pytest.raises(UsageProblem, match="a tolerance is a fraction from 0 to 1"):
        regress.check(golden, _flipped(100), tolerance=tolerance)  # type: ignore[arg-type]


def _other(kind: str) -> SpikeRecord:
    spikes, membrane = record().spikes, record().membrane
    if kind == "longer":
        longer = {name: np.concatenate([values, values]) for name, values in spikes.items()}
        return record(spikes=longer, membrane={name: np.concatenate([v, v]) for name, v in membrane.items()})
    if kind == "wider":
        return record(spikes={**spikes, "a": np.concatenate([spikes["a"]] * 2, axis=2)})
    return record(spikes={f"new_{name}": values for name, values in spikes.items()}, membrane={}, scale={})


@pytest.mark.parametrize(
    ("kind", "why"), [("longer", "of different runs"), ("wider", "population 'a' has"), ("named", "no population")]
)
def test_an_update_takes_a_run_that_cannot_be_compared(golden: Path, kind: str, why: str) -> None:
    """And keeps the history, and says that nothing was compared, and why."""
    run = _other(kind)
    changed = regress.update(golden, run, "another stimulus")
    assert not changed
    assert changed.summary().startswith(
        "no regression was looked for: nothing was compared with golden; the run cannot"
    )
    assert why in changed.summary()
    first, second = regress.load(golden).manifest["history"]
    assert (first["reason"], second["reason"], second["mismatches"]) == ("recorded", "another stimulus", None)
    assert why in second["not_compared"]
    assert (second["was"], second["is"]) == (record().digest(), run.digest())
    assert regress.check(golden, run)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_nothing_can_equal_is_no_golden(golden: Path, tmp_path: Path, wrong: float) -> None:
    before, new = golden.read_bytes(), tmp_path / "new.nird"
    v = record().volts("r")
    v[2, 1, 0] = wrong
    run = record(membrane={"r": v}, scale={})
    for keep in (lambda: regress.record(new, run), lambda: regress.update(golden, run, "why")):
        with pytest.raises(InputShapeError, match=r"ever equal this .* membrane of 'r': the values are not all finite"):
            keep()
    assert not new.exists()
    assert golden.read_bytes() == before
    with pytest.raises(InputShapeError, match="holds no population"):
        regress.record(new, record(spikes={}, membrane={}, scale={}))


def test_a_silent_golden_is_known_as_one() -> None:
    quiet = {name: np.zeros_like(values) for name, values in record().spikes.items()}
    assert regress.silent(record(spikes=quiet, membrane={}, scale={}))
    assert not regress.silent(record())
