"""check: a NIR graph becomes a :class:`CheckedGraph`, the flat normal form everything else reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import nir
import numpy as np

from nirdeploy.errors import CorruptFile, GraphError, UsageProblem
from nirdeploy.graph import file as nirfile
from nirdeploy.graph import primitives
from nirdeploy.graph import repair as nirrepair
from nirdeploy.graph.chain import Chain
from nirdeploy.graph.flatten import FlatGraph, flatten
from nirdeploy.graph.folding import Folding
from nirdeploy.graph.linear import per_neuron
from nirdeploy.records import store
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics import neuron
from nirdeploy.semantics import order as recurrence
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import (
    Maximum,
    Operator,
    Passage,
    Pool,
    maximum_from,
    operator_from,
    pool_from,
    to_meta,
)

MAX_INPUT_BITS = 8
_MAX_INPUT = 1 << 24  # neurons of one input: a file of a few bytes can declare more than any memory holds


@dataclass(frozen=True)
class Population:
    """Neurons of one NIR node (or an input, or an analog output).

    ``model`` is ``"Input"`` or a key of :data:`nirdeploy.semantics.neuron.PARAMETERS`; ``params`` are float64
    arrays of ``shape``, finite and in range; ``bias`` is the constant current (float64, ``shape``)
    folded from Affine nodes on the way in; ``late_bias`` holds what of it begins only in a later step
    (behind a Delay, say), by that step. ``dialect``: its own, where it differs from the graph's.
    """

    name: str
    model: str
    shape: tuple[int, ...]
    params: Mapping[str, np.ndarray]
    bias: np.ndarray
    late_bias: Mapping[int, np.ndarray] = field(default_factory=dict)
    dialect: Dialect | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Projection(Passage):
    """A linear operator from one population's spikes to another's input current.

    The signal passes ``pool`` (if any), ``operator`` and ``maximum`` (if any), over flattened (C order) populations,
    and arrives ``delay`` steps later; ``nodes`` are the NIR nodes folded into it, in order.
    """

    source: str
    target: str
    operator: Operator
    nodes: tuple[str, ...] = ()
    pool: Pool | None = None
    delay: int = 0
    maximum: Maximum | None = None


@dataclass(frozen=True)
class CheckedGraph:
    """Normal form: populations in topological order (inputs first) and the projections between them.

    Guarantees: names unique; every projection joins two populations, and one whose source does not stand
    before its target is delayed (by its own ``delay``, or by the dialect's ``spike_delay``); every population
    but the inputs has at least one projection into it; shapes known; parameters finite and in range.
    ``inputs`` are the Input populations' names in the graph's order; ``outputs`` maps each Output
    node's name to the population it reads. ``dialect_source`` says where the dialect came from
    ("argument", "metadata" or "default"); ``repairs`` what the reader had to put right in the file; ``input_bits``
    of the numbers that the inputs may hold on hardware (1: spikes).
    """

    FILE: ClassVar[str] = "graph.npz"  # in a build's folder

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]
    dialect: Dialect
    dialect_source: str
    repairs: tuple[str, ...] = ()
    input_bits: int = 1

    def population(self, name: str) -> Population:
        return next(p for p in self.populations if p.name == name)

    def into(self, name: str) -> list[Projection]:
        """The projections that end on a population."""
        return [p for p in self.projections if p.target == name]

    def rules(self, name: str) -> neuron.Rules:
        """The dialect's rules for one population."""
        recurrent = any(p.source == name for p in self.into(name))
        return neuron.rules(self.population(name).model, self.dialect_of(name), recurrent=recurrent)

    def dialect_of(self, name: str) -> Dialect:
        """The dialect of one population."""
        return self.population(name).dialect or self.dialect

    def _parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays: dict[str, np.ndarray] = {}
        for i, population in enumerate(self.populations):
            arrays[f"population{i}.bias"] = population.bias
            arrays |= {f"population{i}.late_bias.{step}": late for step, late in population.late_bias.items()}
            arrays |= {f"population{i}.{name}": values for name, values in population.params.items()}
        arrays |= {f"projection{i}.weight": p.weight for i, p in enumerate(self.projections)}
        meta = {
            "populations": [
                [
                    *(p.name, p.model, list(p.shape), sorted(p.params)),
                    p.dialect and p.dialect.as_dict(),
                    sorted(p.late_bias),
                ]
                for p in self.populations
            ],
            "projections": [
                [p.source, p.target, list(p.nodes), to_meta(p.operator), to_meta(p.pool), p.delay]
                + ([] if p.maximum is None else [to_meta(p.maximum)])
                for p in self.projections
            ],
            "inputs": list(self.inputs),
            "outputs": dict(self.outputs),
            "dialect": self.dialect.as_dict(),
            "dialect_source": self.dialect_source,
            "repairs": list(self.repairs),
            "input_bits": self.input_bits,
        }
        return meta, arrays

    def digest(self) -> str:
        """SHA-256 (hex) of everything that decides the spikes."""
        meta, arrays = self._parts()
        return store.digest({key: meta[key] for key in meta if key not in ("dialect_source", "repairs")}, arrays)

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
                        {step: arrays[f"population{i}.late_bias.{step}"] for step in late},
                        own and Dialect(**own),
                    )
                    for i, (name, model, shape, params, own, late) in enumerate(meta["populations"])
                ),
                projections=tuple(
                    Projection(
                        source,
                        target,
                        operator_from(operator, arrays[f"projection{i}.weight"]),
                        tuple(nodes),
                        pool_from(pool),
                        delay,
                        maximum_from(maximum[0] if maximum else None),
                    )
                    for i, (source, target, nodes, operator, pool, delay, *maximum) in enumerate(meta["projections"])
                ),
                inputs=tuple(meta["inputs"]),
                outputs=meta["outputs"],
                dialect=Dialect(**meta["dialect"]),
                dialect_source=meta["dialect_source"],
                repairs=tuple(meta["repairs"]),
                input_bits=meta["input_bits"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFile(f"not a checked graph ({error})", where=str(path), hint="build it again") from error


def check(
    source: nir.NIRGraph | Path | str,
    *,
    dialect: str | Dialect | None = None,
    dt: float | None = None,
    input_bits: int = 1,
) -> CheckedGraph:
    """Validate a graph and bring it into normal form.

    Args:
        source: a NIR graph or the path of a ``.nir`` file.
        dialect: preset string or Dialect; else the graph's metadata, else "nir".
        dt: seconds per step; overrides the dialect's.
        input_bits: of the numbers that the inputs will hold on hardware, 1 to 8; 1: spikes.

    Raises:
        ModelFileError, GraphError, DialectError: what is wrong, at which node or edge.
    """
    if not 1 <= input_bits <= MAX_INPUT_BITS:
        raise UsageProblem(f"input_bits = {input_bits}", hint=f"1 (spikes) to {MAX_INPUT_BITS}")
    where = "" if isinstance(source, nir.NIRGraph) else str(source)
    graph = source if isinstance(source, nir.NIRGraph) else nirfile.read(source)
    chosen, origin = _dialect(graph, dialect, dt, where)
    try:
        checked = _normal_form(flatten(graph, where), chosen, origin)
    except GraphError as error:
        error.where = error.where or where
        raise
    return replace(checked, repairs=tuple(nirrepair.recorded(graph)), input_bits=input_bits)


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


def _normal_form(graph: FlatGraph, dialect: Dialect, origin: str) -> CheckedGraph:
    _check_kinds(graph)
    _check_connected(graph)
    inputs = {n: _declared_shape(node, n) for n, node in graph.nodes.items() if isinstance(node, nir.Input)}
    folding = Folding(graph, list(inputs), dialect.dt)
    outputs: dict[str, str] = {}
    names: list[str] = []
    for name, node in graph.nodes.items():
        if isinstance(node, nir.Output) and _is_plain(folding.arriving[name]) and len(graph.into(name)) == 1:
            outputs[name] = folding.arriving[name][0].source
            if outputs[name] in inputs:
                raise GraphError(f"output {name!r} reads the input {outputs[name]!r} directly: there is no neuron")
        elif name in folding.shapes:
            names.append(name)
            outputs |= {name: name} if isinstance(node, nir.Output) else {}
    order = recurrence.ordered(names, list(inputs), {n: [c.source for c in folding.arriving.get(n, ())] for n in names})
    own = {name: _own_dialect(name, graph.nodes[name], dialect) for name in order} if origin != "argument" else {}
    populations = tuple(_population(n, graph.nodes[n], folding, order, own.get(n), dialect) for n in order)
    projections: list[Projection] = []
    for index, population in enumerate(populations):
        for chain in map(Chain.finished, folding.arriving.get(population.name, ())):
            assert chain.operator is not None
            source = populations[order.index(chain.source)]
            late = neuron.rules(source.model, source.dialect or dialect).spike_delay
            backward = order.index(chain.source) >= index
            delay = max(chain.delay, 1) if backward and not late else chain.delay
            delay = chain.delay + 1 if dialect.connection_delay else delay
            way = (chain.operator, chain.nodes, chain.pool, delay, chain.maximum)
            projections.append(Projection(chain.source, population.name, *way))
    in_order = {name: outputs[name] for name in graph.nodes if name in outputs}
    return CheckedGraph(populations, tuple(projections), tuple(inputs), in_order, dialect, origin)


def _own_dialect(name: str, node: nir.NIRNode, dialect: Dialect) -> Dialect | None:
    """What a node says of itself; None where that is what the graph says."""
    text = (node.metadata or {}).get(dialects.METADATA_KEY)
    if text is None:
        return None
    own = replace(dialects.parse(str(text), where=f"node {name!r}"), dt=dialect.dt)
    return own if replace(own, preset=dialect.preset) != dialect else None


def _is_plain(arriving: list[Chain]) -> bool:
    """Whether an Output reads one population as it is."""
    if len(arriving) != 1:
        return False
    (chain,) = arriving
    return chain.operator is None and chain.pool is None and not chain.delay


def _check_kinds(graph: FlatGraph) -> None:
    odd = [f"{n!r} ({type(node).__name__})" for n, node in graph.nodes.items() if primitives.of(node) is None]
    if odd:
        known = ", ".join(row.node.__name__ for row in primitives.TABLE.values())
        raise GraphError(f"unsupported node{'s' if len(odd) > 1 else ''}: {', '.join(odd)}", hint=f"supported: {known}")
    for kind in (nir.Input, nir.Output):
        if not any(isinstance(node, kind) for node in graph.nodes.values()):
            raise GraphError(f"the graph has no {kind.__name__} node")


def _check_connected(graph: FlatGraph) -> None:
    for name, node in graph.nodes.items():
        into, out_of = graph.into(name), graph.out_of(name)
        if not isinstance(node, nir.Input) and not into:
            raise GraphError(f"node {name!r} has no edge into it", hint="connect or remove it")
        if isinstance(node, nir.Input) and into:
            raise GraphError(f"edge {into[0]!r} -> {name!r} leads into an Input")
        if not isinstance(node, nir.Output) and not out_of:
            raise GraphError(f"node {name!r} leads nowhere", hint="connect or remove it")
        if isinstance(node, nir.Output) and out_of:
            raise GraphError(f"edge {name!r} -> {out_of[0]!r} leaves an Output")


def _declared_shape(node: nir.Input, name: str) -> tuple[int, ...]:
    declared = np.atleast_1d(node.input_type.get("input", ()))
    numeric = declared.dtype.kind in "iuf" and declared.ndim == 1 and 0 < declared.size <= 8
    if not numeric or not (np.isfinite(declared) & (declared >= 1) & (declared == np.floor(declared))).all():
        text = " ".join(f"{declared.tolist()}".split())[:60]
        raise GraphError(f"input {name!r} has the shape {text}", hint="give the size of one sample")
    shape = tuple(int(size) for size in declared)
    if math.prod(shape) > _MAX_INPUT:
        raise GraphError(f"input {name!r} has {math.prod(shape)} neurons, at most {_MAX_INPUT} are read")
    return shape


def _population(
    name: str, node: nir.NIRNode, folding: Folding, order: list[str], own: Dialect | None, dialect: Dialect
) -> Population:
    shape = folding.shapes[name]
    if isinstance(node, nir.Input):
        return Population(name, "Input", shape, {}, np.zeros(shape))
    model = "Output" if isinstance(node, nir.Output) else type(node).__name__
    params = {key: per_neuron(getattr(node, key), key, name, shape) for key in neuron.PARAMETERS[model]}
    _check_ranges(name, model, params, own or dialect)
    late = (own or dialect).recurrent_bias == "late" and not dialect.connection_delay
    parts = folding.constant(name, set(order[order.index(name) :]) if late else set())
    bias = np.sum(list(parts.values()), axis=0)
    return Population(name, model, shape, params, bias, {step: parts[step] for step in parts if step}, own)


def _check_ranges(name: str, model: str, params: dict[str, np.ndarray], dialect: Dialect) -> None:
    for key in (key for key in params if key.startswith("tau")):
        tau = float(params[key].min())
        if tau <= 0:
            raise GraphError(f"node {name!r}: {key} must be positive, found {tau:g}")
        if dialect.discretization == "euler" and dialect.dt >= 2 * tau:
            raise GraphError(
                f"node {name!r}: {key} = {tau:g} s is too short for dt = {dialect.dt:g} s, its state diverges",
                hint="give the dt the network was trained with (--dt), or use discretization=exponential",
            )
    if neuron.rules(model, dialect).multi and params["v_threshold"].min() <= 0:
        raise GraphError(
            f"node {name!r}: v_threshold = {params['v_threshold'].min():g} must be positive where a neuron may spike "
            "several times a step",
            hint="use a dialect with spikes=binary",
        )
