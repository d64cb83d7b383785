"""naming: what the nodes of an exported graph are called, by one rule for every framework (docs/export.md).

A layer or neuron is called by its attributes' path from the net down, as an identifier: as torch.fx, and with it
SpikingJelly's own exporter, names what it traces.
"""

from __future__ import annotations

import builtins
import inspect
import keyword
import re
from collections.abc import Iterable

from torch import nn

from nirdeploy.errors import ExportError

_ODD = re.compile(r"[^0-9A-Za-z_]+")
#: Whose modules are nobody's own.
_FRAMEWORKS = ("torch", "nirdeploy.exchange", "spikingjelly", "snntorch", "norse", "sinabs", "rockpool")
#: The attributes under which frameworks' wrappers keep the one module that their users handed them.
_HELD = {
    "Lift": "lifted_module",
    "RecurrentSequential": "module",
    "Repeat": "module",
    "ElementWiseRecurrentContainer": "sub_module",
    "LinearRecurrentContainer": "sub_module",
    "DataParallel": "module",
    "OptimizedModule": "_orig_mod",
}
#: Containers that take one module or many; they number them.
_ONE_OR_MANY = ("MultiStep", "MultiStepContainer", "SeqToANNContainer", "StepModeContainer")


class Names:
    """Names that are given once, each an identifier: ``fc1``, ``body_0``, ``_0``; ``fc1_1`` for the second ``fc1``.

    ``paths``: of modules; what else is numbered does not take their names.
    """

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._taken: set[str] = set()
        self._modules = {legal(path) for path in paths}

    def new(self, wanted: str) -> str:
        """The name; where it is taken (or Python's own) the next free one after it."""
        base = name = legal(wanted)
        number = 0
        while (
            name in self._taken
            or keyword.iskeyword(name)
            or name in vars(builtins)
            or (number and name in self._modules)
        ):
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name


def legal(wanted: str) -> str:
    """A path as an identifier."""
    name = _ODD.sub("_", wanted)
    return f"_{name}" if name[:1].isdigit() else name


def written(net: nn.Module) -> dict[str, str]:
    """Each module's path as its user wrote it, by its path: without what wrappers and containers of frameworks add."""
    found = {"": ""}
    for path, module in net.named_modules():
        if path:
            above, _, last = path.rpartition(".")
            own = _own_name(net.get_submodule(above), last, module)
            found[path] = ".".join(part for part in (found[above], own) if part)
    return found


def input_names(net: nn.Module, count: int) -> list[str]:
    """What the forward calls its inputs; ``input`` each, where it is a framework's or does not say.

    Raises:
        ExportError: it takes fewer.
    """
    wrote = next(kind for kind in type(net).__mro__ if "forward" in vars(kind))
    given = inspect.signature(net.forward).parameters.values()
    named = [one.name for one in given if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    if any(one.kind == one.VAR_POSITIONAL for one in given) or (_of_a_framework(wrote) and len(named) >= count):
        return ["input"] * count
    if len(named) < count:
        raise ExportError(
            f"the net takes {len(named)} inputs ({', '.join(named)}), the example has {count}",
            hint="give a tuple of tensors, one per input",
        )
    return named[:count]


def _own_name(above: nn.Module, name: str, module: nn.Module) -> str:
    kind = type(above).__name__
    if not _of_a_framework(type(above)):
        return name
    if _HELD.get(kind) == name or (kind in _ONE_OR_MANY and len(above._modules) == 1):
        return ""
    numbered = re.fullmatch(r"(\d+)_(.+)", name)  # Rockpool's
    return numbered[1] if numbered and numbered[2] == type(module).__name__ else name


def _of_a_framework(kind: type) -> bool:
    return any(kind.__module__ == one or kind.__module__.startswith(f"{one}.") for one in _FRAMEWORKS)
