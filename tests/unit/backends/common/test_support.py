"""What a target's tables rule out, all of it at once, as data and as sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nirdeploy.backends.common.support import late_projections, unsupported
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import Projection, check
from nirdeploy.semantics.operators import Dense
from nirdeploy.targets import registry as targets
from nirdeploy.targets.fit import Problem, refusal
from tests import networks

TARGET = targets.load("fpga")


def test_a_dying_membrane_is_refused() -> None:
    graph = check(networks.two_layers(), dt=1.5e-3)
    with pytest.raises(DoesNotFit, match=r"'lif1' has a membrane decay of -0.5 per step.*use a smaller dt"):
        raise refusal(unsupported(graph, TARGET), TARGET.name)


def test_every_violation_is_named_at_once() -> None:
    graph = check(networks.two_layers())
    target = TARGET.model_copy(update={"models": {"IF": TARGET.models["IF"]}, "name": "if-only"})
    error = refusal(unsupported(graph, target), target.name)
    assert "'lif1' is a LIF" in str(error)
    assert "'lif2' is a LIF" in str(error)
    assert "target if-only" in str(error)
    assert [problem.node for problem in error.problems] == ["lif1", "lif2"]
    assert error.as_dict()["problems"][0] == {
        "node": "lif1",
        "found": "node 'lif1' is a LIF",
        "allowed": "which the target does not compute (it has IF)",
        "remedy": "replace it or choose another target",
    }


def test_a_projection_is_named_by_its_ends() -> None:
    graph = check(networks.two_layers())
    loop = Projection("lif1", "lif1", Dense(np.eye(30)), delay=1)
    graph = replace(graph, projections=(*graph.projections, loop))
    still = TARGET.model_copy(update={"connections": TARGET.connections.model_copy(update={"delay_max": 0})})
    (problem,) = late_projections(graph, still)
    assert problem == Problem(
        "lif1 -> lif1",
        "the projection 'lif1' -> 'lif1' is recurrent",
        "the target's may be late by 0",
        "train with a shorter delay or choose another target",
    )
    assert list(late_projections(graph, TARGET)) == []
