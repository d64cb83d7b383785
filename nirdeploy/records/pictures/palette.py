"""palette: the colours of every page and picture, on light and on dark paper, by what they mean.

Each stands out from its paper by 4.5 to 1 (WCAG AA, of text; 3 to 1 is asked of marks), and those that lie over each
other in one picture differ in lightness too, for those who do not see their hues.
"""

from __future__ import annotations

LIGHT = {
    "ink": "#1b2733",
    "quiet": "#4d5b68",
    "paper": "#ffffff",
    "soft": "#eef2f5",
    "line": "#c9d3dc",
    "good": "#19734b",
    "bad": "#b3261e",
    "link": "#0b57a4",
    "agreed": "#3c6e9f",
    "missing": "#b3261e",
    "extra": "#9a5b00",
    "count": "#7b3fa0",
    "expected": "#3c6e9f",
    "measured": "#9a5b00",
    "threshold": "#b3261e",
    "reset": "#4d5b68",
    "heat": "#8fb8de",  # beneath text in ink
}
DARK = {
    "ink": "#e4eaf0",
    "quiet": "#a9b6c2",
    "paper": "#12181f",
    "soft": "#1c252e",
    "line": "#36434f",
    "good": "#5cc896",
    "bad": "#ff8a80",
    "link": "#8cc2ff",
    "agreed": "#7fb2e5",
    "missing": "#ff8a80",
    "extra": "#ffb74d",
    "count": "#d0a2f0",
    "expected": "#7fb2e5",
    "measured": "#ffb74d",
    "threshold": "#ff8a80",
    "reset": "#a9b6c2",
    "heat": "#2b5885",
}


def variables(colours: dict[str, str]) -> str:
    """As custom properties of a style sheet: ``--ink: #1b2733; ...``."""
    return " ".join(f"--{name}: {value};" for name, value in colours.items())
