"""pages: templates of self-contained pages: nothing is fetched; what comes from files is escaped, all of it seen."""

from __future__ import annotations

from typing import Any

import jinja2
from markupsafe import Markup

from nirdeploy.errors import printable
from nirdeploy.proof.report import library
from nirdeploy.proof.report.charts import Charts
from nirdeploy.records.pictures import palette
from nirdeploy.targets.resources import templates_dir

_END = "</body>"


def rendered(template: str, charts: Charts | None = None, **values: Any) -> str:
    """The page that a template of ``templates/report`` makes of these; with the library where there are charts.

    Raises :class:`~nirdeploy.errors.ToolMissing` where there are charts and no library.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir() / "report"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _cell
    colours = {"light": Markup(palette.variables(palette.LIGHT)), "dark": Markup(palette.variables(palette.DARK))}
    page = printable(environment.get_template(template).render(colours=colours, **values))
    if charts is None or not charts.figures:
        return page
    head, end, tail = page.rpartition(_END)
    source = environment.loader.get_source(environment, "charts.js")[0] if environment.loader else ""
    scripts = (
        f'<script type="application/json" id="charts">{charts.script()}</script>\n'
        f'<script type="application/gzip" id="library">{library.packed()}</script>\n'
        f"<script>\n{source}</script>\n"
    )
    return head + scripts + end + tail


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
