"""Commit subjects: short, there, and parted from the body."""

from __future__ import annotations

import pytest

from tools.commit_subject import fault


@pytest.mark.parametrize("message", ["Fold batch norms", "Subject\n\nThe why.\n", "x" * 72, "Subject\n# a comment\n"])
def test_good(message: str) -> None:
    assert fault(message) == ""


@pytest.mark.parametrize(
    ("message", "said"),
    [("", "no subject"), ("# only a comment", "no subject"), ("x" * 73, "73 characters"), ("A\nB", "second line")],
)
def test_bad(message: str, said: str) -> None:
    assert said in fault(message)
