"""Dialects as text: what is written is what is read, and what cannot be meant is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.errors import DialectError
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics.dialect import PRESETS, Dialect
from tests import networks


@given(preset=st.sampled_from(sorted(PRESETS)), fields=networks.dialects(), dt=st.floats(1e-12, 10))
def test_text_round_trip(preset: str, fields: Dialect, dt: float) -> None:
    dialect = replace(fields, preset=preset, dt=dt)
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
        ("brian", "known presets: lava, nir, norse, rockpool, sinabs, snntorch, spikingjelly, spyx"),
        ("nir,reset", "'reset' is not field=value"),
        ("nir,color=red", "no field 'color'"),
        ("nir,reset=maybe", "allowed: zero, subtract, none"),
        ("nir,threshold==>", "allowed: >, >="),
        ("nir,preset=spikingjelly", "no field 'preset'"),
        ("nir,dt=0", "dt must be a positive number of seconds"),
        ("nir,dt=-1", "not '-1'"),
        ("nir,dt=nan", "not 'nan'"),
        ("nir,dt=inf", "not 'inf'"),
        ("nir,dt=soon", "not 'soon'"),
        ("nir,max_spikes=-1", "whole number"),
        ("nir,reset_delay=yes", "allowed: true, false"),
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
