"""What inputs take: numbers and the integers that they become, and every wrong stimulus explained."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nirdeploy.errors import InputShapeError
from nirdeploy.graph.inputs import declared
from nirdeploy.records.inputs import InputEncoding, analog, encodings_from, encodings_to, outward, stimulus

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[float, float]:
    low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
    assume(high - low > 1e-9 * max(abs(low), abs(high)))
    assume(max(abs(low), abs(high)) > 1e-9)
    return low, high


@given(within=ranges(), bits=st.integers(2, 8), share=st.floats(0, 1), dtype=st.sampled_from(["f4", "f8"]))
def test_a_number_of_the_range_is_read_within_half_a_step(
    within: tuple[float, float], bits: int, share: float, dtype: str
) -> None:
    low, high = within
    held = InputEncoding.of_range(bits, low, high)
    x = np.array([[[low, high, low + share * (high - low), 0.0]]]).astype(dtype)
    q = stimulus(x, [("in", (4,))], {"in": held})["in"]
    assert q.dtype == np.uint8
    assert q.max() <= held.top
    error = np.abs(held.numbers(q) - x)
    assert held.scale is not None
    assert (error <= held.scale * 0.5001 + 1e-6 * np.abs(x)).all()
    assert error[..., 3] == 0.0
    # The finest that holds both ends, and 0, where 0 is a whole number of steps.
    assert held.scale * (held.top - 1) <= (max(high, 0) - min(low, 0)) * (1 + 1e-9)


@given(bits=st.integers(2, 8), most=st.floats(1e-3, 1e3))
def test_the_zero_point_of_an_even_range_is_the_middle(bits: int, most: float) -> None:
    assert InputEncoding.of_range(bits, -most, most).zero == 1 << (bits - 1)
    assert InputEncoding.of_range(bits, 0.0, most) == InputEncoding(bits, most / (2**bits - 1), 0)
    assert InputEncoding.of_range(bits, -most, 0.0) == InputEncoding(bits, most / (2**bits - 1), 2**bits - 1)


@given(held=st.builds(InputEncoding, st.integers(1, 8), st.floats(1e-3, 1e3), st.integers(0, 255)))
def test_what_an_integer_stands_for_is_read_as_that_integer(held: InputEncoding) -> None:
    every = np.arange(held.top + 1)
    numbers = held.numbers(every)[:, None, None]
    assert stimulus(numbers, [("in", (1,))], {"in": held})["in"].ravel().tolist() == every.tolist()
    assert encodings_from(encodings_to({"in": held})) == {"in": held}


PADS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=2).map(tuple)


@given(held=st.builds(InputEncoding, st.just(8), st.just(0.5), st.integers(0, 255), PADS), seed=st.integers(0, 99))
def test_a_border_of_what_stands_for_0_is_sent_around_the_numbers(held: InputEncoding, seed: int) -> None:
    shape = (2, 3, 4)
    x = held.numbers(np.random.default_rng(seed).integers(0, 256, (3, 2, *held.sent(shape))))
    assert x.shape == (3, 2, *shape)
    q = stimulus(x, [("in", shape)], {"in": held})["in"]
    assert q.shape == (3, 2, *held.sent(shape))
    np.testing.assert_array_equal(held.numbers(q), x)
    around = (q.astype(float) - held.zero) * 0.5
    assert around.sum() == x.sum()  # all else is 0
    (top, _), (left, _) = ((0, 0), *held.border)[-2:]
    assert (around[..., top : top + 3, left : left + 4] == x).all()
    assert encodings_from(encodings_to({"in": held})) == {"in": held}


def test_without_a_border_none_is_kept() -> None:
    assert InputEncoding(8, 0.5, 3).as_dict() == {"bits": 8, "input_scale": 0.5, "input_zero": 3}


def test_halfway_goes_to_the_even_integer() -> None:
    x = np.array([0.5, 1.5, 2.5, 254.5]).reshape(4, 1, 1)
    assert stimulus(x, [("in", (1,))], {"in": InputEncoding(8, 1.0)})["in"].ravel().tolist() == [0, 2, 2, 254]


@given(held=st.builds(InputEncoding.of_range, st.integers(2, 8), st.floats(-4, -0.1), st.floats(0.1, 4)))
def test_beyond_the_range_is_refused_but_for_what_float32_does(held: InputEncoding) -> None:
    for end, side in ((held.highest, 1), (held.lowest, -1)):
        assert not held.refused(np.array([np.float32(end)])).any()
        assert held.refused(np.array([end + side * 0.01 * held.step])).all()


WRONG = st.sampled_from([np.nan, np.inf, -0.25, 0.5, 2.0, 3.75, 16.0, 255.0, 256.0, -1.0, 1e9])
HELD = st.sampled_from(
    [
        InputEncoding(),
        InputEncoding(4),
        InputEncoding(8),
        InputEncoding.of_range(8, 0, 1),
        InputEncoding.of_range(5, -1, 2),
        InputEncoding(3, 0.5, 4),
    ]
)


@given(held=HELD, wrong=WRONG, at=st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 3)))
def test_the_first_wrong_number_is_named_and_the_option_helps(
    held: InputEncoding, wrong: float, at: tuple[int, int, int]
) -> None:
    x = np.zeros((3, 2, 4))
    x[at] = wrong
    inputs, known = [("in", (4,))], {"in": held}
    if np.isfinite(wrong) and not held.refused(np.array(wrong)):
        assert stimulus(x, inputs, known)["in"][at] == held.integers(np.array([wrong]))[0]
        return
    with pytest.raises(InputShapeError) as caught:
        stimulus(x, inputs, known)
    step, sample, index = at
    assert f"{wrong:.6g} in sample {sample}, step {step}, index {index}" in caught.value.message
    assert caught.value.where == "input 'in'"
    if np.isfinite(wrong):
        assert f"this build takes {held}" in caught.value.message
        for option, text in re.findall(r"--input-(range|bits) (\S+?)[),]?(?= |$|\))", caught.value.hint):
            said: Any = tuple(map(float, text.split(":"))) if option == "range" else int(text)
            bits, ours = declared(["in"], **{"ranges" if option == "range" else "bits": said})
            assert stimulus(x, inputs, {"in": ours.get("in", InputEncoding(bits))})["in"][at] >= 0


@pytest.mark.parametrize(
    ("held", "wrong", "takes", "hint"),
    [
        (InputEncoding(), 0.5, "only 0 and 1 (spikes)", "encode it as spike trains, or build with --input-range 0:0.5"),
        (
            *(InputEncoding(), 3, "only 0 and 1 (spikes)"),
            "encode it as spike trains, or build with --input-bits 2 (or --input-range 0:3)",
        ),
        (InputEncoding(4), 16, "whole numbers from 0 to 15", "build with --input-bits 5 (or --input-range 0:16)"),
        (InputEncoding(4), -2, "whole numbers from 0 to 15", "build with --input-range -2:0"),
        (InputEncoding(8), 256, "whole numbers from 0 to 255", "build with --input-range 0:256"),
        (
            *(InputEncoding.of_range(8, -1, 1), 1.23456, "-1.00787 to 1 in steps of 0.00787 (8 bits)"),
            "build with --input-range -1.008:1.235",
        ),
    ],
)
def test_what_an_input_takes_is_said(held: InputEncoding, wrong: float, takes: str, hint: str) -> None:
    x = np.zeros((2, 1, 3), dtype=type(wrong))
    x[1, 0, 1] = wrong
    with pytest.raises(InputShapeError) as caught:
        stimulus(x, [("in", (3,))], {"in": held})
    assert caught.value.message.endswith(f" in sample 0, step 1, index 1: this build takes {takes}")
    assert caught.value.hint == hint


def test_the_option_names_the_input_where_there_are_several() -> None:
    x = {"a": np.zeros((1, 1, 1)), "b": np.full((1, 1, 1), -0.5)}
    with pytest.raises(InputShapeError, match=r"--input-range b=-0.5:0.*input 'b'|input 'b'.*--input-range b=-0.5:0"):
        stimulus(x, [("a", (1,)), ("b", (1,))], {})


def test_a_chip_is_not_told_to_take_a_range() -> None:
    with pytest.raises(InputShapeError) as caught:
        stimulus(np.full((1, 1, 1), 0.5), [("in", (1,))], {"in": InputEncoding(8)}, ranged=False)
    assert caught.value.hint == "encode it as spike trains"


def test_any_finite_number_is_analog() -> None:
    assert analog(np.full((1, 1, 1), -1e30, "f4"), [("in", (1,))])["in"].dtype == np.float64
    with pytest.raises(InputShapeError, match="finite numbers: inf in sample 0, step 0, index 0"):
        analog(np.full((1, 1, 1), np.inf), [("in", (1,))])


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.zeros((5, 4)), r"shape \(5, 4\), expected \(T, B, 4\): the batch dimension is missing.*x\[:, None\]"),
        (np.zeros((5, 2, 3)), r"expected \(T, B, 4\)"),
        (np.full((5, 2, 4), 0.5), "only 0 and 1"),
        (np.full((5, 2, 4), np.nan), "finite numbers"),
        (np.zeros((0, 2, 4)), "is empty"),
        (np.zeros((5, 2, 4), dtype="U1"), "finite numbers"),
        ({"other": np.zeros((5, 2, 4))}, r"inputs missing: \['in'\]; unknown: \['other'\]"),
    ],
)
def test_a_wrong_stimulus_is_explained(x: object, text: str) -> None:
    with pytest.raises(InputShapeError, match=text):
        stimulus(x, [("in", (4,))])


def test_several_inputs_come_in_a_dict() -> None:
    inputs = [("a", (2,)), ("b", (3,))]
    found = stimulus({"a": np.zeros((4, 1, 2)), "b": np.ones((4, 1, 3), bool)}, inputs)
    assert found["b"].dtype == np.uint8
    with pytest.raises(InputShapeError, match="the network has 2 inputs.*keys a, b"):
        stimulus(np.zeros((4, 1, 2)), inputs)
    with pytest.raises(InputShapeError, match="differ in steps or batch"):
        stimulus({"a": np.zeros((4, 1, 2)), "b": np.zeros((4, 2, 3))}, inputs)


@pytest.mark.parametrize("value", [5e-324, -2.2e-308, 1e-299, 1.23456e-5, 0.7, 254079.5, 1e300])
def test_a_number_is_shown_no_nearer_to_zero(value: float) -> None:
    shown = float(outward(value))
    assert abs(shown) >= abs(value)
    assert shown == pytest.approx(value, rel=1.1e-3)
