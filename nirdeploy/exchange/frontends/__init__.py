"""The frontends: nets of other frameworks to NIR graphs that spike as the net does at home.

One module per framework, each with ``export(net, example_input, dt)``. A framework's classes are known by their
names: none is ever imported here, whoever hands over a net has it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nirdeploy.errors import UsageProblem, meant

if TYPE_CHECKING:
    import nir

#: The frameworks, each read by the module of its name with an underscore behind it.
FRONTENDS = ("snntorch", "norse", "spikingjelly", "sinabs", "rockpool", "spyx")


def export_from(framework: str, net: Any, example_input: Any, *, dt: float | None = None) -> nir.NIRGraph:
    """Express a framework's net in NIR, with the dialect that gives it the spikes it has at home.

    Args:
        framework: one of :data:`FRONTENDS`.
        net: the framework's module.
        example_input: one input as the net wants it, batch dimension (and time, where its layers take it) included.
        dt: seconds per step; else what the framework assumes.

    Raises:
        UsageProblem: no such framework.
        ExportError: the net does something that no NIR node under any dialect does; names the module.
    """
    check(framework)
    module = importlib.import_module(f"{__name__}.{framework}_")
    graph: nir.NIRGraph = module.export(net, example_input, dt)
    return graph


def check(framework: str) -> None:
    """Raises :class:`UsageProblem` where there is no such framework."""
    if framework not in FRONTENDS:
        raise UsageProblem(f"there is no framework {framework[:40]!r}", hint=meant(framework, FRONTENDS, "known:"))
