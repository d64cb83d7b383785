"""Only what a device does not hold is sent, and with it the device holds all."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.targets.sending import changed
from nirdeploy.targets.slots import Section

WORDS = st.lists(st.integers(0, 2), max_size=80)


@given(memories=st.lists(st.tuples(WORDS, WORDS), max_size=3))
def test_after_it_the_memory_holds_the_image(memories: list[tuple[list[int], list[int]]]) -> None:
    held, wanted = (
        [Section(f"{at}", 1000 * at, np.array(own[which], dtype=np.uint32)) for at, own in enumerate(memories)]
        for which in (0, 1)
    )
    memory = {section.address + at: int(word) for section in held for at, word in enumerate(section.words)}
    image = {section.address + at: int(word) for section in wanted for at, word in enumerate(section.words)}
    sent = list(changed(wanted, held))
    for part in sent:
        for at, word in enumerate(part.words):
            assert part.address + at in image
            memory[part.address + at] = int(word)
        assert all(part.words.size for part in sent)
        assert memory.get(part.address) != held_at(held, part.address)  # begins, and ends, where something differs
        assert memory[part.address + len(part.words) - 1] != held_at(held, part.address + len(part.words) - 1)
    assert {at: memory[at] for at in image} == image


def held_at(held: list[Section], address: int) -> int | None:
    for section in held:
        if section.address <= address < section.address + len(section.words):
            return int(section.words[address - section.address])
    return None


def test_what_is_there_is_left_out() -> None:
    base = np.arange(1000, dtype=np.uint32)
    other = base.copy()
    other[[100, 105, 400]] += 1
    (one,) = (list(changed([Section("a", 7, other)], [Section("a", 7, base)])),)
    assert [(part.address, part.words.tolist()) for part in one] == [
        (107, [101, 101, 102, 103, 104, 106]),
        (407, [401]),
    ]
    assert not list(changed([Section("a", 7, base[:500])], [Section("a", 7, base)]))
    assert [len(part.words) for part in changed([Section("a", 7, base)], [Section("a", 8, base)])] == [1000]
    assert [len(part.words) for part in changed([Section("a", 7, base)], [])] == [1000]
