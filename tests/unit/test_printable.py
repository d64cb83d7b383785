"""What is not seen is spelt out, and nothing else."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.errors import printable

EVIL = "a\x1b]0;owned\x07\u202etxt.exe\u2066\x9b31m\r"
SHOWN = "a\\x1b]0;owned\\x07\\u202etxt.exe\\u2066\\x9b31m\\r"


def test_what_is_not_seen_is_spelt_out() -> None:
    assert printable(EVIL) == SHOWN
    assert printable("Größe, 膜電位\n\tµs ±½") == "Größe, 膜電位\n\tµs ±½"


@given(st.text())
def test_nothing_unseen_is_left(text: str) -> None:
    left = {unicodedata.category(one) for one in printable(text) if one not in "\n\t"}
    assert not left & {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
    assert all(one.isprintable() or one in "\n\t" for one in printable(text))
    assert printable(printable(text)) == printable(text)
