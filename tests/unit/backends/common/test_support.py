"""What a target's tables rule out, all of it at once, as data and as sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nirdeploy.backends.common.support import late_projections, unsupported
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import check
from nirdeploy.graph.parts import Projection
from nirdeploy.semantics import options
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


# --- remedies in the words of the network's framework ---------------------------------------------


def _of_the_rules(dialect: str, target: str) -> list[Problem]:
    graph = check(networks.two_layers(dialect=dialect))
    found = targets.backend_of(chosen := targets.load(target)).fit(graph, chosen).problems
    return [p for p in found if "resets by" in p.found or "cannot do" in p.allowed]


@pytest.mark.parametrize(
    ("dialect", "target", "remedy"),
    [
        ("snntorch", "loihi2", 'train it with reset_delay=False, reset_mechanism="zero" in snnTorch'),
        ("snntorch,reset=zero", "loihi2", "train it with reset_delay=False in snnTorch"),
        ("snntorch,reset_delay=false", "spinnaker2", 'train it with reset_mechanism="zero" in snnTorch'),
        ("sinabs,v_min=-threshold", "fpga-icebreaker", "train it with spike_fn=SingleSpike, min_v_mem=None in sinabs"),
        ("rockpool", "spinnaker2", "train it with max_spikes_per_dt=1 in Rockpool"),
        ("spikingjelly,reset=subtract", "loihi2", "train it with v_reset=0. in SpikingJelly"),
        ("rockpool", "loihi2", "Rockpool has no neuron of this model without it"),
        ("spyx", "loihi2", "Spyx has no neuron of this model without it"),
        ("nir,reset_delay=true", "loihi2", "train it without"),
        ("nir,reset=subtract", "loihi2", "train with that reset"),
    ],
)
def test_a_remedy_names_all_options_at_once(dialect: str, target: str, remedy: str) -> None:
    problems = _of_the_rules(dialect, target)
    assert {p.node for p in problems} == {"lif1", "lif2"}
    assert {p.remedy for p in problems} <= {f"{remedy}{end} choose another target" for end in (", or", ":")}


@pytest.mark.parametrize("preset", sorted(options.FRAMEWORKS))
@pytest.mark.parametrize("target", ["loihi2", "spinnaker2", "fpga-icebreaker"])
def test_the_options_of_a_remedy_are_enough(preset: str, target: str) -> None:
    for setting in ("", ",reset=subtract", ",reset=zero", ",reset=none"):
        for problem in _of_the_rules(preset + setting, target):
            known = options.FRAMEWORKS[preset].options
            chosen = [option for option in known if option in problem.remedy]
            assert bool(chosen) == problem.remedy.startswith("train it with")
            asked = [f"{name}={str(v).lower()}" for option in chosen for name, v in known[option].items()]
            assert not chosen or _of_the_rules(",".join([preset + setting, *asked]), target) == []
