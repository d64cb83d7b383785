"""printable: text from files and devices as it may be shown: it draws on no terminal and turns no line around."""

from __future__ import annotations

import unicodedata

#: Control characters, those that format (they turn the direction of writing, or are not seen), separators of lines,
#: halves of pairs, and what has no meaning (Unicode's general categories).
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_LAYOUT = "\n\t"


def printable(text: str) -> str:
    """``text`` with every character that is not seen, but for line ends and tabs, spelt out: ``\\x1b``, ``\\u202e``."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(_spelt(one) if one not in _LAYOUT and unicodedata.category(one) in _UNSEEN else one for one in text)


def _spelt(one: str) -> str:
    return one.encode("unicode_escape", "surrogatepass").decode()
