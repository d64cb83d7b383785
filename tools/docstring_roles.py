"""For ``make docs``: the roles that docstrings are written with (``:class:`~a.b.C```) as plain code, ``C``."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":\w+:`(?P<all>~?)(?P<name>[^`]+)`")


class Roles(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """A class, function, module or attribute that was read."""
        if obj.docstring:
            obj.docstring.value = _ROLE.sub(_plain, obj.docstring.value)


def _plain(role: re.Match[str]) -> str:
    name = role["name"].rpartition(".")[2] if role["all"] else role["name"]
    return f"`{name}`"
