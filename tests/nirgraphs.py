"""Checked graphs written back as NIR, the way an exporter would: what check and the importer are tested on."""

from __future__ import annotations

import nir
import numpy as np

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.semantics import dialect as dialects


def as_nir(graph: CheckedGraph) -> nir.NIRGraph:
    """One Linear per projection; the bias of a population in an Affine, on the first one into it."""
    nodes: dict[str, nir.NIRNode] = {}
    edges: list[tuple[str, str]] = []
    for population in graph.populations:
        if population.model == "Input":
            nodes[population.name] = nir.Input({"input": np.array(population.shape)})
            continue
        incoming = [p for p in graph.projections if p.target == population.name]
        for index, projection in enumerate(incoming):
            name = f"{projection.source}_to_{population.name}"
            weight = projection.weight
            nodes[name] = nir.Linear(weight) if index else nir.Affine(weight, population.bias)
            edges += [(projection.source, name), (name, population.name)]
        if population.model == "Output":
            nodes[population.name] = nir.Output({"output": np.array(population.shape)})
        else:
            nodes[population.name] = getattr(nir, population.model)(**population.params)
    for name, source in graph.outputs.items():
        if graph.population(source).model != "Output":
            nodes[name] = nir.Output({"output": np.array(graph.population(source).shape)})
            edges.append((source, name))
    return nir.NIRGraph(nodes, edges, metadata={dialects.METADATA_KEY: str(graph.dialect)}, type_check=False)
