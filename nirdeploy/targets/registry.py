"""Which targets there are, found by listing ``targets/``, and the backend that each names."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
import sys
import tomllib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import create_model, model_validator

from nirdeploy.errors import CorruptFile, TargetFileError, UnknownTarget, meant, meant_file
from nirdeploy.records import files
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.resources import targets_dir
from nirdeploy.targets.tables import Target, validated

#: Entry points by which an installed package brings a backend of its own.
PLUGINS = "nirdeploy.backends"


def names() -> list[str]:
    """Names of the targets that come with nirdeploy."""
    return sorted(path.stem for path in targets_dir().glob("*.toml"))


def default() -> str:
    """The target where none is named: the one whose file says ``default = true``."""
    for path in sorted(targets_dir().glob("*.toml")):
        if tomllib.loads(path.read_text(encoding="utf-8")).get("default"):
            return path.stem
    raise UnknownTarget("no target is the default", hint=f"name one of {', '.join(names())}")


def load(name_or_path: str | Path | Target | None = None) -> Target:
    """Load a target by name (None: the default), or from a user's own TOML file (anything ending in ``.toml``).

    Raises:
        UnknownTarget: no such target; says which there are.
        TargetFileError: names file, key and what is allowed, all mistakes at once.
    """
    if isinstance(name_or_path, Target):
        return name_or_path
    text = str(default() if name_or_path is None else name_or_path)
    path = Path(text) if text.endswith(".toml") else targets_dir() / f"{text}.toml"
    if not text.endswith(".toml") and text not in names():
        hint = meant(text, names(), "or name the path of a .toml file; targets:")
        raise UnknownTarget(f"there is no target {text!r}", hint=hint)
    try:
        data = files.toml(path)
    except OSError as error:
        hint = meant_file(path) if isinstance(error, FileNotFoundError) else "make it readable, or name another"
        raise UnknownTarget(f"cannot read the target file: {error.strerror}", where=str(path), hint=hint) from error
    except CorruptFile as error:  # no file, or not of a target file's size
        raise TargetFileError(error.message, where=str(path), hint="name a target's .toml file") from error
    except ValueError as error:
        raise TargetFileError(
            f"not valid TOML: {error}", where=str(path), hint="compare with one of nirdeploy's own target files"
        ) from error
    home = None if path.parent == targets_dir() else path.parent.resolve()
    found = validate({**data, "home": home and str(home), "own_templates": False, "name": path.stem}, where=str(path))
    return found.model_copy(update={"own_templates": home is not None and (home / found.templates).is_dir()})


def validate(data: dict[str, Any], where: str) -> Target:
    """A target from what its file says (or from a dump of one). Raises :class:`TargetFileError`."""
    name = data.get("backend")
    if not isinstance(name, str):
        raise TargetFileError(
            "backend: field required, a string", where=where, hint="compare with one of nirdeploy's own target files"
        )
    backend: Any = type(find_backend(name, where))
    return validated(_schema(backend), data, where)


@functools.cache
def _schema(backend: Any) -> type[Target]:
    """A target whose tables are its backend's, and which the backend finds no fault with."""

    def fits_together(target: Target) -> Target:
        if problems := backend().misfits(target):
            raise ValueError("; ".join(problems))
        return target

    check: Any = model_validator(mode="after")(fits_together)
    typed = Target[backend.Formats, backend.Hardware]
    return create_model("Target", __base__=typed, __validators__={"fits_together": check})


def find_backend(name: str, where: str) -> Backend:
    """The backend of a name: module ``nirdeploy.backends.<name>``, or an installed plug-in, with a ``BACKEND``.

    Raises:
        TargetFileError: there is none, or it is no backend; says which there are.
    """
    plugins = _plugins(tuple(sys.path))
    if name in plugins:
        made = _plugin(plugins[name], where)
    elif name.isidentifier() and importlib.util.find_spec(f"nirdeploy.backends.{name}"):
        made = getattr(importlib.import_module(f"nirdeploy.backends.{name}"), "BACKEND", None)
    else:
        hint = f"{meant(name, [*_own(), *plugins], 'backends:')}; a plug-in registers its own under {PLUGINS!r}"
        raise TargetFileError(f"there is no backend {name!r}", where=where, hint=hint)
    if not (isinstance(made, type) and issubclass(made, Backend) and hasattr(made, "Hardware")):
        raise TargetFileError(
            f"{name!r} is not a backend", where=where, hint="it must name a subclass of Backend that has a Hardware"
        )
    return made()


def _own() -> list[str]:
    """The backends that come with nirdeploy; a family is what its ``BACKEND`` makes it."""
    home = importlib.import_module("nirdeploy.backends").__path__
    return sorted(one.name for one in pkgutil.iter_modules(home) if one.ispkg and one.name != "common")


@functools.cache
def _plugins(_path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Of what is installed along the search path: to read all that takes 20 ms, and a build asks again and again."""
    return {entry.name: entry for entry in entry_points(group=PLUGINS)}


def _plugin(entry: EntryPoint, where: str) -> Any:
    """What an installed package gives: its faults are not ours."""
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise TargetFileError(
            f"the plug-in for the backend {entry.name!r} does not load: {error}",
            where=where,
            hint=f"the installed package names {entry.value!r}; install it again",
        ) from error


def backend_of(target: Target) -> Backend:
    """The backend that a target file names. Raises :class:`TargetFileError`."""
    return find_backend(target.backend, f"target {target.name}")
