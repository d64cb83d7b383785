"""Faults in a population that is not recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.causes.cause import Cause
from nirdeploy.proof.causes.search import cause
from nirdeploy.sim.integer import simulate
from tests.planted import devices, stimulus
from tests.unit.proof.coverage import small


def _outputs(network: IntegerNetwork, x: np.ndarray, kind: str, seed: int) -> tuple[str, Cause]:
    """Of a device with a fault before its outputs, what is told by its outputs alone."""
    outputs = {*network.outputs.values()}
    for device in devices(network, x, kind, 8, seed):
        record = device.record
        seen = replace(
            record,
            spikes={name: values for name, values in record.spikes.items() if name in outputs},
            membrane={name: values for name, values in record.membrane.items() if name in outputs},
        )
        if device.population in outputs:
            continue
        found = cause(network, x, seen)
        if found.differing:
            return device.population, found
    raise AssertionError("no fault shows in the outputs")


@pytest.mark.parametrize(
    ("of_network", "kind"),
    [("read-out", "weight"), ("read-out", "threshold"), ("dense", "swapped"), ("convolutional", "input lost")],
)
def test_faults_before_the_outputs_are_found(of_network: str, kind: str) -> None:
    network = small.network(of_network)
    population, found = _outputs(network, stimulus(network), kind, 4)
    assert (kind, population) in {(fault.kind, fault.population) for fault in found.faults}, found.lines()
    assert found.known
    assert f"{population!r} not recorded: a record of all populations (--probe all) tells more" in found.remarks


def test_where_it_begins_is_not_said_of_what_cannot_be_seen() -> None:
    """Two faults before the outputs: no single one explains them, and they may have begun where nothing is recorded."""
    network = small.network("dense")
    x = stimulus(network)
    weight = network.projections[0].weight.copy()
    weight[[1, 3, 5], [0, 2, 4]] = 31, -32, 31
    first = replace(network.projections[0], operator=replace(network.projections[0].operator, weight=weight))
    record = simulate(replace(network, projections=(first, *network.projections[1:])), x)
    found = cause(network, x, replace(record, spikes={"p1": record["p1"]}))
    assert not found.known
    assert found.population == ""
    assert "it begins in" not in found.lines()[0]
