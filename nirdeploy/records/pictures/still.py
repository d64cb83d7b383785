"""still: a raster as a small SVG that stands anywhere without a script, as in a notebook."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from nirdeploy.records.pictures.raster import KINDS, Compared
from nirdeploy.records.pictures.window import Window, around

_MAX_NEURONS = 128
_MAX_STEPS = 256


def raster(expected: np.ndarray, measured: np.ndarray | None, title: str) -> Markup:
    """A population's spikes in one sample: agreed, missing (expected only), extra (measured only), and other numbers.

    Args:
        expected, measured: (T, neurons) spike counts. Large rasters are cut around the first difference, which the
            title says.
    """
    compared = Compared(title, expected, measured)
    total, neurons = expected.shape
    step, neuron = compared.first or (0, 0)
    steps = around(step, min(total, _MAX_STEPS), total)
    window = Window(steps, around(neuron, min(neurons, _MAX_NEURONS), neurons), (total, neurons))
    time, high = (end - begin for begin, end in (window.steps, window.neurons))
    cut = f" ({window.cut})" if window.cut else ""
    cell = max(2.0, min(8.0, 640 / max(time, 1), 320 / max(high, 1)))
    paths = [
        Markup('<path class="{}" d="{}" style="fill: var(--{}, {})"/>').format(
            kind, _squares(cells[window.cells], cell), kind, KINDS[kind].light
        )
        for kind, cells in compared.kinds().items()
        if cells[window.cells].any()
    ]
    return Markup(
        '<figure><svg class="raster" role="img" viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}" '
        'style="background: var(--paper, #fff); border: 1px solid var(--line, #c9d3dc); max-width: 100%; height: auto">'
        "<title>{title}</title>{paths}</svg><figcaption>{title}{cut}</figcaption></figure>"
    ).format(w=time * cell, h=high * cell, title=title, cut=cut, paths=Markup("").join(paths))


def _squares(mask: np.ndarray, cell: float) -> str:
    return "".join(f"M{t * cell:g} {n * cell:g}h{cell:g}v{cell:g}h-{cell:g}z" for t, n in np.argwhere(mask).tolist())
