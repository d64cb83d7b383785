"""simulate: the right simulator for what is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from nirdeploy.errors import UsageProblem
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.inputs import Bits, Ranges, Scales
from nirdeploy.integers.border import bordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.records import products, transaction
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.sim import float_, integer


@runtime_checkable
class Quantized(Protocol):
    """What holds a network in integers: a Build."""

    @property
    def network(self) -> IntegerNetwork: ...


def simulate(
    what: Any,
    x: Any,
    probe: str | Sequence[str] = "all",
    *,
    membrane: Sequence[str] = (),
    dialect: str | Dialect | None = None,
    dt: float | None = None,
    formats: Formats | None = None,
    input_bits: Bits = None,
    input_range: Ranges = None,
    input_scale: Scales = None,
) -> SpikeRecord:
    """Simulate on ``x`` (T, B, *input shape).

    Args:
        what: a ``.nir`` path, NIRGraph or CheckedGraph (float, in the graph's dialect); or a Build, the path
            of its folder, or an IntegerNetwork (integer, bit-exact, as its target computes).
        probe: "all", "outputs" or names of populations.
        membrane: populations whose membrane to record too.
        dialect, dt: for graphs; else the graph's own.
        formats: quantize the graph to these integers first, whatever targets there are (then integer too).
        input_bits, input_range, input_scale: what its inputs take then, as :func:`nirdeploy.graph.check.check`.

    Raises:
        ModelFileError, GraphError: the model. UsageProblem: no build folder, or a build without a network.
        CorruptFile: a damaged one, or one whose network is of another build.
        InputShapeError: the stimulus. UnknownPopulation: the probe.
    """
    if isinstance(what, (str, Path)) and Path(what).is_dir():
        what = _kept(Path(what))
    elif isinstance(what, Quantized):
        what = what.network
    if isinstance(what, IntegerNetwork):
        return integer.simulate(what, x, probe, membrane=membrane)
    graph = what
    if not isinstance(what, CheckedGraph):
        graph = check(
            what, dialect=dialect, dt=dt, input_bits=input_bits, input_range=input_range, input_scale=input_scale
        )
    if formats is not None:
        return integer.simulate(quantize(bordered(graph), formats), x, probe, membrane=membrane)
    return float_.simulate(graph, x, probe, membrane=membrane)


def _kept(folder: Path) -> IntegerNetwork:
    """The network in a build's folder, which is the one that its manifest names."""
    with transaction.alone(folder):  # not while another process replaces it
        digests = products.opened(folder)["digests"]
        path = folder / IntegerNetwork.FILE
        if path.stem not in digests:
            raise UsageProblem(
                f"the build stopped before its network: it has no {path.name}",
                where=str(folder),
                hint="build it to the stage 'quantize' or further",
            )
        found: IntegerNetwork = products.loaded(IntegerNetwork, path, digests)
        return found
