"""nirdeploy export: a PyTorch module to a NIR file."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from inspect import isfunction
from pathlib import Path
from typing import Any

import click

from nirdeploy.cli import completing, options, ui
from nirdeploy.errors import ExportError, UsageProblem, meant, meant_file


@click.command("export")
@click.argument("source", metavar="MODULE.PY:ATTRIBUTE")
@click.option("--input-shape", required=True, metavar="N,N,...", help="Shape of one input, batch included: 1,64.")
@options.out(required=True, text="The .nir file to write.")
@click.option(
    "--from",
    "framework",
    metavar="FRAMEWORK",
    shell_complete=completing.frameworks,
    help="The net's framework (snntorch, norse, spikingjelly, sinabs, rockpool, spyx): the file will do what the net "
    "does there, resets, delays and time unit included.",
)
@click.option("--dt", type=float, help="Seconds per step; else that of the net's neurons.")
@click.option("--dialect", shell_complete=completing.presets, help="Dialect to record; else that of the net's neurons.")
@options.as_json
def command(
    source: str,
    input_shape: str,
    out: Path,
    framework: str | None,
    dt: float | None,
    dialect: str | None,
    as_json: bool,
) -> None:
    """Export ATTRIBUTE of MODULE.PY (an nn.Module, or a function without arguments that returns one).

    Without --from: layers of torch.nn, nirdeploy's own modules and SpikingJelly's.
    """
    from nirdeploy.exchange import frontends

    shape = _shape(input_shape)
    if framework is not None:
        frontends.check(framework)
        if dialect is not None:
            raise UsageProblem("--from reads the dialect from the net", hint="leave --dialect out")
    with ui.doing("loading PyTorch"):
        import torch

        from nirdeploy.exchange import exporter
        from nirdeploy.graph import file as nirfile
    with ui.doing(f"loading {source}"):
        net = _load(source)
    with ui.doing("exporting"):
        if framework is None:
            step = dt if dt is not None else exporter.own_dt(net)
            graph = exporter.export_to_nir(net, torch.zeros(shape), out, step, dialect)
        else:
            graph = frontends.export_from(framework, net, torch.zeros(shape), dt=dt)
            nirfile.write(out, graph)
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    if as_json:
        ui.result("export", {"file": str(out), "nodes": kinds, "edges": [list(edge) for edge in graph.edges]})
    else:
        ui.say(f"wrote {out}: {', '.join(f'{name} ({kind})' for name, kind in kinds.items())}")


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise UsageProblem(f"--input-shape {text!r} is not a list of sizes", hint="write it as 1,64")
    return shape


def _load(source: str) -> Any:
    from torch import nn

    name, colon, attribute = source.rpartition(":")
    path = Path(name)
    if not colon or not attribute:
        raise UsageProblem(f"{source!r} does not name an attribute", hint="write MODULE.PY:ATTRIBUTE")
    if not path.is_file():
        raise UsageProblem("there is no such Python file", where=name, hint=meant_file(name))
    module = _import(path)
    if not hasattr(module, attribute):
        nets = [key for key, value in vars(module).items() if isinstance(value, nn.Module)]
        calls = [key for key, value in vars(module).items() if isfunction(value) and value.__module__ == path.stem]
        hint = meant(attribute, [*nets, *calls], "modules in it:", nets)
        hint += f"; functions, which will do too: {', '.join(calls)}" if calls else ""
        raise UsageProblem(f"the file has no attribute {attribute!r}", where=name, hint=hint)
    found = getattr(module, attribute)
    if not isinstance(found, nn.Module) and callable(found):
        try:
            found = found()
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            raise _theirs(error, path, f"calling {attribute}()") from error
    if not isinstance(found, nn.Module):
        raise ExportError(
            f"{attribute!r} is a {type(found).__name__}, expected a torch.nn.Module",
            where=name,
            hint="name a module, or a function without arguments that returns one",
        )
    return found


def _import(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageProblem("this is not a Python file", where=str(path), hint="name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise _theirs(error, path, "importing it") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module


def _theirs(error: BaseException, path: Path, doing: str) -> ExportError:
    own = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == path.resolve()]
    line = f":{own[-1].lineno}" if own else f":{error.lineno}" if isinstance(error, SyntaxError) else ""
    return ExportError(
        f"{doing} failed: {type(error).__name__}: {error}",
        where=f"{path}{line}",
        hint="run it in Python first: what is wrong is in that file",
    )
