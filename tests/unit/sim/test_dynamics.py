"""Whose neurons step a network: looked up by the name that the network holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nirdeploy.errors import CorruptFile, TargetFileError
from nirdeploy.graph.check import check
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.sim import integer
from nirdeploy.sim.dynamics import dynamics_of
from nirdeploy.targets import registry
from tests import networks

NETWORK = quantize(check(networks.two_layers()), Formats(8, 24, 24, 12))
X = networks.spikes(0, (5, 2, 20), 0.4)


def test_no_name_is_the_references_neuron() -> None:
    assert NETWORK.dynamics == ""
    assert dynamics_of(NETWORK) is None


def test_a_name_is_that_backends() -> None:
    found = dynamics_of(replace(NETWORK, dynamics="loihi2"))
    assert type(found) is type(registry.find_backend("loihi2", "").dynamics)


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        (
            "nobodys",
            TargetFileError,
            "there is no backend 'nobodys' (in a network for target 'mine'); backends: fpga, loihi2, speck, "
            "spinnaker2, xylo; a plug-in",
        ),
        (
            "fpga",
            CorruptFile,
            "'fpga' should step it, which has none of its own (in a network for target 'mine'); build",
        ),
    ],
)
def test_whose_neurons_there_are_not(name: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        integer.simulate(replace(NETWORK, target="mine", dynamics=name), X)
    assert said in str(caught.value)
