"""check: a NIR graph becomes a :class:`CheckedGraph`, the flat normal form everything else reads."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph import file as nirfile
from nirdeploy.graph import precision, primitives
from nirdeploy.graph import repair as nirrepair
from nirdeploy.graph.chain import Chain
from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.doubts import doubts
from nirdeploy.graph.flatten import FlatGraph, flatten
from nirdeploy.graph.folding import Folding
from nirdeploy.graph.inputs import Bits, Ranges, Scales, declared
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.graph.shapes import per_neuron
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics import neuron
from nirdeploy.semantics import order as recurrence
from nirdeploy.semantics.dialect import Dialect

__all__ = ["CheckedGraph", "Population", "Projection", "check"]

_NORSE = 1e-3  # seconds of the dt that Norse's exporter takes for granted
_MAX_INPUT = 1 << 24  # neurons of one input: a file of a few bytes can declare more than any memory holds


def check(
    source: nir.NIRGraph | Path | str,
    *,
    dialect: str | Dialect | None = None,
    dt: float | None = None,
    input_bits: Bits = None,
    input_range: Ranges = None,
    input_scale: Scales = None,
) -> CheckedGraph:
    """Validate a graph and bring it into normal form.

    Args:
        source: a NIR graph or the path of a ``.nir`` file.
        dialect: preset string or Dialect; else the graph's metadata, else "nir".
        dt: seconds per step; overrides the dialect's.
        input_bits, input_range, input_scale: what the inputs will hold on hardware, by default spikes: see
            :func:`nirdeploy.graph.inputs.declared`.

    Raises:
        ModelFileError, GraphError, DialectError: what is wrong, at which node or edge. UsageProblem: the inputs.
    """
    where = "" if isinstance(source, nir.NIRGraph) else str(source)
    graph, checksum = (source, None) if isinstance(source, nir.NIRGraph) else nirfile.read_checked(source)
    chosen, origin = _dialect(graph, dialect, dt, where)
    try:
        flat = flatten(graph, where)
        unit: list[str] = []
        if dt is None and _in_norses_unit(flat, chosen):
            unit = [
                f"tau is written in thousandths of what dt = {chosen.dt:g} s counts in, as Norse writes it: read with "
                f"dt = {chosen.dt * _NORSE:g} s"
            ]
            chosen = replace(chosen, dt=chosen.dt * _NORSE)
        checked = _normal_form(flat, chosen, origin)
    except GraphError as error:
        error.where = error.where or where
        raise
    bits, encodings = declared(checked.inputs, input_bits, input_range, input_scale)
    repairs = (*nirrepair.recorded(graph), *unit)
    checked = replace(checked, repairs=repairs, input_bits=bits, encodings=encodings, checksum=checksum)
    return replace(checked, warnings=doubts(checked))


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
    _check_names(graph)
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
                raise GraphError(
                    f"output {name!r} reads the input {outputs[name]!r} directly: there is no neuron",
                    hint="put a population between them, such as a LIF or an LI",
                )
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


def _in_norses_unit(graph: FlatGraph, dialect: Dialect) -> bool:
    """Whether every tau is too short by the factor that Norse's exporter (0.001 / tau_mem_inv) leaves in it."""
    taus = [
        np.ravel(getattr(node, key))
        for node in graph.nodes.values()
        for key in neuron.PARAMETERS.get(type(node).__name__, ())
        if key.startswith("tau")
    ]
    if dialect.preset != "norse" or not taus or {tau.dtype.kind for tau in taus} - set("iuf"):
        return False
    every = np.concatenate(taus)
    return bool((dialect.dt >= 2 * every).all() and (2 * every > dialect.dt * _NORSE).all())


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


def _check_names(graph: FlatGraph) -> None:
    """Names that a text of bytes cannot hold would end in no product, record or file."""
    for name in graph.nodes:
        if not nirfile.is_text(name):
            raise GraphError(f"a node cannot be named {name!r}: it is no text that a file holds", hint="rename it")


def _check_kinds(graph: FlatGraph) -> None:
    odd = [f"{n!r} ({type(node).__name__})" for n, node in graph.nodes.items() if primitives.of(node) is None]
    if odd:
        known = ", ".join(row.node.__name__ for row in primitives.TABLE.values())
        raise GraphError(f"unsupported node{'s' if len(odd) > 1 else ''}: {', '.join(odd)}", hint=f"supported: {known}")
    for kind in (nir.Input, nir.Output):
        if not any(isinstance(node, kind) for node in graph.nodes.values()):
            raise GraphError(
                f"the graph has no {kind.__name__} node",
                hint="add one at that end of the network, or export it again with 'nirdeploy export'",
            )


def _check_connected(graph: FlatGraph) -> None:
    for name, node in graph.nodes.items():
        into, out_of = graph.into(name), graph.out_of(name)
        if not isinstance(node, nir.Input) and not into:
            raise GraphError(f"node {name!r} has no edge into it", hint="connect or remove it")
        if isinstance(node, nir.Input) and into:
            raise GraphError(
                f"edge {into[0]!r} -> {name!r} leads into an Input",
                hint="leave the edge out: what is fed back goes to a population, not to an Input",
            )
        if not isinstance(node, nir.Output) and not out_of:
            raise GraphError(f"node {name!r} leads nowhere", hint="connect or remove it")
        if isinstance(node, nir.Output) and out_of:
            raise GraphError(
                f"edge {name!r} -> {out_of[0]!r} leaves an Output",
                hint="let the edge begin at the population that the Output reads",
            )


def _declared_shape(node: nir.Input, name: str) -> tuple[int, ...]:
    declared = np.atleast_1d(node.input_type.get("input", ()))
    numeric = declared.dtype.kind in "iuf" and declared.ndim == 1 and 0 < declared.size <= 8
    if not numeric or not (np.isfinite(declared) & (declared >= 1) & (declared == np.floor(declared))).all():
        text = " ".join(f"{declared.tolist()}".split())[:60]
        raise GraphError(f"input {name!r} has the shape {text}", hint="give the size of one sample")
    shape = tuple(int(size) for size in declared)
    if math.prod(shape) > _MAX_INPUT:
        raise GraphError(
            f"input {name!r} has {math.prod(shape)} neurons, at most {_MAX_INPUT} are read",
            hint="make the input smaller, such as by pooling before the network",
        )
    return shape


def _population(
    name: str, node: nir.NIRNode, folding: Folding, order: list[str], own: Dialect | None, dialect: Dialect
) -> Population:
    shape = folding.shapes[name]
    if isinstance(node, nir.Input):
        return Population(name, "Input", shape, {}, np.zeros(shape))
    model = "Output" if isinstance(node, nir.Output) else type(node).__name__
    params = {key: per_neuron(getattr(node, key), key, name, shape) for key in neuron.PARAMETERS[model]}
    if "v_reset" in params and neuron.ignores_v_reset(own or dialect):
        params["v_reset"] = np.zeros(shape)
    _check_ranges(name, model, params, own or dialect)
    late = (own or dialect).recurrent_bias == "late" and not dialect.connection_delay
    parts = folding.constant(name, set(order[order.index(name) :]) if late else set())
    bias = np.sum(list(parts.values()), axis=0)
    late_bias = {step: parts[step] for step in parts if step}
    return Population(name, model, shape, params, bias, late_bias, own, precision.of_node(node, name))


def _check_ranges(name: str, model: str, params: dict[str, np.ndarray], dialect: Dialect) -> None:
    for key in (key for key in params if key.startswith("tau")):
        tau = float(params[key].min())
        if tau <= 0:
            raise GraphError(
                f"node {name!r}: {key} must be positive, found {tau:g}",
                hint="give it the time constant in seconds; a neuron without leak is an IF",
            )
        if dialect.discretization == "euler" and dialect.dt >= 2 * tau:
            raise GraphError(
                f"node {name!r}: {key} = {tau:g} s is too short for dt = {dialect.dt:g} s, its state diverges",
                hint=f"give the dt the network was trained with (--dt, below {2 * tau:g}), --dialect norse where Norse "
                "wrote it, or use discretization=exponential",
            )
    if neuron.rules(model, dialect).multi and params["v_threshold"].min() <= 0:
        raise GraphError(
            f"node {name!r}: v_threshold = {params['v_threshold'].min():g} must be positive where a neuron may spike "
            "several times a step",
            hint="use a dialect with spikes=binary",
        )
