"""Every public type says itself in a line or two, and graphs, builds, records and verdicts show themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import nirdeploy as nd
from tests import networks


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    built = nd.build(networks.two_layers(sizes=(12, 10, 4)), "fpga")
    x = networks.spikes(1, (20, 5, 12), 0.5)
    record, exact = nd.simulate(built, x), nd.simulate(built.graph, x)
    other = replace(nd.simulate(built, x), source="\x1b[31m")
    network, image = built.network, built.image
    return {
        "build": built,
        "graph": built.graph,
        "record": record,
        "verdict": nd.verify(exact, record),
        "hostile": other,
        "fit": built.fit,
        "network": network,
        "parts": [*built.graph.populations, *built.graph.projections, *network.populations, *network.projections],
        "operators": [p.operator for p in network.projections],
        "placed": [built.placement, built.target, built.plan, built.artifacts],
        "image": [image, *image.sections, *image.readouts, *image.inputs],
        "tally": nd.Tally.of(record, ["count"]),
        "explanation": nd.explain(built.graph, network, x),
        "evaluation": nd.evaluate(record, np.zeros(5, int)),
        "coverage": nd.coverage(built, x[:5, :1]),
        "cause": nd.cause(built, x, record),
        "energy": nd.energy(built, record, x),
        "metrics": nd.metrics(built, record, x),
    }


def test_each_is_a_line_or_two(made: dict[str, Any]) -> None:
    for name, one in made.items():
        for each in one if isinstance(one, list) else [one]:
            said = repr(each)
            assert len(said) <= 300, (name, said)
            assert said.isprintable(), (name, said)
            assert type(each).__name__ in said, (name, said)
    assert "lif1 (LIF 10)" in repr(made["graph"])
    assert "20 steps x 5 samples" in repr(made["record"])


def test_notebooks_show_pictures_without_a_script(made: dict[str, Any]) -> None:
    for name in ("build", "graph", "record", "verdict", "hostile"):
        shown = made[name]._repr_html_()
        assert "<script" not in shown
        assert "\x1b" not in shown
        assert "<svg" in shown, name
        assert len(shown) < 60_000
    assert "4,096" in made["build"]._repr_html_()
