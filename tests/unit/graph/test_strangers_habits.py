"""What other exporters write and mean: read as meant and said, or refused with what helps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
import torch

from nirdeploy.errors import GraphError, ModelFileError
from nirdeploy.exchange import import_from_nir
from nirdeploy.graph import checksum
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check
from nirdeploy.sim import float_


def inp(*shape: int) -> nir.Input:
    return nir.Input({"input": np.array(shape)})


def out(*shape: int) -> nir.Output:
    return nir.Output({"output": np.array(shape)})


def lif(*shape: int, **changed: float) -> nir.LIF:
    values = {"tau": 1e-3, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changed
    return nir.LIF(**{key: np.full(shape, value) for key, value in values.items()})


def affine(outputs: int, inputs: int, seed: int = 0) -> nir.Affine:
    rng = np.random.default_rng(seed)
    return nir.Affine(rng.normal(0.3, 0.5, (outputs, inputs)), rng.normal(0, 0.05, outputs))


def chain(**nodes: nir.NIRNode) -> nir.NIRGraph:
    return nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)


def spikes(*shape: int) -> np.ndarray:
    return (np.random.default_rng(0).random(shape) < 0.5).astype(float)


def written(graph: nir.NIRGraph, folder: Path) -> Path:
    nirfile.write(folder / "m.nir", graph)
    with h5py.File(folder / "m.nir", "r+") as file:
        del file[checksum.NAME]  # strangers' files have none
    return folder / "m.nir"


# --- Flatten --------------------------------------------------------------------------


def flattened(start: int, declared: list[int] | None, batch: bool) -> nir.NIRGraph:
    one = (1,) if batch else ()
    conv = nir.Conv2d((5, 5), np.random.default_rng(1).normal(0.2, 1, (2, 1, 2, 2)), 1, 0, 1, 1, np.zeros(2))
    flat = nir.Flatten({"input": np.array([2, 4, 4])}, start, -1)
    flat.input_type = {"input": None if declared is None else np.array(declared)}
    nodes: dict[str, nir.NIRNode] = {"i": inp(*one, 1, 5, 5), "c": conv, "n": lif(*one, 2, 4, 4), "f": flat}
    return chain(**nodes, fc=affine(3, 32), m=lif(*one, 3), o=out(*one, 3))


@pytest.mark.parametrize(
    ("declared", "batch"),
    [([1, 2, 4, 4], True), ([0, 0, 0, 0], True), ([2, 4, 4], False), ([0, 0, 0, 0], False), (None, False)],
)
def test_a_flatten_that_counts_the_batch(declared: list[int] | None, batch: bool, tmp_path: Path) -> None:
    plain = check(flattened(0, [2, 4, 4], batch=False))
    path = written(flattened(0, [2, 4, 4], batch), tmp_path)
    with h5py.File(path, "r+") as file:  # nir's own class takes no such values
        node = file["node/nodes/f"]
        for key in ("input_type", "start_dim"):
            if key in node:
                del node[key]
        node["start_dim"] = 1
        if declared is not None:
            node["input_type"] = np.array(declared)
    found = check(path)
    said = [line for line in found.repairs if line.startswith("node 'f'")]
    assert len(said) == 1
    assert "start_dim 1 counts the batch, read as 0" in said[0]
    x = spikes(20, 2, 1, 5, 5)
    expected = float_.simulate(plain, x)
    assert expected["m"].any()
    np.testing.assert_array_equal(float_.simulate(found, x)["m"], expected["m"])
    module = import_from_nir(path, step_mode="m", dtype=torch.float64)
    np.testing.assert_array_equal(module(torch.from_numpy(x))[0].detach().numpy(), expected["m"])


def test_a_flatten_that_means_what_it_says_is_left(tmp_path: Path) -> None:
    """(2, 16): neurons of that shape read it."""
    flat = nir.Flatten({"input": np.array([2, 4, 4])}, 1, -1)
    found = check(written(chain(i=inp(2, 4, 4), f=flat, n=lif(2, 16), o=out(2, 16)), tmp_path))
    assert found.population("n").shape == (2, 16)
    assert not found.repairs


# --- subgraphs ------------------------------------------------------------------------


def recurrent(door: int) -> dict[str, nir.NIRNode]:
    return {"input": inp(door), "lif": lif(5), "back": affine(5, 5, seed=2), "output": out(5)}


INNER = [("input", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")]


def around(inner: nir.NIRGraph) -> nir.NIRGraph:
    return chain(i=inp(3), fc=affine(5, 3), l=inner, fc2=affine(2, 5, seed=3), n=lif(2), o=out(2))


def meant() -> dict[str, np.ndarray]:
    graph = check(around(nir.NIRGraph(recurrent(5), INNER, type_check=False)))
    found = float_.simulate(graph, spikes(40, 2, 3)).spikes
    assert all(values.any() for values in found.values())
    return dict(found)


def assert_as_meant(path: Path, said: str) -> None:
    found = check(path)
    assert [said in line for line in found.repairs] == [True]
    spiked = float_.simulate(found, spikes(40, 2, 3)).spikes
    for name, values in meant().items():
        np.testing.assert_array_equal(spiked[name], values)


def test_an_inner_input_of_another_width(tmp_path: Path) -> None:
    path = written(around(nir.NIRGraph(recurrent(3), INNER, type_check=False)), tmp_path)
    assert_as_meant(path, "node 'l.input': its shape is (3,), read as (5,), that 'fc' gives and what reads it takes")


def test_an_inner_input_that_its_readers_contradict_is_refused(tmp_path: Path) -> None:
    nodes = {**recurrent(4), "gain": nir.Scale(np.ones(4))}
    edges = [("input", "gain"), ("gain", "lif"), *INNER[1:]]
    with pytest.raises(GraphError, match=r"'l.input' \(Input\) declares the shape \(4,\), 'fc' gives \(5,\)"):
        check(written(around(nir.NIRGraph(nodes, edges, type_check=False)), tmp_path))


def test_flat_names_and_edges_to_what_they_stand_in(tmp_path: Path) -> None:
    outer = around(lif(5))
    nodes = {name: node for name, node in outer.nodes.items() if name != "l"}
    nodes |= {f"l.{name}": node for name, node in recurrent(5).items()}
    edges = outer.edges + [(f"l.{a}", f"l.{b}") for a, b in INNER]
    path = written(nir.NIRGraph(nodes, edges, type_check=False), tmp_path)
    assert_as_meant(path, "its edges name 'l', read as a subgraph of 'l.back', 'l.input', 'l.lif', 'l.output'")


# --- units, resets, loops -------------------------------------------------------------


def thousandths() -> nir.NIRGraph:
    """As Norse 1.1 writes a tau_mem_inv of 100: 0.001 / 100."""
    return chain(i=inp(1, 4), fc=affine(3, 4), n=lif(3, tau=1e-5, r=1.0, v_threshold=0.4), o=out(1, 3))


def test_norses_unit_of_tau(tmp_path: Path) -> None:
    path = written(thousandths(), tmp_path)
    found = check(path, dialect="norse")
    assert any("tau is written in thousandths" in line for line in found.repairs)
    assert found.dialect.dt == 1e-6
    x, v, expected = spikes(60, 2, 4), np.zeros((2, 3)), []
    fc = affine(3, 4)
    for now in x:  # Norse's own step, of 1 ms
        v = v + 1e-3 * 100 * (now @ fc.weight.T + fc.bias - v)
        expected.append(v > 0.4)
        v = v * ~expected[-1]
    assert np.sum(expected) > 20
    np.testing.assert_array_equal(float_.simulate(found, x)["n"], np.stack(expected))


def test_without_a_dialect_the_hint_names_norse(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="too short") as caught:
        check(written(thousandths(), tmp_path))
    assert "--dialect norse" in caught.value.hint
    with pytest.raises(GraphError, match="too short"):
        check(written(thousandths(), tmp_path), dialect="norse", dt=1e-3)  # asked for


@pytest.mark.parametrize("v_min", ["none", "-threshold"])
@pytest.mark.parametrize("v_reset", [0.0, 0.5, 1.0, 2.0])
def test_sinabs_subtracts_its_threshold_whatever_v_reset_says(v_min: str, v_reset: float) -> None:
    weight = np.random.default_rng(5).normal(0.2, 0.8, (2, 4))
    one = np.ones(2)
    graph = chain(i=inp(4), fc=nir.Linear(weight), n=nir.IF(r=one, v_threshold=one, v_reset=v_reset * one), o=out(2))
    x, v, expected = spikes(40, 1, 4), np.zeros((1, 2)), []
    for now in x:
        v = v + now @ weight.T
        fired = np.maximum(np.floor(v), 0)
        v = v - fired
        v = np.maximum(v, -1) if v_min == "-threshold" else v
        expected.append(fired)
    dialect = f"sinabs,v_min={v_min}"
    np.testing.assert_array_equal(float_.simulate(check(graph, dialect=dialect), x)["n"], np.stack(expected))
    module = import_from_nir(graph, step_mode="m", dtype=torch.float64, dialect=dialect)
    np.testing.assert_array_equal(module(torch.from_numpy(x))[0].detach().numpy(), np.stack(expected))
    took = check(graph, dialect=f"{dialect},subtract=difference")
    assert (took.population("n").params["v_reset"] == v_reset).all()


def test_populations_that_no_input_reaches_drive_each_other() -> None:
    feedback = nir.Affine(np.array([[0.0, -0.5], [0.5, 0.0]]), np.array([0.3, 0.25]))
    nodes = {"i": inp(2), "w": nir.Linear(np.eye(2)), "n": lif(2), "fb": feedback, "m": lif(2), "o": out(2)}
    edges = [("n", "fb"), ("fb", "n"), ("n", "w"), ("w", "m"), ("i", "m"), ("m", "o")]
    x = spikes(60, 1, 2)
    found = float_.simulate(check(nir.NIRGraph(nodes, edges, type_check=False)), x)
    n, m, last = np.zeros(2), np.zeros(2), np.zeros(2)
    for t, now in enumerate(x[:, 0]):
        n = n + 0.1 * (10 * (feedback.weight @ last + feedback.bias) - n)
        last = (n > 1).astype(float)
        m = m + 0.1 * (10 * (last + now) - m)
        fired = m > 1
        n, m = n * (last == 0), m * ~fired
        np.testing.assert_array_equal(found["n"][t, 0], last)
        np.testing.assert_array_equal(found["m"][t, 0], fired)
    assert found["n"].any()


# --- refusals whose remedies help -----------------------------------------------------


def test_a_negative_delay(tmp_path: Path) -> None:
    path = written(chain(i=inp(2), d=nir.Delay(np.array([-1.5, 0.25])), n=lif(2), o=out(2)), tmp_path)
    with pytest.raises(GraphError, match="a delay of -1.5 s is negative") as caught:
        check(path)
    assert "dt" not in caught.value.hint


@pytest.mark.parametrize(
    ("shape", "arriving", "hint"),
    [
        ((6, 4), (6,), "transposed"),
        ((4, 6), (2, 3), "Flatten"),
        ((4, 6), (5,), "correct the layer's size"),
    ],
)
def test_a_layer_of_another_size(shape: tuple[int, int], arriving: tuple[int, ...], hint: str) -> None:
    with pytest.raises(GraphError, match="node 'fc' takes") as caught:
        check(chain(i=inp(*arriving), fc=nir.Linear(np.ones(shape)), n=lif(shape[0]), o=out(shape[0])))
    assert hint in caught.value.hint
    assert ("insert a Flatten" in caught.value.hint) == (hint == "Flatten")
    assert ("Flatten" in caught.value.hint) == (hint != "transposed")


def unfinished(path: Path, left: Any) -> None:
    with h5py.File(path, "r+") as file:
        left(file)


@pytest.mark.parametrize(
    "left",
    [
        lambda file: [file["node"].__delitem__(key) for key in ("type", "edges")],
        lambda file: file.__delitem__("node"),
    ],
    ids=["no type", "nothing but a version"],
)
def test_a_write_that_was_not_finished(left: Any, tmp_path: Path) -> None:
    path = written(chain(i=inp(2), n=lif(2), o=out(2)), tmp_path)
    unfinished(path, left)
    with pytest.raises(ModelFileError, match="writing the file was not finished"):
        check(path)


def test_a_file_that_is_cut_off_or_still_being_written(tmp_path: Path) -> None:
    path = written(chain(i=inp(2), n=lif(2), o=out(2)), tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError, match="writing the file was not finished: .*truncated"):
        check(path)
    with h5py.File(path, "w", libver="latest") as file:
        file["node/type"] = "NIRGraph"
        file.flush()
        copied = tmp_path / "copied.nir"
        copied.write_bytes(path.read_bytes())
    with pytest.raises(ModelFileError, match="writing the file was not finished"):
        check(copied)


def test_a_file_of_zeros_and_a_pointer(tmp_path: Path) -> None:
    path = tmp_path / "m.nir"
    path.write_bytes(bytes(4096))
    with pytest.raises(ModelFileError, match="writing the file was not finished"):
        check(path)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + 64 * "a" + "\nsize 99\n")
    with pytest.raises(ModelFileError, match="Git LFS pointer") as caught:
        check(path)
    assert "git lfs pull" in caught.value.hint
