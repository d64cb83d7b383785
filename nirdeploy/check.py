"""check: a NIR graph becomes a :class:`CheckedGraph`, the flat normal form everything else reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np

from nirdeploy import dialect as dialects
from nirdeploy import neuron, nirfile, store
from nirdeploy.chain import Chain, finite
from nirdeploy.dialect import Dialect
from nirdeploy.errors import CorruptFile, GraphError

#: Operators that may stand between two populations; all else is a population, Input or Output.
_LINEAR = (nir.Linear, nir.Affine, nir.Flatten)
_NEURONS = {"IF": nir.IF, "LIF": nir.LIF, "LI": nir.LI}

# A file of a few bytes can declare, or fold into, more than any memory holds.
_MAX_INPUT = 1 << 24  # neurons of one input
_MAX_WEIGHTS = 1 << 27  # weights of all folded maps together: 1 GiB


@dataclass(frozen=True)
class Population:
    """Neurons of one NIR node (or an input, or an analog output).

    ``model`` is ``"Input"`` or a key of :data:`nirdeploy.neuron.PARAMETERS`; ``params`` are float64
    arrays of ``shape``, finite and in range; ``bias`` is the constant current (float64, ``shape``)
    folded from Affine nodes on the way in.
    """

    name: str
    model: str
    shape: tuple[int, ...]
    params: Mapping[str, np.ndarray]
    bias: np.ndarray

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Projection:
    """A dense linear operator from one population's spikes to another's input current.

    ``weight`` is float64 (target size, source size), over flattened (C order) populations;
    ``nodes`` are the NIR nodes folded into it, in order.
    """

    source: str
    target: str
    weight: np.ndarray
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckedGraph:
    """Normal form: populations in topological order (inputs first) and the projections between them.

    Guarantees: names unique; every projection joins two populations, source before target; every
    population but the inputs has at least one projection into it; shapes known; parameters finite.
    ``inputs`` are the Input populations' names in the graph's order; ``outputs`` maps each Output
    node's name to the population it reads. ``dialect_source`` says where the dialect came from
    ("argument", "metadata" or "default").
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]
    dialect: Dialect
    dialect_source: str

    def population(self, name: str) -> Population:
        return next(p for p in self.populations if p.name == name)

    def _parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays: dict[str, np.ndarray] = {}
        for i, population in enumerate(self.populations):
            arrays[f"population{i}.bias"] = population.bias
            arrays |= {f"population{i}.{name}": values for name, values in population.params.items()}
        arrays |= {f"projection{i}.weight": p.weight for i, p in enumerate(self.projections)}
        meta = {
            "populations": [[p.name, p.model, list(p.shape), sorted(p.params)] for p in self.populations],
            "projections": [[p.source, p.target, list(p.nodes)] for p in self.projections],
            "inputs": list(self.inputs),
            "outputs": dict(self.outputs),
            "dialect": self.dialect.as_dict(),
            "dialect_source": self.dialect_source,
        }
        return meta, arrays

    def digest(self) -> str:
        """SHA-256 (hex) of everything that decides the spikes."""
        meta, arrays = self._parts()
        return store.digest({key: meta[key] for key in meta if key != "dialect_source"}, arrays)

    def save(self, path: Path) -> None:
        store.write_atomic(path, store.pack(*self._parts()))

    @classmethod
    def load(cls, path: Path) -> CheckedGraph:
        """Raises :class:`CorruptFile` if the file is not a saved CheckedGraph."""
        meta, arrays = store.unpack(path.read_bytes(), where=str(path))
        try:
            return cls(
                populations=tuple(
                    Population(
                        name,
                        model,
                        tuple(shape),
                        {key: arrays[f"population{i}.{key}"] for key in params},
                        arrays[f"population{i}.bias"],
                    )
                    for i, (name, model, shape, params) in enumerate(meta["populations"])
                ),
                projections=tuple(
                    Projection(source, target, arrays[f"projection{i}.weight"], tuple(nodes))
                    for i, (source, target, nodes) in enumerate(meta["projections"])
                ),
                inputs=tuple(meta["inputs"]),
                outputs=meta["outputs"],
                dialect=Dialect(**meta["dialect"]),
                dialect_source=meta["dialect_source"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFile(f"not a checked graph ({error})", where=str(path), hint="build it again") from error


def check(
    source: nir.NIRGraph | Path | str, *, dialect: str | Dialect | None = None, dt: float | None = None
) -> CheckedGraph:
    """Validate a graph and bring it into normal form.

    Args:
        source: a NIR graph or the path of a ``.nir`` file.
        dialect: preset string or Dialect; else the graph's metadata, else "nir".
        dt: seconds per step; overrides the dialect's.

    Raises:
        ModelFileError, GraphError, DialectError: what is wrong, at which node or edge.
    """
    where = "" if isinstance(source, nir.NIRGraph) else str(source)
    graph = source if isinstance(source, nir.NIRGraph) else nirfile.read(source)
    chosen, origin = _dialect(graph, dialect, dt, where)
    return _Checker(graph, where).normal_form(chosen, origin)


def _dialect(graph: nir.NIRGraph, given: str | Dialect | None, dt: float | None, where: str) -> tuple[Dialect, str]:
    hint = (graph.metadata or {}).get(dialects.METADATA_KEY)
    if isinstance(given, Dialect):
        chosen, origin = given, "argument"
    elif given is not None:
        chosen, origin = dialects.parse(given), "argument"
    elif hint is not None:
        chosen, origin = dialects.parse(str(hint), where=where), "metadata"
    else:
        chosen, origin = dialects.PRESETS["nir"], "default"
    if dt is not None:
        chosen = dialects.parse(f"{chosen},dt={float(dt)!r}")
    return chosen, origin


class _Checker:
    """One pass over one graph."""

    def __init__(self, graph: nir.NIRGraph, where: str) -> None:
        self.graph, self.where = graph, where
        self.weights = 0
        self.edges = list(dict.fromkeys((str(a), str(b)) for a, b in graph.edges))
        self.into: dict[str, list[str]] = {name: [] for name in graph.nodes}
        self.out_of: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for a, b in self.edges:
            for end in (a, b):
                if end not in graph.nodes:
                    raise GraphError(f"edge {a!r} -> {b!r} names the node {end!r}, which does not exist", where=where)
            self.into[b].append(a)
            self.out_of[a].append(b)

    def normal_form(self, dialect: Dialect, origin: str) -> CheckedGraph:
        self._check_kinds()
        order = self._topological()
        self._check_connected()
        chains: dict[str, list[Chain]] = {}  # what leaves a node
        populations: list[Population] = []
        projections: list[Projection] = []
        outputs: dict[str, str] = {}
        for name in order:
            node = self.graph.nodes[name]
            arriving = [chain for source in self.into[name] for chain in chains[source]]
            if isinstance(node, nir.Input):
                shape = self._declared_shape(node, name)
                populations.append(Population(name, "Input", shape, {}, np.zeros(shape)))
                chains[name] = [self._start(name, shape)]
            elif isinstance(node, _LINEAR):
                chains[name] = self._linear(name, node, arriving)
            elif isinstance(node, nir.Output) and self._is_plain(arriving):
                outputs[name] = arriving[0].source
            else:
                population = self._population(name, node, arriving, dialect)
                populations.append(population)
                self._make_room(sum(c.columns**2 for c in arriving if c.weight is None), name)
                projections += [Projection(chain.source, name, chain.dense(), chain.nodes) for chain in arriving]
                chains[name] = [self._start(name, population.shape)]
                if isinstance(node, nir.Output):
                    outputs[name] = name
        for name, source in outputs.items():
            if any(p.name == source and p.model == "Input" for p in populations):
                raise GraphError(
                    f"output {name!r} reads the input {source!r} directly: there is no neuron", where=self.where
                )
        inputs = tuple(p.name for p in populations if p.model == "Input")
        populations.sort(key=lambda p: p.model != "Input")
        return CheckedGraph(tuple(populations), tuple(projections), inputs, outputs, dialect, origin)

    def _linear(self, name: str, node: Any, arriving: list[Chain]) -> list[Chain]:
        """What leaves a linear node: one chain for each source."""
        merged: dict[str, Chain] = {}
        for index, chain in enumerate(arriving):
            if chain.source in merged and chain.weight is None:
                self._make_room(chain.columns**2, name)
            if not isinstance(node, nir.Flatten) and np.ndim(node.weight) == 2:
                self._make_room(np.shape(node.weight)[0] * chain.columns, name)
            onward = chain.through(name, node, self.where, with_bias=index == 0)
            merged[chain.source] = merged[chain.source].plus(onward) if chain.source in merged else onward
        return list(merged.values())

    def _make_room(self, weights: int, name: str) -> None:
        self.weights += weights
        if self.weights > _MAX_WEIGHTS:
            raise GraphError(
                f"the linear maps up to node {name!r} fold into more than {_MAX_WEIGHTS} weights",
                where=self.where,
                hint="check the sizes that the file declares",
            )

    def _start(self, name: str, shape: tuple[int, ...]) -> Chain:
        return Chain(name, shape, None, np.zeros(int(np.prod(shape))), ())

    @staticmethod
    def _is_plain(arriving: list[Chain]) -> bool:
        """Whether an Output reads one population as it is."""
        return len(arriving) == 1 and arriving[0].weight is None and not arriving[0].bias.any()

    def _check_kinds(self) -> None:
        allowed = (*_LINEAR, *_NEURONS.values(), nir.Input, nir.Output)
        odd = [
            f"{name!r} ({type(node).__name__})"
            for name, node in self.graph.nodes.items()
            if not isinstance(node, allowed)
        ]
        if odd:
            raise GraphError(
                f"unsupported node{'s' if len(odd) > 1 else ''}: {', '.join(odd)}",
                where=self.where,
                hint="supported: Input, Linear, Affine, Flatten, IF, LIF, LI, Output",
            )
        for kind in (nir.Input, nir.Output):
            if not any(isinstance(node, kind) for node in self.graph.nodes.values()):
                raise GraphError(f"the graph has no {kind.__name__} node", where=self.where)

    def _topological(self) -> list[str]:
        left = {name: len(sources) for name, sources in self.into.items()}
        ready = [name for name in self.graph.nodes if not left[name]]
        order: list[str] = []
        while ready:
            name = ready.pop(0)
            order.append(name)
            for target in self.out_of[name]:
                left[target] -= 1
                if not left[target]:
                    ready.append(target)
        cycle = [name for name in self.graph.nodes if name not in order]
        if cycle:
            raise GraphError(
                f"the graph is recurrent: {' -> '.join(self._one_cycle(cycle))}",
                where=self.where,
                hint="only feed-forward graphs are supported so far",
            )
        return order

    def _one_cycle(self, within: list[str]) -> list[str]:
        path = [within[0]]
        while path[-1] not in path[:-1]:
            path.append(next(source for source in self.into[path[-1]] if source in within))
        return path[path.index(path[-1]) :][::-1]

    def _check_connected(self) -> None:
        for name, node in self.graph.nodes.items():
            if not isinstance(node, nir.Input) and not self.into[name]:
                raise GraphError(f"node {name!r} has no edge into it", where=self.where, hint="connect or remove it")
            if isinstance(node, nir.Input) and self.into[name]:
                raise GraphError(f"edge {self.into[name][0]!r} -> {name!r} leads into an Input", where=self.where)
            if not isinstance(node, nir.Output) and not self.out_of[name]:
                raise GraphError(f"node {name!r} leads nowhere", where=self.where, hint="connect or remove it")
            if isinstance(node, nir.Output) and self.out_of[name]:
                raise GraphError(f"edge {name!r} -> {self.out_of[name][0]!r} leaves an Output", where=self.where)

    def _declared_shape(self, node: nir.Input, name: str) -> tuple[int, ...]:
        declared = np.atleast_1d(node.input_type.get("input", ()))
        numeric = declared.dtype.kind in "iuf" and declared.ndim == 1 and 0 < declared.size <= 8
        if not numeric or not (np.isfinite(declared) & (declared >= 1) & (declared == np.floor(declared))).all():
            text = " ".join(f"{declared.tolist()}".split())[:60]
            raise GraphError(
                f"input {name!r} has the shape {text}", where=self.where, hint="give the size of one sample"
            )
        shape = tuple(int(size) for size in declared)
        if math.prod(shape) > _MAX_INPUT:
            raise GraphError(
                f"input {name!r} has {math.prod(shape)} neurons, at most {_MAX_INPUT} are read", where=self.where
            )
        return shape

    def _population(self, name: str, node: nir.NIRNode, arriving: list[Chain], dialect: Dialect) -> Population:
        model = "Output" if isinstance(node, nir.Output) else type(node).__name__
        shapes = {chain.shape for chain in arriving}
        if len(shapes) > 1:
            raise GraphError(
                f"node {name!r} receives inputs of shapes {sorted(shapes)}, expected one", where=self.where
            )
        shape = next(iter(shapes))
        params = {key: self._parameter(getattr(node, key), key, name, shape) for key in neuron.PARAMETERS[model]}
        self._check_ranges(name, params, dialect)
        bias = np.sum([chain.bias for chain in arriving], axis=0).reshape(shape)
        return Population(name, model, shape, params, bias)

    def _parameter(self, value: Any, key: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
        array = finite(value, key, name, self.where)
        if array.size == 1:
            return np.full(shape, array.item())
        if array.shape == shape or (array.ndim == 1 and array.size == int(np.prod(shape))):
            return array.reshape(shape).copy()
        raise GraphError(
            f"node {name!r}: {key} has shape {array.shape}, its input has shape {shape}",
            where=self.where,
            hint="give one value, or one per neuron",
        )

    def _check_ranges(self, name: str, params: dict[str, np.ndarray], dialect: Dialect) -> None:
        if "tau" not in params:
            return
        tau = float(params["tau"].min())
        if tau <= 0:
            raise GraphError(f"node {name!r}: tau must be positive, found {tau:g}", where=self.where)
        if dialect.discretization == "euler" and dialect.dt >= 2 * tau:
            raise GraphError(
                f"node {name!r}: tau = {tau:g} s is too short for dt = {dialect.dt:g} s, the membrane diverges",
                where=self.where,
                hint="give the dt the network was trained with (--dt), or use discretization=exponential",
            )
