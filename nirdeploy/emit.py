"""emit: a target's templates become Artifacts, in memory first; same inputs, same bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from nirdeploy import store
from nirdeploy.backends import base
from nirdeploy.errors import InternalError, TargetFileError
from nirdeploy.network import IntegerNetwork
from nirdeploy.place import Placement
from nirdeploy.resources import templates_dir
from nirdeploy.target import Target

#: The partial that says which folders of templates this hardware does not need.
LEFT_OUT = "_left_out.j2"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class Artifacts(Mapping[str, bytes]):
    """Generated files: ``{relative path: bytes}``. Paths stay inside, whatever made them."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def add(self, path: str, data: bytes) -> None:
        """Raises :class:`InternalError` on an absolute path, ``..``, or a name taken already."""
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in path:
            raise InternalError(f"artifact path {path!r} leaves its folder")
        if path.lower() in {name.lower() for name in self._files}:
            raise InternalError(f"artifact {path!r} exists twice")
        self._files[path] = data

    def __getitem__(self, path: str) -> bytes:
        return self._files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._files))

    def __len__(self) -> int:
        return len(self._files)

    def digest(self) -> str:
        """SHA-256 (hex) over names and contents, each with its length."""
        sha = hashlib.sha256()
        for name in self:
            for part in (name.encode(), self[name]):
                sha.update(len(part).to_bytes(8, "little"))
                sha.update(part)
        return sha.hexdigest()

    def save(self, folder: Path) -> None:
        """Write every file under ``folder``, each whole or not at all."""
        for name in self:
            store.write_atomic(folder / name, self[name])


def emit(target: Target, network: IntegerNetwork | None = None, placement: Placement | None = None) -> Artifacts:
    """Render the target's template folder; ``network`` and ``placement``: where the files depend on them.

    ``*.j2`` render to the same path without ``.j2``; names that start with ``_`` are partials; anything
    else is copied. What :data:`LEFT_OUT` renders to, folders one a line, is left out. Raises
    :class:`TargetFileError` naming template and line.
    """
    folder = _folder(target)
    environment = _environment(folder)
    context = base.load(target).context(target, network, placement)
    left_out = _render(environment, LEFT_OUT, context).split() if (folder / LEFT_OUT).is_file() else []
    artifacts = Artifacts()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("_")):
        name = path.relative_to(folder).as_posix()
        if any(PurePosixPath(name).is_relative_to(other) for other in left_out):
            continue
        if name.endswith(".j2"):
            artifacts.add(name.removesuffix(".j2"), _render(environment, name, context).encode())
        else:
            artifacts.add(name, path.read_bytes())
    return artifacts


def render(target: Target, template: str, **variables: Any) -> bytes:
    """One template of the target's folder, a partial too, with ``variables`` beside the backend's own."""
    context = base.load(target).context(target)
    return _render(_environment(_folder(target)), template, {**context, **variables}).encode()


def _folder(target: Target) -> Path:
    """A user's own target brings its templates beside its file; else they are nirdeploy's."""
    homes = [*([Path(target.home)] if target.home else []), templates_dir()]
    folder = next((home / target.templates for home in homes if (home / target.templates).is_dir()), None)
    if folder is None:
        raise TargetFileError(
            f"there is no template folder {target.templates!r}",
            where=f"target {target.name}",
            hint=f"looked in {' and '.join(map(str, homes))}",
        )
    return folder


def _environment(folder: Path) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folder), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["ident"] = ident
    return environment


def ident(text: str) -> str:
    """The only way a name gets into generated code: a plain identifier or an error."""
    if not _IDENTIFIER.fullmatch(text):
        raise TargetFileError(f"{text!r} cannot be an identifier in generated code", hint="use letters, digits and _")
    return text


def _render(environment: SandboxedEnvironment, name: str, context: Mapping[str, Any]) -> str:
    try:
        return environment.get_template(name).render(context)
    except jinja2.TemplateError as error:
        line = getattr(error, "lineno", None)
        raise TargetFileError(
            f"the template does not render: {error}", where=f"templates/{name}" + (f" line {line}" if line else "")
        ) from error
