"""A few small networks of benchmarks/zoo.py: exported, and every neuron spikes as at home."""

from __future__ import annotations

import pytest

from benchmarks import zoo, zoo_networks

SMALL = (
    "MNISTNet", "spiking_vgg11_bn", "densenet_like", "unet_like", "snntorch_tutorial5", "snntorch_tutorial6",
    "snntorch_tutorial7", "norse_mnist", "sinabs_mnist",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SMALL)
def test_a_network_that_people_train(name: str) -> None:
    found = zoo.measure(zoo_networks.NETWORKS[name], small=True)
    assert found["exported"], found
    assert found["differ"] == 0
    assert found["cells"] > 200
    assert 0.05 <= found["fire"] <= 0.30, "nothing is proved by a network that does not spike, or only spikes"
