"""Dialects as text: what is written is what is read, and what cannot be meant is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy import dialect as dialects
from nirdeploy.dialect import PRESETS, Dialect
from nirdeploy.errors import DialectError


@given(
    preset=st.sampled_from(sorted(PRESETS)),
    dt=st.floats(1e-12, 10),
    discretization=st.sampled_from(["euler", "exponential"]),
    threshold=st.sampled_from([">", ">="]),
    reset=st.sampled_from(["zero", "subtract"]),
)
def test_text_round_trip(preset: str, dt: float, discretization: str, threshold: str, reset: str) -> None:
    dialect = Dialect(preset, dt, discretization, threshold, reset)  # type: ignore[arg-type]
    assert dialects.parse(str(dialect)) == dialect


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_is_written_as_its_name(preset: str) -> None:
    assert str(PRESETS[preset]) == preset
    assert PRESETS[preset].preset == preset


def test_spaces_and_order_do_not_matter() -> None:
    expected = replace(PRESETS["nir"], threshold=">=", dt=1e-3)
    assert dialects.parse(" nir , dt = 1e-3, threshold = >= ") == expected
    assert dialects.parse("nir,threshold=>=,dt=0.001") == expected


def test_spikingjelly_fires_at_the_threshold() -> None:
    assert PRESETS["spikingjelly"].threshold == ">="
    assert PRESETS["nir"].threshold == ">"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "unknown dialect ''"),
        ("brian", "known presets: nir, spikingjelly"),
        ("nir,reset", "'reset' is not field=value"),
        ("nir,color=red", "no field 'color'"),
        ("nir,reset=maybe", "allowed: zero, subtract"),
        ("nir,threshold==>", "allowed: >, >="),
        ("nir,preset=spikingjelly", "no field 'preset'"),
        ("nir,dt=0", "dt must be a positive number of seconds"),
        ("nir,dt=-1", "not '-1'"),
        ("nir,dt=nan", "not 'nan'"),
        ("nir,dt=inf", "not 'inf'"),
        ("nir,dt=soon", "not 'soon'"),
    ],
)
def test_refusals_say_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(DialectError) as caught:
        dialects.parse(text, where="--dialect")
    assert says in str(caught.value)
    assert "--dialect" in str(caught.value)
    assert caught.value.exit_code == 2


def test_as_dict_builds_it_again() -> None:
    dialect = dialects.parse("spikingjelly,reset=subtract,dt=0.002")
    assert Dialect(**dialect.as_dict()) == dialect
