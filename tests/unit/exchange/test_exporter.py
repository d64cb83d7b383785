"""export_to_nir: every layer under its fx name, shapes without batch and time, the dialect on board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from torch import nn

from nirdeploy.errors import ExportError, NirdeployError
from nirdeploy.exchange import (
    IF,
    LI,
    LIF,
    CubaLI,
    CubaLIF,
    Delay,
    Recurrent,
    Scale,
    export_to_nir,
    import_from_nir,
)
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.semantics import dialect as dialects
from nirdeploy.sim import float_

X = torch.zeros(5, 2, 4)  # (T, B, 4)


def lif(**options: Any) -> LIF:
    return LIF(tau=0.02, **options)


class Written(nn.Module):
    """A forward as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, 6)
        self.lif1 = lif()
        self.drop = nn.Dropout(0.5)
        self.body = nn.Sequential(nn.Linear(6, 3, bias=False), IF())
        self.out = LI(tau=0.05)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.lif1(self.fc1(x)))
        result: torch.Tensor = self.out(self.body(x))
        return result


def kinds(graph: nir.NIRGraph) -> dict[str, str]:
    return {name: type(node).__name__ for name, node in graph.nodes.items()}


def test_a_sequential_is_named_by_number() -> None:
    net: Any = nn.Sequential(nn.Linear(4, 6), lif(), nn.Linear(6, 2, bias=False), lif())
    graph = export_to_nir(net, X)
    assert kinds(graph) == {
        "input_1": "Input", "_0": "Affine", "_1": "LIF", "_2": "Linear", "_3": "LIF", "output": "Output",
    }  # fmt: skip
    assert graph.edges == [("input_1", "_0"), ("_0", "_1"), ("_1", "_2"), ("_2", "_3"), ("_3", "output")]
    np.testing.assert_array_equal(graph.nodes["_0"].weight, net[0].weight.detach().numpy())
    np.testing.assert_array_equal(graph.nodes["_0"].bias, net[0].bias.detach().numpy())
    assert graph.nodes["input_1"].input_type["input"].tolist() == [4]
    assert graph.nodes["output"].output_type["output"].tolist() == [2]
    np.testing.assert_array_equal(graph.nodes["_1"].tau, np.full(6, 0.02, dtype=np.float32))


def test_a_written_forward_is_named_by_attribute() -> None:
    graph = export_to_nir(Written(), X)
    assert kinds(graph) == {
        "x": "Input", "fc1": "Affine", "lif1": "LIF", "body_0": "Linear", "body_1": "IF", "out": "LI",
        "output": "Output",
    }  # fmt: skip
    assert ("lif1", "body_0") in graph.edges
    checked = check(graph)
    assert [p.model for p in checked.populations] == ["Input", "LIF", "IF", "LI"]


@pytest.mark.parametrize("module", [nn.Linear(4, 3), lif()])
def test_one_module_alone(module: nn.Module) -> None:
    assert list(export_to_nir(module, X if isinstance(module, LIF) else X[0]).nodes) == ["input_1", "_0", "output"]


def test_the_graph_does_not_change_with_the_net() -> None:
    net: Any = nn.Sequential(nn.Linear(4, 3), lif())
    graph = export_to_nir(net, X)
    before = graph.nodes["_0"].weight.copy()
    with torch.no_grad():
        net[0].weight.add_(1)
    np.testing.assert_array_equal(graph.nodes["_0"].weight, before)


def test_flatten_counts_dimensions_without_batch_and_time() -> None:
    net = nn.Sequential(nn.Flatten(2), nn.Linear(12, 3), lif())
    flat = export_to_nir(net, torch.zeros(5, 2, 3, 4)).nodes["_0"]
    assert (flat.start_dim, flat.end_dim, flat.input_type["input"].tolist()) == (0, -1, [3, 4])
    single = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), lif(step_mode="s"))
    flat = export_to_nir(single, torch.zeros(2, 3, 4)).nodes["_0"]
    assert (flat.start_dim, flat.end_dim) == (0, -1)
    assert check(export_to_nir(net, torch.zeros(5, 2, 3, 4))).projections[0].weight.shape == (3, 12)


def test_flatten_that_takes_the_batch_along_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(24, 3), lif())
    with pytest.raises(ExportError, match=r"_0 flattens from dimension 1.*use nn\.Flatten\(2\)"):
        export_to_nir(net, torch.zeros(5, 2, 3, 4))


class SingleStep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.lif1 = lif(step_mode="s")
        self.fc2 = nn.Linear(3, 3)
        self.lif2 = lif(step_mode="s")

    def forward(
        self, x: torch.Tensor, v1: torch.Tensor | None = None, v2: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        s, v1 = self.lif1(self.fc(x), v1)
        s, v2 = self.lif2(self.fc2(s), v2)
        return s, v1, v2


def test_a_single_step_net_hands_its_state_on_outside_the_graph() -> None:
    graph = export_to_nir(SingleStep(), X[0])
    assert list(graph.nodes) == ["x", "fc", "lif1", "fc2", "lif2", "output"]
    assert graph.edges[-1] == ("lif2", "output")
    assert check(graph).outputs == {"output": "lif2"}


class Branched(nn.Module):
    """A skip connection by two readouts, and a submodule used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.lif = lif()
        self.read = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first = self.lif(self.fc(x))
        second = self.lif(self.fc(first))
        return self.read(first), second


def test_several_outputs_and_shared_modules() -> None:
    graph = export_to_nir(Branched(), X)
    checked = check(graph)
    assert checked.outputs == {"output_0": "output_0", "output_1": "lif_1"}
    np.testing.assert_array_equal(graph.nodes["fc"].weight, graph.nodes["fc_1"].weight)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_type(kind: torch.dtype) -> None:
    net: Any = nn.Sequential(nn.Linear(4, 3), lif()).to(kind)
    weight = export_to_nir(net, X.to(kind)).nodes["_0"].weight
    np.testing.assert_array_equal(weight.astype(np.float64), net[0].weight.detach().double().numpy())


def test_the_net_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Dropout(), lif())
    net.train()
    net[1].eval()
    export_to_nir(net, X)
    assert [module.training for module in net] == [True, False, True]
    assert net.training


# --- dialect ----------------------------------------------------------------------------


def recorded(graph: nir.NIRGraph) -> Any:
    return graph.metadata[dialects.METADATA_KEY]


def test_the_dialect_of_the_neurons_is_recorded() -> None:
    def net(**options: Any) -> nn.Module:
        return nn.Sequential(nn.Linear(4, 3), lif(**options))

    assert recorded(export_to_nir(net(), X)) == "nir"
    assert recorded(export_to_nir(net(dialect="nir,reset=subtract"), X)) == "nir,reset=subtract"
    assert recorded(export_to_nir(net(dialect="spikingjelly", dt=1e-3), X, dt=1e-3)) == "spikingjelly,dt=0.001"
    same = net(dialect="nir,threshold=>=,initial=v_reset")
    assert recorded(export_to_nir(same, X, dialect="spikingjelly")) == "spikingjelly"
    assert recorded(export_to_nir(nn.Linear(4, 3), X[0], dt=1e-3, dialect="spikingjelly")) == "spikingjelly,dt=0.001"


def test_a_soft_reset_stays_one_through_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "m.nir"
    export_to_nir(nn.Sequential(nn.Linear(4, 3), lif(dialect="nir,reset=subtract")), X, save_path=path)
    checked = check(path)
    assert (checked.dialect.reset, checked.dialect_source) == ("subtract", "metadata")


def test_the_file_holds_the_graph(tmp_path: Path) -> None:
    graph = export_to_nir(Written(), X, save_path=tmp_path / "m.nir")
    assert check(nirfile.read(tmp_path / "m.nir")).digest() == check(graph).digest()


def test_neurons_may_follow_different_dialects(tmp_path: Path) -> None:
    """Each keeps its own, through the file; the graph has what most of them have."""
    soft = lif(dialect="nir,reset=subtract")
    net = nn.Sequential(nn.Linear(4, 3), lif(), nn.Linear(3, 3), soft, nn.Linear(3, 3), lif())
    checked = check_file(export_to_nir(net, X), tmp_path)
    assert checked.dialect.reset == "zero"
    assert [checked.dialect_of(f"_{i}").reset for i in (1, 3, 5)] == ["zero", "subtract", "zero"]
    x = torch.bernoulli(torch.full((30, 2, 4), 0.7), generator=torch.Generator().manual_seed(0)) * 20
    found = float_.simulate(checked, x.numpy()).spikes["_5"]
    np.testing.assert_array_equal(found, net.double()(x.double()).detach().numpy())
    given = check(export_to_nir(net.float(), X), dialect="nir")
    assert given.dialect_of("_3").reset == "zero"  # the command line decides


def check_file(graph: nir.NIRGraph, folder: Path) -> CheckedGraph:
    nirfile.write(folder / "m.nir", graph)
    return check(folder / "m.nir")


class Residual2(nn.Module):
    """A sum of two branches, and torch.flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.first = nn.Conv2d(1, 2, 3, padding=1, bias=False), IF(step_mode="s")
        self.skip, self.last = nn.Linear(32, 5), IF(step_mode="s")
        self.fc = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, _ = self.first(self.conv(x))
        out, _ = self.last(self.skip(first.flatten(1)) + self.fc(torch.flatten(x, start_dim=1, end_dim=-1)))
        result: torch.Tensor = out
        return result


def test_branches_add_and_flatten_is_a_node(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Residual2().double()
    x = torch.bernoulli(torch.full((3, 1, 4, 4), 0.5)).double()
    checked = check_file(export_to_nir(net, x), tmp_path)
    assert {p.source for p in checked.into("last")} == {"x", "first"}
    assert checked.population("first").shape == (2, 4, 4)
    found = float_.simulate(checked, x[None].numpy()).spikes["last"][0]
    np.testing.assert_array_equal(found, net(x).detach().numpy())


def test_recurrence_several_inputs_and_every_layer(tmp_path: Path) -> None:
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv1d(2, 3, 3, groups=1), nn.Linear(4, 9)
            self.flat, self.delay = nn.Flatten(), Delay(torch.arange(9) * 1e-4, step_mode="s")
            self.cell = Recurrent(CubaLIF(3e-4, 5e-4, r=5.0, w_in=3.0, step_mode="s"), nn.Linear(9, 9))
            self.scale, self.read = Scale(torch.rand(9)), CubaLI(3e-4, 5e-4, step_mode="s")

        def forward(self, a: torch.Tensor, b: torch.Tensor, state: Any = None) -> Any:
            state = state or [None, None, None]
            late, state[0] = self.delay(self.two(b), state[0])
            spikes, state[1] = self.cell(self.flat(self.one(a)) + late, state[1])
            out, state[2] = self.read(self.scale(spikes), state[2])
            return out, state

    net = Net().double()
    a, b = (torch.bernoulli(torch.full((12, 2, *shape), 0.5)).double() for shape in ((2, 5), (4,)))
    expected, state = [], None
    for now in zip(a, b, strict=True):
        out, state = net(*now, state)
        expected.append(out)
    net2 = Stateless(net)
    graph = export_to_nir(net2, (a[0], b[0]))
    checked = check_file(graph, tmp_path)
    assert {("cell", "cell_recurrent"), ("cell_recurrent", "cell")} < set(graph.edges)
    record = float_.simulate(checked, {"a": a.numpy(), "b": b.numpy()})
    assert record.spikes["cell"].sum() > 5
    found = record.membrane["read"]
    np.testing.assert_allclose(found, torch.stack(expected).detach().numpy(), atol=1e-12)
    module = import_from_nir(graph, step_mode="m", dtype=torch.float64)
    output, _ = module((a, b))
    np.testing.assert_allclose(output.detach().numpy(), found, atol=1e-12)


class Stateless(nn.Module):
    """The same modules in a forward that torch.fx can trace."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        for name, module in net.named_children():
            self.add_module(name, module)

    def forward(self: Any, a: torch.Tensor, b: torch.Tensor) -> Any:
        late, _ = self.delay(self.two(b))
        spikes, _ = self.cell(self.flat(self.one(a)) + late)
        out, _ = self.read(self.scale(spikes))
        return out


# --- refusals ---------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(4, 4), lif()

    def forward(self, x: torch.Tensor) -> Any:
        return self.lif(self.fc(x) * x.abs())


class Branching(Residual):
    def forward(self, x: torch.Tensor) -> Any:
        return self.lif(x) if x.sum() > 0 else x


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(4, 3), nn.GELU())

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.features(x))


REFUSED: list[tuple[nn.Module, dict[str, Any], list[str]]] = [
    (Nested(), {}, ["features.1 (ReLU)", "head.1 (GELU)", "supported: nn.Linear"]),
    (Residual(), {}, ["abs", "mul"]),
    (Branching(), {}, ["cannot trace Branching.forward", "control flow"]),
    (nn.Sequential(lif(), lif(step_mode="s")), {}, ["mixes step_mode 's' and 'm'"]),
    (nn.Sequential(nn.Linear(4, 3), lif(dt=1e-3)), {}, ["dt = 0.001 s", "dt = 0.0001 s", "pass dt=0.001"]),
    (
        nn.Sequential(nn.Linear(4, 3), lif(dialect="nir,reset=subtract")),
        {"dialect": "nir"},
        ["follows the dialect nir,reset=subtract, the export was asked for nir"],
    ),
    (nn.Sequential(nn.Linear(7, 3), lif()), {}, ["(5, 2, 4) does not go through the net"]),
    (nn.Sequential(nn.Linear(4, 3), LIF(tau=torch.ones(7))), {}, ["does not go through the net"]),
    (nn.Sequential(nn.Linear(4, 3), lif()), {"example_input": X[0]}, ["(2, 4), the net takes (T, B, ...)"]),
    (nn.Sequential(nn.Linear(4, 3), lif(step_mode="s")), {"example_input": X[0, 0]}, ["takes (B, ...)"]),
]


@pytest.mark.parametrize(("net", "options", "says"), REFUSED, ids=[case[2][0][:30] for case in REFUSED])
def test_what_nir_cannot_say_is_refused(
    net: nn.Module, options: dict[str, Any], says: list[str], tmp_path: Path
) -> None:
    given: dict[str, Any] = {"example_input": X, "save_path": tmp_path / "m.nir"} | options
    with pytest.raises(ExportError) as caught:
        export_to_nir(net, **given)
    assert all(part in str(caught.value) for part in says), str(caught.value)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, NirdeployError)
    assert not list(tmp_path.iterdir())
