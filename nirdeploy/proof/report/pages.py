"""pages: templates of self-contained pages. No network, no script; what comes from files is escaped, all of it seen."""

from __future__ import annotations

from typing import Any

import jinja2

from nirdeploy.records.printable import printable
from nirdeploy.targets.resources import templates_dir


def rendered(template: str, **values: Any) -> str:
    """The page that a template of ``templates/report`` makes of these."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir() / "report"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _cell
    return printable(environment.get_template(template).render(**values))


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
