"""Loihi 2's integer model against lava's own fixed-point simulation, and against brian2-loihi: nothing differs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.backends.loihi2.synapses import mantissas
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.semantics.operators import Convolution
from nirdeploy.sim import integer
from nirdeploy.targets.emit import emit
from tests.chips.fits import chip_populations
from tests.chips.loihi2_networks import DT, network, stimulus
from tests.chips.table import Table
from tests.chips.witnesses.asking import ask
from tests.witnesses import seeds

pytestmark = pytest.mark.witness

NETWORKS = 120


def strained(network: IntegerNetwork) -> IntegerNetwork:
    """The same with the largest weight exponents, which the quantizer never takes: currents wrap."""
    return replace(
        network,
        projections=tuple(
            p if isinstance(p.operator, Convolution) else replace(p, shift=7) for p in network.projections
        ),
    )


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, IntegerNetwork]:
    """Random networks, built, every sixth strained, and run by lava: by folder."""
    folder = tmp_path_factory.mktemp("lava")
    made = {}
    for seed in seeds(NETWORKS):
        graph = network(seed)
        bits = 1 + 3 * (seed % 5 == 4)  # every fifth with counts up to 15 from outside
        build = nd.build(graph, "loihi2", dialect=f"nir,dt={DT}", input_bits=bits)
        own = folder / str(seed)
        made[own] = strained(build.network) if seed % 6 == 5 else build.network
        emit(build.target, made[own], build.placement).save(own)
        np.save(own / "stimulus.npy", stimulus(graph, seed, most=2**bits - 1)[:, 0])
    ask("lava", "random", folder)
    return made


def test_lava_computes_the_same(networks: dict[Path, IntegerNetwork], table: Table) -> None:
    spikes = values = saturated = 0
    wrong: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for own, net in networks.items():
        names = [p.name for p in net.populations]
        x = np.load(own / "stimulus.npy")[:, None]
        ours = integer.simulate(net, x, membrane=names)
        saturated += int(ours.stats["saturations"])
        kinds.update(type(p.operator).__name__ + (" late" if p.delay > 1 else "") for p in net.projections)
        kinds.update(p.model for p in net.populations)
        with np.load(own / "record.npz") as record:
            for name in names:
                for key, mine in (("s", ours.spikes), ("v", ours.membrane)):
                    wrong[own.name] += int((mine[name][:, 0] != record[f"{key}.{name}"]).sum())
                    values += record[f"{key}.{name}"].size
                spikes += int(record[f"s.{name}"].sum())
    counts = {"networks": len(networks), "values": values, "spikes": spikes, "mismatches": wrong.total()}
    table.compared("loihi2", "lava-nc 0.10.0, Loihi2SimCfg fixed_pt", **counts)
    assert not +wrong
    assert spikes > 1000
    assert saturated > 100  # the ends of the registers are among what was compared
    assert min(kinds[k] for k in ("Dense", "Dense late", "Elementwise", "Convolution", "IF", "LIF", "CubaLIF")) > 2


# --- a second opinion -----------------------------------------------------------------


def one_layer(seed: int) -> nir.NIRGraph:
    """A layer without biases, with or without spikes of its own: what the second emulator knows."""
    rng = np.random.default_rng(seed)
    inputs, size = int(rng.integers(2, 16)), int(rng.integers(2, 12))

    def weights(sources: int) -> np.ndarray:
        drawn = rng.normal(0.1, rng.choice([0.3, 1.0, 2.0]), (size, sources)) / np.sqrt(sources)
        return np.asarray(np.abs(drawn) if rng.random() < 0.2 else drawn)

    ones, tau = np.ones(size), rng.uniform(1.2, 30) * DT
    common = {"v_threshold": rng.uniform(0.3, 1.2, size), "v_reset": 0 * ones}
    kind = seed % 3
    if kind == 0:
        neuron: nir.NIRNode = nir.IF(r=ones / DT, **common)
    elif kind == 1:
        neuron = nir.LIF(tau=tau * ones, r=tau / DT * ones, v_leak=0 * ones, **common)
    else:
        synapse = rng.uniform(1.2, 9) * DT
        how = {"tau_syn": synapse * ones, "tau_mem": tau * ones, "w_in": synapse / DT * ones}
        neuron = nir.CubaLIF(**how, r=0.5 * tau / DT * ones, v_leak=0 * ones, **common)
    nodes = {"input": nir.Input({"input": np.array([inputs])}), "fc": nir.Linear(weights(inputs)), "lif": neuron}
    nodes["output"] = nir.Output({"output": np.array([size])})
    edges = [("input", "fc"), ("fc", "lif"), ("lif", "output")]
    if seed % 2:
        nodes["inner"] = nir.Linear(weights(size))
        edges += [("lif", "inner"), ("inner", "lif")]
    return nir.NIRGraph(nodes, edges, type_check=False)


def test_the_second_emulator_computes_the_same(tmp_path: Path, table: Table) -> None:
    """brian2-loihi's input arrives in its own step: its row t is our row t + 1."""
    made = {}
    for seed in seeds(NETWORKS + 20):  # some are left out below
        graph = one_layer(seed)
        net = nd.build(graph, "loihi2", dialect=f"nir,dt={DT}").network
        (population,) = chip_populations(net)
        into = {p.source: p for p in net.projections}
        given = {name: population.registers[name] for name in ("du", "dv", "vth")} | {"x": stimulus(graph, seed)[:, 0]}
        given |= {"weight": into["input"].weight, "exponent": np.array(into["input"].shift)}
        given |= {"mode": np.array(mantissas(into["input"].weight, 8).sign_mode)}
        if "lif" in into:
            given |= {"inner": into["lif"].weight, "inner_exponent": np.array(into["lif"].shift)}
            given |= {"inner_mode": np.array(mantissas(into["lif"].weight, 8).sign_mode)}
        np.savez(tmp_path / f"{seed}.npz", **dict[str, Any](given))
        made[seed] = (net, given["x"])
    ask("brian2loihi", "random", tmp_path)
    values = spikes = compared = 0
    wrong: Counter[int] = Counter()
    for seed, (net, x) in made.items():
        longer = np.concatenate([x, np.zeros_like(x[:1])])[:, None]
        ours = integer.simulate(net, longer, membrane=["lif"])
        if ours.stats["saturations"]:  # the emulator's state has no ends
            continue
        compared += 1
        with np.load(tmp_path / f"{seed}.out.npz") as theirs:
            for key, mine in (("spikes", ours.spikes), ("v", ours.membrane)):
                wrong[seed] += int((mine["lif"][1:, 0] != theirs[key]).sum())
                values += theirs[key].size
            spikes += int(theirs["spikes"].sum())
    counts = {"networks": compared, "values": values, "spikes": spikes, "mismatches": wrong.total()}
    table.compared("loihi2", "brian2-loihi 0.5.2", **counts)
    assert not +wrong
    assert compared >= 100
    assert spikes > 1000


def test_the_two_emulators_disagree_on_odd_weights_so_ours_are_even(tmp_path: Path) -> None:
    weight = np.array([[-9, 9, -8, 8, 7, -7]])
    np.save(tmp_path / "odd.npy", weight)
    floored = json.loads(ask("lava", "weights", tmp_path / "odd.npy").splitlines()[-1])
    towards_zero = json.loads(ask("brian2loihi", "weights", tmp_path / "odd.npy").splitlines()[-1])
    assert floored == [[-10, 8, -8, 8, 6, -8]]
    assert towards_zero == [[-8, 8, -8, 8, 6, -6]]
    ours = mantissas(weight, 8).rounded(weight)
    assert not (ours % 2).any()
    np.save(tmp_path / "even.npy", ours)
    for witness in ("lava", "brian2loihi"):
        assert json.loads(ask(witness, "weights", tmp_path / "even.npy").splitlines()[-1]) == ours.tolist()
