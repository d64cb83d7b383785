"""building: builds kept by the content of all that goes into them."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

import nirdeploy
from nirdeploy import pipeline
from nirdeploy.errors import CorruptFile, ModelFileError, UsageProblem
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.pipeline import Build
from nirdeploy.records import cache
from nirdeploy.targets import registry
from nirdeploy.targets.resources import targets_dir, templates_dir
from nirdeploy.targets.tables import Target

_OF_BUILD = frozenset(inspect.signature(pipeline.build).parameters) - {"source", "target", "out", "start", "stop"}
_OF_CHECK = frozenset(inspect.signature(check).parameters) - {"source"}


def build(
    source: object, target: str | Path | Target, folder: Path, example: Any, how: Mapping[str, Any]
) -> tuple[str, Build]:
    """A build, and the key of its content; made in a folder of that name in ``folder`` unless it is there.

    Args:
        source: a ``.nir`` file, a NIR graph, a checked one, or a torch module, of which ``example`` is an input.
        how: as of :func:`nirdeploy.pipeline.build`.

    Raises: as it does, and as :func:`nirdeploy.exchange.exporter.export_to_nir` does.
    """
    if unknown := set(how) - _OF_BUILD:
        raise UsageProblem(
            f"nir_build takes no {', '.join(sorted(unknown))}", hint="it takes what nirdeploy.build takes"
        )
    target, how = registry.load(target), dict(how)
    read, content = _content(source, example, how)
    key = hashlib.sha256(json.dumps([_code(), _of_target(target), content, _plain(how)]).encode()).hexdigest()[:32]
    out = folder / key
    with cache.alone(out):
        try:
            return key, Build.load(out, target)
        except (CorruptFile, UsageProblem):  # not there, or not whole
            return key, pipeline.build(read, target, out, **how)


def _content(source: object, example: Any, how: dict[str, Any]) -> tuple[Any, str]:
    """What is to be built, and the digest of it. What is settled by reading it is taken out of ``how``."""
    if isinstance(source, (str, Path)):
        try:
            return source, hashlib.sha256(Path(source).read_bytes()).hexdigest()
        except OSError as error:
            raise ModelFileError(f"cannot read the model: {error.strerror}", where=str(source)) from error
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(source, torch.nn.Module):
        if example is None:
            raise UsageProblem(
                "a torch module is exported by an input", hint="nir_build(net, example=torch.zeros(...))"
            )
        source = nirdeploy.export_to_nir(source, example, dt=how.get("dt") or 1e-4, dialect=how.get("dialect"))
    reading = {name: how.pop(name) for name in _OF_CHECK & set(how)}
    graph = source if isinstance(source, CheckedGraph) else check(source, **reading)
    return graph, graph.digest()


def _of_target(target: Target) -> str:
    said = target.model_dump_json(by_alias=True)
    own = Path(target.home) / target.templates if target.own_templates and target.home else None
    return f"{said} {'' if own is None else _files(own.rglob('*'))}"


@functools.cache
def _code() -> str:
    """nirdeploy itself: a build of another version is another build."""
    package = Path(nirdeploy.__file__).parent
    return _files([*package.rglob("*.py"), *targets_dir().rglob("*"), *templates_dir().rglob("*")])


def _files(paths: Iterable[Path]) -> str:
    sha = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        data = path.read_bytes()
        sha.update(f"{path.name} {len(data)} ".encode() + data)
    return sha.hexdigest()


def _plain(value: Any) -> Any:
    """Options as JSON has them, arrays by their digest."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if is_dataclass(value):  # all of it: what it says of itself is short
        return [type(value).__name__, {one.name: _plain(getattr(value, one.name)) for one in fields(value)}]
    return value if isinstance(value, (str, int, float, type(None))) else repr(value)
