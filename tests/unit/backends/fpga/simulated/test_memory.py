"""The controller of the memory beside the chip: a dictionary to its user, fast, and within the rules of the chip."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import icarus, sdram
from tests.conftest import examples

pytestmark = pytest.mark.xdist_group("memory")

#: So that a controller that is wrong comes across what it breaks.
_SEED, _COUNT = 1, 3000


@functools.cache
def compiled(name: str) -> sdram.Compiled:
    return sdram.compiled(name)


@functools.cache
def board(name: str) -> sdram.Powered:
    return compiled(name).powered(sdram.CHIPS[name])


@pytest.fixture
def needs_icarus() -> None:
    if not icarus.is_there():
        pytest.skip("Icarus Verilog is not installed (Debian: apt install iverilog)")


@pytest.mark.law
@settings(max_examples=examples(60))
@given(name=st.sampled_from(sorted(sdram.CHIPS)), data=st.data())
def test_a_memory_is_a_dictionary(name: str, data: st.DataObject) -> None:
    """Words from anywhere, many of them near the edges of a row and of a bank; what is not written is not asked for."""
    words = sdram.CHIPS[name].words
    near = st.sampled_from([0, 127, 256, words // 4 - 1, words // 4, words - 3]).flatmap(
        lambda first: st.integers(first, min(first + 2, words - 1))
    )
    places = st.one_of(near, near, st.integers(0, words - 1))
    gaps = st.sampled_from([0, 0, 0, 0, 1, 2, 7, 900])
    request = st.tuples(gaps, st.booleans(), places, st.integers(0, 2**32 - 1))
    drawn = data.draw(st.lists(request, min_size=1, max_size=80))
    first = [(0, True, address, 0) for address in sorted({address for _, _, address, _ in drawn})]
    found, _, fault = board(name).run([*first, *drawn])
    assert not fault
    assert found == sdram.expected([*first, *drawn])


#: The first read waits until the chip has been powered for long enough.
_AWAKE = [(0, True, 0, 0), (0, False, 0, 0)]


@pytest.mark.parametrize("name", sdram.CHIPS)
def test_an_open_row_is_as_fast_as_its_data_bus(name: str) -> None:
    """Reads and writes a word a cycle on 32 bits, in two on 16, but for refreshes and what a row takes to open."""
    beats, count = 32 // sdram.CHIPS[name].memory.data_bits, 100
    board(name).run(_AWAKE)
    for write in (True, False):
        found, cycles, fault = board(name).run([(0, write, address, address) for address in range(count)])
        assert not fault
        assert cycles < beats * count + 60
        assert found == ([] if write else list(range(count)))


def test_rows_of_different_banks_stay_open() -> None:
    """Reading from four banks in turn opens four rows, once."""
    bank, count = sdram.CHIPS["32 bits, CAS 2"].words // 4, 200
    board("32 bits, CAS 2").run(_AWAKE)
    _, cycles, _ = board("32 bits, CAS 2").run([(0, False, i % 4 * bank + i // 4, 0) for i in range(count)])
    assert cycles < count + 100


def test_what_is_written_stays_while_nothing_happens() -> None:
    """Forty refreshes long: they come by themselves."""
    found, cycles, fault = board("32 bits, CAS 2").run([(0, True, 5, 77), (40 * 781, False, 5, 0)])
    assert (found, fault) == ([77], "")
    assert cycles > 40 * 781


@pytest.mark.parametrize("name", sdram.BROKEN)
def test_the_model_in_cpp_finds_what_is_broken(name: str) -> None:
    chip, rule = sdram.BROKEN[name]
    of = next(name for name, right in sdram.CHIPS.items() if right.memory == chip.memory)
    _, cycles, fault = compiled(of).powered(chip).run(sdram.traffic(chip, _SEED, _COUNT))
    assert cycles == 0
    assert fault.startswith(rule)


@pytest.mark.parametrize("name", sdram.BROKEN)
def test_the_model_in_verilog_finds_what_is_broken(needs_icarus: None, tmp_path: Path, name: str) -> None:
    chip, rule = sdram.BROKEN[name]
    _, fault = sdram.interpreted(chip, sdram.traffic(chip, _SEED, _COUNT), tmp_path)
    assert fault.startswith(rule)


@pytest.mark.parametrize("name", sdram.CHIPS)
def test_both_models_read_the_same(needs_icarus: None, tmp_path: Path, name: str) -> None:
    """In Icarus a word that nobody wrote is unknown, and so is the bus outside of the time that data stands on it."""
    chip = sdram.CHIPS[name]
    drawn = sdram.traffic(chip, _SEED, 1500)
    requests = [*((0, True, address, 0) for address in sorted({address for _, _, address, _ in drawn})), *drawn]
    found, fault = sdram.interpreted(chip, requests, tmp_path)
    assert not fault
    assert [int(word, 16) for word in found] == sdram.expected(requests)
