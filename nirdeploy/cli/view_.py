"""nirdeploy view: a model, a build or a record as a page."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nirdeploy.cli import inputs, options, ui
from nirdeploy.errors import UsageProblem

if TYPE_CHECKING:
    from nirdeploy.proof.report.html import Report

_RECORD = ".nird"


@click.command("view")
@click.argument("what", type=click.Path(path_type=Path))
@options.out(text="The page to write; by default NAME-view.html, here.")
@click.option("--no-open", is_flag=True, help="Write the page, and open no browser.")
@options.dialect
@inputs.asked
@options.as_json
def command(
    what: Path,
    out: Path | None,
    no_open: bool,
    dialect: str | None,
    dt: float | None,
    as_json: bool,
    **said: str | None,
) -> None:
    """Show WHAT as one page, offline: in the browser, where there is one, and as a file in any case.

    \b
    MODEL.NIR      the network as a picture, populations, warnings
    BUILD          a build folder: also bits and losses, memories of the cores, time of a step
    RECORD.NIRD    rasters and membranes

    Two records, or a build's witnesses, are compared by 'nirdeploy verify --html'.
    """
    from nirdeploy.proof.report import html
    from nirdeploy.records import files

    if not what.is_file() and not what.is_dir():
        raise files.absent(what, "file or folder")
    about_models = [dialect, dt, *said.values()]
    if (what.is_dir() or what.suffix == _RECORD) and any(one is not None for one in about_models):
        raise UsageProblem(
            "a build or a record has its dialect and its inputs already", hint="these options go with a .nir file"
        )
    with ui.doing("drawing"):
        page = _build(what) if what.is_dir() else _record(what) if what.suffix == _RECORD else None
        page = page or _model(what, dialect, dt, **said)
        path = out or Path(f"{what.resolve().stem}-view.html")
        html.write(path, page)
    opened = not no_open and _opened(path)
    if as_json:
        ui.result("view", {"page": str(path.resolve()), "opened": opened})
    else:
        ui.say(f"{path.resolve()}{'' if opened or no_open else ' (there is no browser here: open it where one is)'}")


def _model(what: Path, dialect: str | None, dt: float | None, **said: str | None) -> Report:
    from nirdeploy import check
    from nirdeploy.proof.report import views
    from nirdeploy.targets.image import MAGIC

    with what.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            raise UsageProblem("this is an image; its build folder has a page", where=str(what), hint="view the folder")
    return views.of_graph(check(what, dialect=dialect, dt=dt, **inputs.held(**said)), what.name)


def _build(what: Path) -> Report:
    from nirdeploy import pipeline
    from nirdeploy.proof.report import views

    return views.of_build(pipeline.Build.load(what), f"{what.resolve().name}: a build")


def _record(what: Path) -> Report:
    from nirdeploy.proof.report import views
    from nirdeploy.records import tally

    return views.of_record(tally.load(what), what.name)


def _opened(path: Path) -> bool:
    """Whether a browser took it. One in the terminal is not asked: it would take the terminal."""
    import webbrowser

    seen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if sys.platform == "linux" and not seen:
        return False
    try:
        return webbrowser.open(path.resolve().as_uri())
    except (webbrowser.Error, OSError):
        return False
