"""Weight rows of few bits: how many stand together, by which numbers, and what they take."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.backends.fpga import rows
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.precision import with_bits
from nirdeploy.integers.parts import Formats
from nirdeploy.targets import fitting
from nirdeploy.targets import registry as targets
from nirdeploy.targets.estimate import Estimate, estimate
from nirdeploy.targets.tables import Target
from tests import networks


def _formats(bits: int = 8) -> Formats:
    return Formats(bits, 20, 24, 16)


def _target(**hardware: int) -> Target:
    return targets.load("fpga").with_hardware(**{"cores": 2, "lanes": 8, **hardware})


@pytest.mark.parametrize(
    ("values", "bits"), [((0,), 1), ((-1, 0), 1), ((-1, 1), 2), ((-2, 1), 2), ((2,), 3), ((-8, 7), 4), ((-9,), 5)]
)
def test_a_weight_takes_its_bits_and_a_sign(values: tuple[int, ...], bits: int) -> None:
    assert rows.bits_of([np.array(values), np.zeros((0, 3), dtype=np.int64)]) == bits


@pytest.mark.parametrize(
    ("weight_bits", "hardware", "together"),
    [
        (8, {}, {1: 4, 2: 4, 3: 2, 4: 2, 5: 1, 8: 1}),
        (16, {}, {2: 4, 4: 4, 5: 2, 8: 2, 9: 1}),
        (4, {}, {1: 2, 2: 2, 3: 1, 4: 1}),
        (2, {}, {1: 1, 2: 1}),
        (8, {"packed": 0}, {2: 1, 4: 1}),
        (8, {"compact": 1, "update": 1}, {2: 1, 4: 1}),
        (8, {"weight_rows": 8192}, {2: 4}),
        (8, {"weight_rows": 8193}, {2: 2, 4: 2}),  # numbers have 16 bits
        (8, {"weight_rows": 16385}, {2: 1}),
    ],
)
def test_as_many_stand_together_as_bits_and_hardware_let(
    weight_bits: int, hardware: dict[str, int], together: dict[int, int]
) -> None:
    of = _target(**hardware).hardware
    assert {bits: rows.together(bits, _formats(weight_bits), of) for bits in together} == together
    most = max(together.values())
    assert rows.number(of.weight_rows - 1, most, of) + most <= 1 << of.number_bits(weight_bits) <= 1 << 16


@pytest.mark.law
@given(count=st.sampled_from([1, 2, 4]), bits=st.sampled_from([8, 16]), data=st.data())
def test_each_row_is_where_its_number_says(count: int, bits: int, data: st.DataObject) -> None:
    own = bits // count
    weights = st.integers(-(2 ** (own - 1)), 2 ** (own - 1) - 1)
    made = np.array(data.draw(st.lists(st.lists(weights, min_size=3, max_size=3), min_size=1, max_size=9)))
    places = rows.packed(made, count, bits)
    assert len(places) == rows.places(len(made), count)
    for number, row in enumerate(made):
        place, part = divmod(number, count)
        found = places[place] >> part * own & 2**own - 1
        np.testing.assert_array_equal(found - (found >> own - 1 << own), row)


def _estimate(bits: dict[str, int], graph: CheckedGraph, target: Target) -> Estimate:
    found = estimate(with_bits(graph, bits), target)
    assert found.fits, found.why
    return found


def test_a_network_of_8_and_2_bits_gains_where_it_has_2() -> None:
    graph, target = check(networks.two_layers(sizes=(64, 32, 8))), _target()
    whole, mixed = (_estimate({"lif1": bits}, graph, target) for bits in (8, 2))
    assert "row_places" not in whole.figures
    assert sum(core.used["weight_rows"] for core in whole.cores) == 64 * 4 + 32
    assert mixed.figures["weight_rows"] == 64 * 4 + 32
    assert mixed.figures["row_places"] == sum(core.used["weight_rows"] for core in mixed.cores) == 64 + 32
    assert mixed.figures["together"] == "lif1 by 4"
    assert mixed.figures["cycles"] == whole.figures["cycles"]


@pytest.mark.parametrize(("bits", "rows_there"), [(8, 288), (4, 144), (2, 72)])
def test_what_fits_whole_fits_a_half_and_a_quarter(bits: int, rows_there: int) -> None:
    graph, target = check(networks.two_layers(sizes=(64, 32, 8))), _target(cores=1, weight_rows=rows_there)
    assert _estimate({"lif1": bits, "lif2": bits}, graph, target).figures.get("passes", 1) == 1
    less = fitting.fit(with_bits(graph, {"lif1": bits, "lif2": bits}), _target(cores=1, weight_rows=rows_there - 1))
    assert less.placement is None or less.placement.passes


def test_fewer_bits_are_fewer_passes() -> None:
    graph, target = check(networks.two_layers(sizes=(64, 96, 8))), _target(cores=1, weight_rows=96, neurons=128)
    found = [_estimate({"lif1": bits, "lif2": bits}, graph, target) for bits in (8, 4, 2)]
    most, some, fewest = (float(one.figures.get("passes", 1)) for one in found)
    assert most > some > fewest
