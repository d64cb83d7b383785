"""emit: a target's templates become Artifacts, in memory first; same inputs, same bytes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from nirdeploy.errors import InternalError, TargetFileError, UsageProblem
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records import store
from nirdeploy.targets import registry
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.resources import templates_dir
from nirdeploy.targets.tables import Target

#: The partial that says which folders of templates this hardware does not need.
LEFT_OUT = "_left_out.j2"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class Artifacts(Mapping[str, bytes]):
    """Generated files: ``{relative path: bytes}``. Paths stay inside, whatever made them."""

    FILE: ClassVar[str] = "hardware"  # in a build's folder: a folder of its own

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
    else is copied. What :data:`LEFT_OUT` renders to, folders one a line, is left out. Raises :class:`TargetFileError`
    naming template and line, :class:`UsageProblem` where the templates are the user's own and not at hand.
    """
    folder = _folder(target)
    environment = _environment(folder)
    context = registry.backend_of(target).context(target, network, placement)
    left_out = _render(environment, LEFT_OUT, context).split() if (folder / LEFT_OUT).is_file() else []
    artifacts = Artifacts()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("_")):
        name = path.relative_to(folder).as_posix()
        if any(PurePosixPath(name).is_relative_to(other) for other in left_out):
            continue
        data = _render(environment, name, context).encode() if name.endswith(".j2") else path.read_bytes()
        try:
            artifacts.add(name.removesuffix(".j2"), data)
        except InternalError as error:
            raise TargetFileError(error.message, where=f"templates/{name}", hint="rename the file") from error
    return artifacts


def render(target: Target, template: str, **variables: Any) -> bytes:
    """One template of the target's folder, a partial too, with ``variables`` beside the backend's own."""
    context = registry.backend_of(target).context(target)
    return _render(_environment(_folder(target)), template, {**context, **variables}).encode()


def _folder(target: Target) -> Path:
    """A user's own target brings its templates beside its file; else they are nirdeploy's."""
    if target.own_templates:
        return _own_folder(target)
    folder = templates_dir() / target.templates
    if not folder.is_dir():
        homes = [*([target.home] if target.home else []), str(templates_dir())]
        again = "" if target.home else f"; if they came with a file of yours, name it: --target {target.name}.toml"
        raise TargetFileError(
            f"there is no template folder {target.templates!r}",
            where=f"target {target.name}",
            hint=f"looked in {' and '.join(homes)}{again}",
        )
    return folder


def _own_folder(target: Target) -> Path:
    """The folder beside the file that the user named. Nothing in it may lead out of it."""
    if target.home is None:
        raise UsageProblem(
            f"the templates of target {target.name!r} came with the user's file",
            hint=f"name it again with --target {target.name}.toml",
        )
    folder = Path(target.home) / target.templates
    for path in (folder, *folder.rglob("*")):
        if not Path(os.path.realpath(path)).is_relative_to(folder):
            raise TargetFileError(
                "a link leads out of the template folder", where=str(path), hint="put what it leads to in its place"
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
