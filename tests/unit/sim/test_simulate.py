"""The right simulator for what is given: graphs in floats, whatever holds a network in integers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import nirdeploy as nd
from nirdeploy.errors import CorruptFile, UsageProblem
from nirdeploy.integers.network import IntegerNetwork
from tests import networks

X = networks.spikes(0, (12, 2, 20), 0.4)


class Holder:
    """As a Build is, but for all else that a Build has."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network = network


def test_whatever_holds_a_network_is_simulated(tmp_path: Path) -> None:
    build = nd.build(networks.two_layers(), out=tmp_path / "b")
    expected = nd.simulate(build, X)
    assert expected.source == "integer"
    for what in (build.network, Holder(build.network), tmp_path / "b", str(tmp_path / "b")):
        assert nd.verify(expected, nd.simulate(what, X)).equal
    assert nd.simulate(networks.two_layers(), X).source == nd.simulate(build.graph, X).source == "float"


def test_a_build_without_a_network_says_so(tmp_path: Path) -> None:
    stopped = nd.build(networks.two_layers(), out=tmp_path / "b", stop="check")
    with pytest.raises(UsageProblem, match="stopped before the stage 'quantize'"):
        nd.simulate(stopped, X)
    for folder, said in ((tmp_path / "b", "it has no network.npz"), (tmp_path, "this is not a build folder")):
        with pytest.raises(UsageProblem, match=said) as caught:
            nd.simulate(folder, X)
        assert caught.value.where == str(folder)


def test_a_network_of_another_build_is_refused(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        nd.build(networks.two_layers(seed=seed), out=tmp_path / name, stop="quantize")
    shutil.copy(tmp_path / "a" / IntegerNetwork.FILE, tmp_path / "b" / IntegerNetwork.FILE)
    with pytest.raises(CorruptFile, match="this is not what the folder's manifest names"):
        nd.simulate(tmp_path / "b", X)
    (tmp_path / "b" / IntegerNetwork.FILE).unlink()
    with pytest.raises(CorruptFile, match="the manifest names it, and it is not there"):
        nd.simulate(tmp_path / "b", X)


def test_a_damaged_network_is_refused(tmp_path: Path) -> None:
    nd.build(networks.two_layers(), out=tmp_path / "b", stop="quantize")
    path = tmp_path / "b" / IntegerNetwork.FILE
    path.write_bytes(path.read_bytes()[:-99])
    with pytest.raises(CorruptFile, match=r"network.npz\); build it again"):
        nd.simulate(tmp_path / "b", X)
