"""SpiNNaker 2: what its checker refuses, how it fills the chip's cores, and where its figures are from."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from nirdeploy.errors import DoesNotFit, TargetFileError
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Projection
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Pool
from nirdeploy.targets.emit import emit
from tests.chips import spinnaker2_networks as networks
from tests.chips.spinnaker2_networks import BACKEND, TARGET, built
from tests.chips.table import Table
from tests.conftest import examples
from tests.unit.cli.conftest import Cli

# --- what the chip cannot do ----------------------------------------------------------


def refused(names: tuple[str, ...]) -> str:
    """The message for a graph of a legal part and one part for each of the limits to break."""
    parts = [networks.part("legal"), *(networks.BROKEN[name][0](f"node{i}") for i, name in enumerate(names))]
    populations = [one for made, _ in parts for one in made]
    projections = [way for _, ways in parts for way in ways]
    with pytest.raises(DoesNotFit) as error:
        built(networks.graph(populations, projections, networks.PLAIN))
    return str(error.value)


@pytest.mark.parametrize("name", networks.BROKEN)
def test_each_limit_alone(name: str, table: Table) -> None:
    message = refused((name,))
    assert "'node0'" in message
    assert "'legal'" not in message
    assert all(said in message for said in networks.BROKEN[name][1]), message
    assert message.partition(" (in target ")[0].count("; ") == 1, message  # one sentence, with its remedy
    table.refused("spinnaker2", "a limit alone")


def test_every_pair_of_limits_is_reported_at_once(table: Table) -> None:
    tried = 0
    for pair in itertools.combinations([name for name in networks.BROKEN if name != "a huge list"], 2):
        message = refused(pair)
        for i, name in enumerate(pair):
            assert f"'node{i}'" in message
            assert all(said in message for said in networks.BROKEN[name][1]), (pair, message)
        tried += 1
    table.refused("spinnaker2", "two of these at once", tried)
    assert tried >= 250


def test_the_parts_are_legal_before_they_are_broken() -> None:
    for operator, pool in (
        (Dense(np.ones((3, 4))), None),
        (networks.conv(), None),
        (networks.conv(), Pool((2, 8, 8), (2, 2), (2, 2))),
    ):
        populations, ways = networks.part("a", operator=operator, pool=pool)
        assert BACKEND.fit(networks.graph(populations, ways, networks.PLAIN), TARGET).problems == ()


def test_what_does_not_fit_is_said_on_the_command_line(cli: Cli, tmp_path: Path) -> None:
    populations, ways = networks.part("a", "LI")
    nirfile.write(tmp_path / "li.nir", as_nir(networks.graph(populations, ways, Dialect(dt=networks.DT))))
    said = cli("build", tmp_path / "li.nir", "--target", "spinnaker2", "--out", tmp_path / "out")
    assert said.code == 4
    assert "node 'a' is a LI" in " ".join(said.err.split())


# --- placement ------------------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=examples(30))
@given(networks.graphs())
def test_a_placement_holds_every_neuron_once_and_no_core_more_than_it_has(graph: CheckedGraph) -> None:
    build = built(graph)
    BACKEND.validate(build.placement, build.network, TARGET)
    placed = [core for slots in build.placement.layout["inputs"].values() for core, _, _ in slots]
    placed += [part.core for part in build.placement.slices]
    assert sorted(placed) == list(range(len(build.placement.cores)))
    for name, slots in build.placement.layout["inputs"].items():
        neurons = [neuron for _, first, count in slots for neuron in range(first, first + count)]
        assert neurons == list(range(graph.population(name).size))


def dense(neurons: int, inputs: int) -> CheckedGraph:
    rng = np.random.default_rng(0)
    made = networks.neurons("a", "LIF", (neurons,), rng)
    way = Projection("in", "a", Dense(rng.choice([-1.0, 1.0], (neurons, inputs))))
    return networks.graph([networks.given("in", (inputs,)), made], [way], networks.PLAIN)


def test_inputs_stand_on_cores_too() -> None:
    build = built(dense(3, 600))
    assert build.placement.layout["inputs"] == {"in": [[0, 0, 200], [1, 200, 200], [2, 400, 200]]}
    assert build.placement.slices[0].core == 3


def test_memory_of_a_core_by_hand() -> None:
    """250 neurons of 8 words, 100 rows of one word and 250 synapses of 2 bytes, 1 entry of 48 bytes."""
    build = built(dense(250, 100))
    core = build.placement.cores[1]
    assert core.used == {"neurons": 250, "bytes": 250 * 32 + 100 * (4 + 250 * 2) + 48}
    assert core.limits == {"neurons": 250, "bytes": 131072 - 32768 - 4096}
    free, recorded = core.limits["bytes"] - core.used["bytes"], 4 * 8 + 4 * 250
    assert build.placement.layout["steps"] == {"sram": free // recorded, "dram": 2**31 // recorded}


def test_a_population_is_cut_by_neurons_and_by_memory() -> None:
    for neurons, inputs, per_core in ((500, 10, 250), (501, 10, 167), (90, 4000, 9)):
        assert built(dense(neurons, inputs)).placement.layout["neurons_per_core"]["a"] == per_core


def test_what_no_core_holds_and_what_the_chip_does_not_hold() -> None:
    with pytest.raises(DoesNotFit, match=r"takes more bytes \('a' 99\d\d\d\) than a core has for them \(94208\)"):
        built(dense(2, 16000))
    with pytest.raises(DoesNotFit, match=r"needs 801 cores \('in' 1, 'a' 800\), the chip has 148 \(152 less 4"):
        built(dense(200_000, 1))


def test_a_convolved_population_holds_kernels_not_synapses() -> None:
    rng = np.random.default_rng(0)
    kernel = Convolution(rng.choice([-1.0, 1.0], (8, 2, 3, 3)), (2, 32, 32))
    convolved = networks.graph(*networks.part("a", operator=kernel), networks.PLAIN)
    build = built(convolved)
    count = build.placement.layout["neurons_per_core"]["a"]
    assert count == 249  # 8 x 30 x 30 neurons in 29 slices
    senders = 9  # 2048 inputs, 250 at most per core
    assert build.placement.cores[-2].used["bytes"] == count * 32 + 8 * 2 * 9 + senders * 48


def test_estimate() -> None:
    build = built(dense(250, 100))
    assert BACKEND.estimate(build.network, build.placement, build.plan, TARGET, 0.1) == {
        "synaptic_events": 2500.0,
        "busiest_core_events": 2500.0,
        "step_us": pytest.approx(2500 / 12),
    }


@pytest.mark.law
@settings(max_examples=examples(30))
@given(networks.graphs())
def test_synapses_are_those_of_the_matrices(graph: CheckedGraph) -> None:
    for projection in built(graph).network.projections:
        assert projection.synapses() == np.count_nonzero(projection.matrix())


# --- target file ----------------------------------------------------------------------


def test_every_figure_of_the_target_file_has_a_source() -> None:
    data = TARGET.model_dump()
    figures = {"models"} | {
        f"{table}.{name}" for table in ("connections", "formats", "hardware") for name in data[table]
    }
    assert set(TARGET.sources) == figures
    assert all(len(source) > 20 for source in TARGET.sources.values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"system_cores": 152}, "system_cores = 152 leaves none of 152 cores"),
        ({"code_bytes": 130_000}, "code_bytes and stack_bytes leave nothing of sram_bytes = 131072"),
        ({"cores": 0}, "greater than 0"),
    ],
)
def test_a_target_file_that_contradicts_itself(change: dict[str, int], said: str) -> None:
    with pytest.raises(TargetFileError, match=said):
        TARGET.with_hardware(**change)


def test_without_a_network_there_is_nothing_to_build() -> None:
    assert json.loads(emit(TARGET)["network.json"]) is None
    compile(emit(TARGET)["run.py"], "run.py", "exec")


def test_numbers_from_outside_are_refused() -> None:
    graph = replace(networks.graph(*networks.part("a"), networks.PLAIN), input_bits=2)
    message = str(*BACKEND.fit(graph, TARGET).problems)
    assert "'in_a' have numbers of 2 bits" in message
    assert "build with 1 input bit" in message
