"""A name in a package means one thing: no function or class hides the module of its name."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import nirdeploy


def modules() -> list[str]:
    """All of nirdeploy's but the one that runs when it is imported."""
    found = pkgutil.walk_packages(nirdeploy.__path__, f"{nirdeploy.__name__}.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def test_importing_a_module_gives_the_module() -> None:
    names = modules()
    for name in names:
        importlib.import_module(name)
    hidden = []
    for name in names:
        package, _, own = name.rpartition(".")
        if getattr(sys.modules[package], own) is not sys.modules[name]:
            hidden.append(name)
    assert hidden == []
    assert len(names) > 150
