"""The user's network: a module or a factory in a Python file of theirs."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from torch import nn

from nirdeploy.errors import UsageProblem


def load(spec: str) -> nn.Module:
    """Load ``FILE.py:ATTRIBUTE``: an ``nn.Module``, or something that gives one when called without arguments.

    The file's folder is on ``sys.path`` while it is imported, as when Python runs the file.

    Raises:
        UsageProblem: no such file or attribute, the user's code failed, or it gave something else.
    """
    name, colon, attribute = spec.rpartition(":")
    if not colon or not attribute.isidentifier():
        raise UsageProblem(f"{spec!r} does not name a network", hint="give FILE.py:ATTRIBUTE, such as net.py:model")
    path = Path(name)
    if not path.is_file():
        raise UsageProblem(f"there is no file {name}")
    module = _import(path)
    if not hasattr(module, attribute):
        raise UsageProblem(f"{name} has no attribute {attribute!r}", hint=_offers(module))
    found = getattr(module, attribute)
    if not isinstance(found, nn.Module) and callable(found):
        found = _call(found, spec, path)
    if not isinstance(found, nn.Module):
        raise UsageProblem(
            f"{spec} is a {type(found).__name__}, not a torch.nn.Module, nor a function that gives one",
            hint=_offers(module),
        )
    return found


def _import(path: Path) -> ModuleType:
    name = f"_nirdeploy_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageProblem(f"{path} is not a Python file", hint="its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _failed("importing", str(path), path, error) from error
    finally:
        sys.path.remove(folder)
    return module


def _call(factory: object, spec: str, path: Path) -> object:
    try:
        return factory()  # type: ignore[operator]
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _failed("calling", spec, path, error) from error


def _failed(doing: str, what: str, path: Path, error: BaseException) -> UsageProblem:
    """The user's exception in one line, at the last place in the user's file."""
    if isinstance(error, SyntaxError):
        line: int | None = error.lineno
    else:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name == path.name]
        line = lines[-1] if lines else None
    where = f"{path}:{line}" if line else str(path)
    return UsageProblem(f"{doing} {what} failed: {type(error).__name__}: {error}", where=where)


def _offers(module: ModuleType) -> str:
    """What the file has instead."""
    networks = [name for name, value in vars(module).items() if isinstance(value, nn.Module)]
    classes = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    ]
    if networks or classes:
        return f"it has {', '.join([*networks, *classes])}"
    return "it has no torch.nn.Module at its top level"
