"""Every error a user can meet: one class per cause, with an exit code, a place and a hint.

Exit codes are a promise to scripts (see ``docs/errors.md``); an infrastructure failure
(codes 5 to 7) is never reported as a verification failure (code 1), which is a result and no error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

_LISTED = 20  # names that a hint says; more are no help to read
_ALIKE = 0.65  # of two names that one may be meant by the other (difflib's ratio)
_LOOKED_AT = 10_000  # names that a near one is looked for among


def printable(text: str, keep: str = "\n\t") -> str:
    """Text from files and devices as it may be shown: it draws on no terminal and turns no line around.

    Every character that is not seen (control characters, those that format or turn the direction of writing, spaces
    other than the usual one, halves of pairs) but for those of ``keep`` is spelt out: ``\\x1b``, ``\\u202e``.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _spelt(one) for one in text)


def _spelt(one: str) -> str:
    return one.encode("unicode_escape", "surrogatepass").decode()


class NirdeployError(Exception):
    """Base class. ``str(error)`` is the one-paragraph message: what, where, what to do.

    What it quotes of files and devices is made :func:`printable`, in one line.

    Args:
        message: what is wrong, expected and found, in lower case, without a full stop.
        where: file, node, key or port concerned.
        hint: what the user can do about it.
    """

    exit_code: ClassVar[int] = 8
    code: ClassVar[str] = "E800"

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        self.message, self.where, self.hint = (printable(text, keep="") for text in (message, where, hint))
        super().__init__(self.message)

    def __str__(self) -> str:
        text = self.message
        if self.where:
            text += f" (in {self.where})"
        if self.hint:
            text += f"; {self.hint}"
        return text

    def as_dict(self) -> dict[str, Any]:
        """The error as the ``error`` object of ``--json``."""
        return {
            "code": self.code,
            "exit_code": self.exit_code,
            "message": self.message,
            "where": self.where,
            "hint": self.hint,
        }


# --- names that are not there ---------------------------------------------------------


def near(given: str, known: Iterable[str]) -> str:
    """The one of ``known`` that was meant, by its spelling; or nothing."""
    from difflib import get_close_matches

    names = {name.lower(): name for name in islice(known, _LOOKED_AT)}
    found = get_close_matches(given.lower()[:200], names, 1, _ALIKE)
    return names[found[0]] if found else ""


def meant(given: str | Iterable[str], known: Iterable[str], what: str, shown: Iterable[str] | None = None) -> str:
    """The hint of a name that is not there: the one that was meant, and which there are.

    Args:
        given: the name, or several of which the first that resembles one is taken.
        what: what leads in what is listed: "targets:", "it holds".
        shown: what is listed, if not ``known``.
    """
    names = list(dict.fromkeys(known))
    found = next((one for text in ([given] if isinstance(given, str) else given) if (one := near(text, names))), "")
    told = names if shown is None else list(shown)
    more = f" and {len(told) - _LISTED:,} more" if len(told) > _LISTED else ""
    listed = f"{what} {', '.join(told[:_LISTED]) or 'nothing'}{more}"
    return f"did you mean {found!r}? {listed}" if found else listed


def meant_file(path: str | Path) -> str:
    """The hint of a file or folder that is not there: one of nearly that name and the same ending beside it, or that
    its folder is not there either."""
    path = Path(path)
    try:
        with os.scandir(path.parent) as there:
            beside = [entry.name for entry in islice(there, _LOOKED_AT) if entry.name != path.name]
    except OSError:
        return f"there is no folder {str(path.parent)!r} either"
    stems = {name.removesuffix(path.suffix): name for name in beside if name.endswith(path.suffix)}
    other = (name for name in beside if path.suffix and Path(name).stem == path.stem)  # the ending is what is wrong
    found = stems.get(near(path.stem, stems)) or next(other, "")
    return f"did you mean {str(path.parent / found)!r}?" if found else "check the name, and the folder it is in"


# --- 2: usage -------------------------------------------------------------------------


class UsageProblem(NirdeployError):
    """An option, path or argument makes no sense."""

    exit_code, code = 2, "E201"


class InputShapeError(NirdeployError):
    """The stimulus does not have the shape (T, B, *input shape), or holds wrong values."""

    exit_code, code = 2, "E202"


class UnknownPopulation(NirdeployError):
    """A probe or a look-up names a population that the network does not have."""

    exit_code, code = 2, "E203"


class UnknownTarget(NirdeployError):
    """No target file of that name."""

    exit_code, code = 2, "E204"


class DialectError(NirdeployError):
    """A dialect string names an unknown preset, field or value."""

    exit_code, code = 2, "E205"


class ExportError(NirdeployError):
    """A PyTorch module cannot be expressed in NIR."""

    exit_code, code = 2, "E206"


# --- 3: bad file ----------------------------------------------------------------------


class ModelFileError(NirdeployError):
    """The ``.nir`` file cannot be read: not HDF5, truncated, hostile, not NIR, or not what
    its checksum is of."""

    exit_code, code = 3, "E301"


class GraphError(NirdeployError):
    """The graph contradicts itself: dangling edge, wrong shape, NaN, tau = 0."""

    exit_code, code = 3, "E302"


class TargetFileError(NirdeployError):
    """A target's TOML file is malformed, or its templates do not render within their limits; names file, key or line,
    and what is allowed."""

    exit_code, code = 3, "E303"


class CorruptFile(NirdeployError):
    """One of nirdeploy's own files (image, record, build product) is damaged."""

    exit_code, code = 3, "E304"


class ModelFileTimeout(ModelFileError):
    """Reading the ``.nir`` file took longer than it may; whether the file is good is not known."""

    code = "E305"


class BoardsFileError(NirdeployError):
    """A file of boards (boards.toml) is malformed; names file, key and what is allowed."""

    exit_code, code = 3, "E306"


# --- 4: does not fit the target -------------------------------------------------------


class DoesNotFit(NirdeployError):
    """The network needs something the target does not have; lists every violation."""

    exit_code, code = 4, "E401"

    def __init__(self, message: str, *, where: str = "", hint: str = "", problems: Iterable[Any] = ()) -> None:
        """``problems``: the violations as data (:class:`nirdeploy.targets.fit.Problem`), where a backend found them."""
        super().__init__(message, where=where, hint=hint)
        self.problems = tuple(problems)

    def as_dict(self) -> dict[str, Any]:
        """With ``problems``, a list of objects, where there are any."""
        found = [asdict(problem) for problem in self.problems]
        return {**super().as_dict(), **({"problems": found} if found else {})}


# --- 5: tool or environment -----------------------------------------------------------


class ToolMissing(NirdeployError):
    """An external tool or Python package that this step needs is not there, or failed."""

    exit_code, code = 5, "E501"


# --- 6: port --------------------------------------------------------------------------


class PortError(NirdeployError):
    """No such port, or no permission."""

    exit_code, code = 6, "E601"


class PortBusy(PortError):
    """Another process holds the port."""

    code = "E602"


# --- 7: transfer or device ------------------------------------------------------------


class DeviceSilent(NirdeployError):
    """Nobody answers on the port."""

    exit_code, code = 7, "E701"


class DeviceMismatch(NirdeployError):
    """The device is not the hardware that the image was built for, or holds another image."""

    exit_code, code = 7, "E702"


class TransferError(NirdeployError):
    """The link failed more often than retries can mend, the device refused, sent without end or what cannot be, or it
    stopped playing."""

    exit_code, code = 7, "E703"


class InternalError(NirdeployError):
    """A broken invariant: a bug in nirdeploy."""

    exit_code, code = 8, "E801"
