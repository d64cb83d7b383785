"""chain: the linear nodes between two populations, folded into one operator as they are walked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import nir
import numpy as np

from nirdeploy.errors import GraphError


@dataclass(frozen=True)
class Chain:
    """A linear map on its way to a population: ``weight`` None is the identity; ``bias`` a current."""

    source: str
    shape: tuple[int, ...]
    weight: np.ndarray | None
    bias: np.ndarray
    nodes: tuple[str, ...]

    @property
    def columns(self) -> int:
        """Size of the source."""
        return int(np.prod(self.shape)) if self.weight is None else int(self.weight.shape[1])

    def through(self, name: str, node: Any, where: str, with_bias: bool) -> Chain:
        """The chain continued through one linear node. Raises :class:`GraphError` on a wrong shape.

        ``with_bias``: where several chains meet in one Affine, its bias counts once.
        """
        if isinstance(node, nir.Flatten):
            return replace(self, shape=flattened(self.shape, node, name, where), nodes=(*self.nodes, name))
        matrix = finite(node.weight, "weight", name, where)
        if matrix.ndim != 2:
            raise GraphError(f"node {name!r}: weight has shape {matrix.shape}, expected (outputs, inputs)", where=where)
        if not matrix.size:
            raise GraphError(f"node {name!r}: weight is empty, its shape is {matrix.shape}", where=where)
        if len(self.shape) != 1 or self.shape[0] != matrix.shape[1]:
            raise GraphError(
                f"node {name!r} takes {matrix.shape[1]} inputs, {self.nodes[-1] if self.nodes else self.source!r} "
                f"gives shape {self.shape}",
                where=where,
                hint="insert a Flatten, or correct the layer's size",
            )
        with np.errstate(over="ignore", invalid="ignore"):
            bias = matrix @ self.bias
            weight = matrix if self.weight is None else matrix @ self.weight
        if isinstance(node, nir.Affine):
            added = finite(node.bias, "bias", name, where)
            if added.shape not in ((), (1,), (matrix.shape[0],)):
                raise GraphError(
                    f"node {name!r}: bias has shape {added.shape}, expected ({matrix.shape[0]},)", where=where
                )
            bias = bias + added if with_bias else bias
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise GraphError(f"node {name!r}: the product of the weights up to here overflows", where=where)
        return Chain(self.source, (matrix.shape[0],), weight, bias, (*self.nodes, name))

    def plus(self, other: Chain) -> Chain:
        """Two ways from one source to one node: their sum."""
        nodes = tuple(dict.fromkeys((*self.nodes, *other.nodes)))
        return replace(self, weight=self.dense() + other.dense(), bias=self.bias + other.bias, nodes=nodes)

    def dense(self) -> np.ndarray:
        """The operator as a matrix (target size, source size)."""
        return np.eye(self.columns) if self.weight is None else self.weight


def flattened(shape: tuple[int, ...], node: nir.Flatten, name: str, where: str) -> tuple[int, ...]:
    """The shape behind a Flatten. Raises :class:`GraphError` on dimensions that are not there."""
    start = node.start_dim + len(shape) if node.start_dim < 0 else node.start_dim
    end = node.end_dim + len(shape) if node.end_dim < 0 else node.end_dim
    if not 0 <= start <= end < len(shape):
        raise GraphError(
            f"node {name!r} flattens dimensions {node.start_dim} to {node.end_dim} of shape {shape}", where=where
        )
    return (*shape[:start], int(np.prod(shape[start : end + 1])), *shape[end + 1 :])


def finite(value: Any, key: str, name: str, where: str) -> np.ndarray:
    """A parameter as float64. Raises :class:`GraphError` if it is not numeric, or NaN or infinite."""
    try:
        array = np.array(value, dtype=np.float64)  # a copy: the graph given may change, the checked one not
    except (TypeError, ValueError) as error:
        raise GraphError(f"node {name!r}: {key} is not numeric", where=where) from error
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise GraphError(
            f"node {name!r}: {bad} of {array.size} values of {key} are NaN or infinite",
            where=where,
            hint="the training may have diverged; export the network again",
        )
    return array
