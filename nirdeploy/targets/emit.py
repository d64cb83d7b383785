"""emit: a target's templates become Artifacts, in memory first; same inputs, same bytes."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from nirdeploy.errors import InternalError, TargetFileError, UsageProblem
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records import store
from nirdeploy.records.brief import brief, listed
from nirdeploy.targets import registry, rendering
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.resources import templates_dir
from nirdeploy.targets.tables import Target

_MOST_FILES = 4096  # of a user's own templates; ours are some hundred
_LEAVE = "leave in it what the hardware's files are made of"


class Artifacts(Mapping[str, bytes]):
    """Generated files: ``{relative path: bytes}``. Paths stay inside, whatever made them."""

    FILE: ClassVar[str] = "hardware"  # in a build's folder: a folder of its own

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._names: set[str] = set()  # in lower case: not every system tells them apart
        self._folders: set[str] = set()

    def add(self, path: str, data: bytes) -> None:
        """Raises :class:`InternalError` on an absolute path, ``..``, or a name taken already, be it by a folder."""
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in path:
            raise InternalError(f"artifact path {path!r} leaves its folder")
        name = path.lower()
        folders = {str(folder) for folder in PurePosixPath(name).parents}
        if name in self._names:
            raise InternalError(f"artifact {path!r} exists twice")
        if name in self._folders or folders & self._names:
            raise InternalError(f"artifact {path!r} exists twice, as a file and as a folder")
        self._files[path] = data
        self._names.add(name)
        self._folders |= folders

    def __repr__(self) -> str:
        return brief(self, f"{len(self):,} files: {listed(list(self))}")

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
    else is copied. What ``_left_out.j2`` renders to, folders one a line, is left out. Raises :class:`TargetFileError`
    naming template and line, or where the user's own make more than text of some megabytes or take more than seconds;
    :class:`UsageProblem` where those are not at hand.
    """
    folder = _folder(target)
    context = registry.backend_of(target).context(target, network, placement)
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("_")
    }
    found = _rendered(target, folder, [name for name in files if name.endswith(".j2")], context)
    artifacts = Artifacts()
    for name, path in files.items():
        if found.leaves_out(name):
            continue
        data = _encoded(name, found.texts[name]) if name in found.texts else path.read_bytes()
        try:
            artifacts.add(name.removesuffix(".j2"), data)
        except InternalError as error:
            raise TargetFileError(error.message, where=f"templates/{name}", hint="rename the file") from error
    return artifacts


def render(target: Target, template: str, **variables: Any) -> bytes:
    """One template of the target's folder, a partial too, with ``variables`` beside the backend's own."""
    context = {**registry.backend_of(target).context(target), **variables}
    return _encoded(template, _rendered(target, _folder(target), [template], context).texts[template])


def _encoded(template: str, text: str) -> bytes:
    """As UTF-8. Raises :class:`TargetFileError` where a template made half a character."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TargetFileError(
            f"the template makes {text[error.start]!a}, which is half a character",
            where=f"templates/{template}",
            hint="write the character itself in the template, or leave it out",
        ) from error


def _rendered(target: Target, folder: Path, names: list[str], context: Mapping[str, Any]) -> rendering.Rendered:
    """Here, or, where the templates are not nirdeploy's, in a process with limits."""
    return (rendering.apart if target.own_templates else rendering.rendered)(folder, names, context)


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
    folder, size = Path(target.home) / target.templates, 0
    for count, path in enumerate(itertools.chain([folder], folder.rglob("*"))):
        if count > _MOST_FILES:
            raise TargetFileError(
                f"the template folder holds more than {_MOST_FILES:,} files", where=str(folder), hint=_LEAVE
            )
        if not path.name.isprintable():
            raise TargetFileError(
                f"the name {path.name!a} has characters that cannot be printed",
                where=str(path.parent),
                hint="rename the file",
            )
        if not Path(os.path.realpath(path)).is_relative_to(folder):
            raise TargetFileError(
                "a link leads out of the template folder", where=str(path), hint="put what it leads to in its place"
            )
        size += path.stat().st_size if path.is_file() else 0
        if size > rendering.MOST_BYTES:
            raise TargetFileError(
                f"the template folder holds more than {rendering.MOST_BYTES >> 20} MiB",
                where=str(folder),
                hint=_LEAVE,
            )
    return folder
