"""Models of energy: their prices by hand, and that more events never cost less."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.proof.energy import models
from nirdeploy.proof.energy.events import Events, Load, Widths
from nirdeploy.proof.energy.published import Memory, published
from tests.conftest import examples

WIDTHS = Widths(weight=8, accumulator=20, state=24, decay=16)
amounts = st.integers(0, 10**9).map(float)
events = st.builds(Events, *[amounts] * len(fields(Events)))
loads = st.builds(
    Load,
    events,
    st.builds(Widths, *[st.integers(1, 32)] * 4),
    st.integers(1, 10**6),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
)


def test_operations_by_hand() -> None:
    done = Events(additions=1000, multiplications=100, updates=10, update_additions=30, update_multiplications=10)
    load = Load(done, WIDTHS, 10)
    assert models.float_operations(load) == pytest.approx(1000 * 0.9 + 100 * 4.6)
    assert models.integer_operations(load) == pytest.approx(1000 * 0.1 + 100 * (0.1 + 0.2) + 30 * 0.1 + 10 * 3.1)
    narrow = replace(load, widths=Widths(8, 8, 8, 8))
    assert models.integer_operations(narrow) == pytest.approx(1000 * 0.03 + 100 * 0.23 + 30 * 0.03 + 10 * 0.2)


def test_bits_by_hand() -> None:
    """Memories of 8 KB take 10 pJ for 64 bits, of 32 KB 20."""
    done = Events(weight_bits=640, updates=4, parameter_bits=6400, address_bits=64)
    load = Load(done, WIDTHS, 2, stored_weights=8 * 32768, stored_states=48, stored_parameters=8 * 8192)
    assert models.bits_moved(load) == pytest.approx(640 / 64 * 20 + 4 * 2 * 24 / 64 * 10 + 6400 / 64 * 10 + 10)


def test_accesses_by_hand() -> None:
    small, large = (published().memory.per_access(bits) for bits in (0, 8 * 2**20))
    done = Events(additions=100, updates=4, update_additions=12, update_multiplications=4, addresses=7)
    load = Load(done, WIDTHS, 2, stored_weights=8 * 2**20)
    expected = 100 * 0.2 + 12 * 0.1 + 4 * 3.2 + 100 * large + (2 * 104 + 4 + 7) * small
    assert models.words_accessed(load) == pytest.approx(expected)


def test_the_line_of_accesses_is_lemaires() -> None:
    """E = 8.2816e-5 pJ per byte + 13.2563 pJ, through Horowitz's three sizes by least squares."""
    memory = published().memory
    assert memory.per_access(0) == pytest.approx(13.2563, abs=1e-3)
    assert memory.per_access(8 * 10**6) - memory.per_access(0) == pytest.approx(82.816, abs=1e-2)


@given(st.floats(0, 1e10), st.floats(0, 1e10))
def test_larger_memories_cost_more(one: float, other: float) -> None:
    memory: Memory = published().memory
    small, large = sorted((one, other))
    assert 0 < memory.per_bit(small) <= memory.per_bit(large)
    assert 0 < memory.per_access(small) <= memory.per_access(large)


def test_bits_cost_what_the_table_says() -> None:
    memory = published().memory
    found = [64 * memory.per_bit(8 * size) for size in (1, 8192, 32768, (32768 + 2**20) // 2, 2**20, 2**30)]
    assert found == pytest.approx([10, 10, 20, 60, 100, 100])


@pytest.mark.law
@settings(max_examples=examples(100))
@given(load=loads, more=events)
def test_more_events_never_cost_less(load: Load, more: Events) -> None:
    for model in models.of_tables():
        assert model.price(load) >= 0
        for field in fields(Events):
            one = replace(Events(), **{field.name: getattr(more, field.name)})
            dearer = model.price(replace(load, events=load.events + one))
            assert dearer >= model.price(load) * (1 - 1e-12)


@pytest.mark.law
@settings(max_examples=examples(50))
@given(st.lists(loads, max_size=4))
def test_populations_add_up(some: list[Load]) -> None:
    for model in models.of_tables():
        assert model.joules(some) == pytest.approx(sum(model.joules([load]) for load in some))


@pytest.mark.law
@settings(max_examples=examples(50))
@given(seconds=st.floats(1e-9, 10), operations=amounts)
def test_designs_span_a_range(seconds: float, operations: float) -> None:
    board, chip = models.of_boards(seconds), models.of_chips(operations)
    for watts in published().powers.values():
        assert board.low * (1 - 1e-12) <= watts * seconds <= board.high * (1 + 1e-12)
    for pj in published().of_operations.values():
        assert chip.low * (1 - 1e-12) <= pj * operations * 1e-12 <= chip.high * (1 + 1e-12)
    assert board.high > board.low > 0


def test_figures_that_follow_from_others() -> None:
    boards = {one.name: one for one in published().boards}
    assert boards["Spiker+"].energy == pytest.approx(140.4e-6)
    assert boards["Spiker+"].synapses == 784 * 128 + 128 * 10
    assert boards["Spiker+"].per_synapse == pytest.approx(140.4e-6 / 101_632)
    assert boards["Skydiver"].power == pytest.approx(42.4e-6 * 22_600)
    assert boards["Han"].energy == pytest.approx(0.477 / 161)
    assert (boards["Li"].power, boards["Li"].energy, boards["Li"].per_synapse) == (None, None, 0.028e-6)
    assert (boards["Minitaur"].power, boards["Minitaur"].per_synapse) == (1.5, None)


def test_every_figure_has_a_source() -> None:
    known = published()
    for one in (*known.boards, *known.chips):
        assert str(one.year)[:2] == "20"
        assert any(mark in one.source for mark in ("arXiv:", "10.", "table 1")), one.name
        assert any(value is not None for value in (one.power, one.energy, one.per_synapse, one.pj_per_operation))
    assert "10.1109/ISSCC.2014.6757323" in known.operations.source
    assert "arXiv:2210.13107" in known.by_access[1]
    assert min(map(len, (known.powers, known.of_operations, known.of_synapses))) >= 5
    assert all(np.isfinite(list(figures.values())).all() for figures in (known.powers, known.of_synapses))
