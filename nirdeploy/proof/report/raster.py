"""Spike rasters and membrane traces as inline SVG."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

_MAX_NEURONS = 128
_MAX_STEPS = 256


def raster(expected: np.ndarray, measured: np.ndarray, title: str) -> Markup:
    """A population's spikes in one sample: agreed, missing (expected only) and extra (measured only).

    Args:
        expected, measured: (T, neurons) spike counts. Large rasters are cut, which the title says.
    """
    time, neurons = min(expected.shape[0], _MAX_STEPS), min(expected.shape[1], _MAX_NEURONS)
    cut = "" if (time, neurons) == expected.shape else f" (first {time} steps, {neurons} neurons)"
    a, b = expected[:time, :neurons] > 0, measured[:time, :neurons] > 0
    cell = max(2.0, min(8.0, 640 / time, 320 / neurons))
    paths = "".join(
        f'<path class="{name}" d="{_squares(mask, cell)}"/>'
        for name, mask in (("agreed", a & b), ("missing", a & ~b), ("extra", ~a & b))
        if mask.any()
    )
    width, height = time * cell, neurons * cell
    return Markup(
        '<figure><svg class="raster" role="img" viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}">'
        "<title>{title}</title>{paths}</svg><figcaption>{title}{cut}</figcaption></figure>"
    ).format(w=width, h=height, title=title, cut=cut, paths=Markup(paths))


def trace(expected: np.ndarray, measured: np.ndarray, threshold: float | None, title: str) -> Markup:
    """Two membrane traces (T,) over each other, with the threshold."""
    values = np.concatenate([expected, measured, [threshold] if threshold is not None else []])
    low, high = float(values.min()), float(values.max())
    span = (high - low) or 1.0
    width, height = 640.0, 120.0

    def line(data: np.ndarray) -> str:
        steps = max(len(data) - 1, 1)
        return " ".join(
            f"{i * width / steps:.1f},{height - (float(v) - low) / span * height:.1f}" for i, v in enumerate(data)
        )

    border = ""
    if threshold is not None:
        y = height - (threshold - low) / span * height
        border = f'<line class="threshold" x1="0" x2="{width:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return Markup(
        '<figure><svg class="trace" role="img" viewBox="0 -4 640 128" width="640" height="128"><title>{title}</title>'
        '{border}<polyline class="expected" points="{a}"/><polyline class="measured" points="{b}"/></svg>'
        "<figcaption>{title}</figcaption></figure>"
    ).format(title=title, border=Markup(border), a=line(expected), b=line(measured))


def _squares(mask: np.ndarray, cell: float) -> str:
    return "".join(f"M{t * cell:g} {n * cell:g}h{cell:g}v{cell:g}h-{cell:g}z" for t, n in np.argwhere(mask).tolist())
