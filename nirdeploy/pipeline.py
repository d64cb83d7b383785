"""The table of contents: a network's way from NIR to an image, stage by stage.

    graph --check--> CheckedGraph --quantize--> IntegerNetwork --place--> Placement
          --emit--> Artifacts --image--> Image

Each stage is one verb of one module, takes one type and gives one; :func:`build` walks them in order and
keeps each product on disk, so that a later call can stop or resume anywhere. Only once all stages have run: a
network that is refused leaves the folder as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nirdeploy.errors import CorruptFile, UsageProblem
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records import manifest, store
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets
from nirdeploy.targets.emit import Artifacts, emit
from nirdeploy.targets.fit import Fit, refusal
from nirdeploy.targets.image import Image
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target

if TYPE_CHECKING:
    import nir

STAGES = ("check", "quantize", "place", "emit", "image")

FILES = {"check": "graph.npz", "quantize": "network.npz", "place": "placement.npz", "image": "image.ndi"}
HARDWARE = "hardware"
MANIFEST = "manifest.json"


@dataclass
class Build:
    """The products of the stages that have run; ``out`` is the folder they are kept in, if any."""

    target: Target
    out: Path | None = None
    _graph: CheckedGraph | None = None
    _fit: Fit | None = None
    _network: IntegerNetwork | None = None
    _placement: Placement | None = None
    _artifacts: Artifacts | None = None
    _image: Image | None = None

    def _have(self, product: Any, stage: str) -> Any:
        if product is None:
            raise UsageProblem(
                f"this build stopped before the stage {stage!r}", where=str(self.out or ""), hint="build it to the end"
            )
        return product

    @property
    def graph(self) -> CheckedGraph:
        return self._have(self._graph, "check")  # type: ignore[no-any-return]

    @property
    def network(self) -> IntegerNetwork:
        return self._have(self._network, "quantize")  # type: ignore[no-any-return]

    @property
    def placement(self) -> Placement:
        return self._have(self._placement, "place")  # type: ignore[no-any-return]

    @property
    def artifacts(self) -> Artifacts:
        if self._artifacts is None:
            self._artifacts = emit(self.target, self._network, self._placement)
        return self._artifacts

    @property
    def image(self) -> Image:
        return self._have(self._image, "image")  # type: ignore[no-any-return]

    def run_stage(self, stage: str) -> None:
        """Make one stage's product from the one before."""
        backend = registry.backend_of(self.target)
        if stage == "quantize":
            self._fit = backend.fit(self.graph, self.target)
            if self._fit.network is None:
                raise refusal(self._fit.problems, self.target.name)
            self._network = self._fit.network
        elif stage == "place":
            found = self._fit or backend.fit(self.graph, self.target)
            if found.problems:
                raise refusal(found.problems, self.target.name)
            self._placement = found.placement
        elif stage == "emit":
            self._artifacts = emit(self.target, self.network, self.placement)
        elif stage == "image":
            provenance = {
                "graph": self.graph.digest(),
                "network": self.network.digest(),
                "placement": self.placement.digest(),
                "dialect": str(self.graph.dialect),
            }
            self._image = backend.pack(self.network, self.placement, self.artifacts, self.target, provenance)

    def save(self, stage: str) -> None:
        """Keep one stage's product in the build's folder, if it has one."""
        if self.out is None:
            return
        if stage == "emit":
            self.artifacts.save(self.out / HARDWARE)
            return
        products = {"check": self._graph, "quantize": self._network, "place": self._placement, "image": self._image}
        products[stage].save(self.out / FILES[stage])  # type: ignore[union-attr]

    def manifest(self) -> dict[str, Any]:
        """Digests of all products, options and versions."""
        products = {
            "graph": self._graph,
            "network": self._network,
            "placement": self._placement,
            "hardware": self._artifacts,
            "image": self._image,
        }
        digests = {name: product.digest() for name, product in products.items() if product is not None}
        options = {"target": self.target.name, "signature": self.target.signature.hex()}
        if self._graph is not None:
            options["dialect"] = str(self._graph.dialect)
        return manifest.manifest(digests, options)

    @classmethod
    def load(cls, folder: Path | str, target: str | Path | Target | None = None) -> Build:
        """A build from its folder, which is data: it does not say where templates, and so code, are taken from.

        Args:
            target: the target file that it was built with, where the templates that came with it are needed again.

        Raises:
            UsageProblem: no build folder, or one for other hardware than ``target``. CorruptFile: a damaged one.
        """
        folder = Path(folder)
        path = folder / MANIFEST
        if not path.is_file():
            raise UsageProblem("this is not a build folder: it has no manifest.json", where=str(folder))
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            description = {**kept["target"], "home": None}
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptFile("the manifest is damaged", where=str(path), hint="build again") from error
        built = cls(_named_again(targets.validate(description, where=str(path)), target, folder), folder)
        loaders: dict[str, Any] = {
            "check": CheckedGraph,
            "quantize": IntegerNetwork,
            "place": Placement,
            "image": Image,
        }
        loaded = {
            stage: loader.load(folder / FILES[stage])
            for stage, loader in loaders.items()
            if (folder / FILES[stage]).is_file()
        }
        built._graph, built._network = loaded.get("check"), loaded.get("quantize")
        built._placement, built._image = loaded.get("place"), loaded.get("image")
        return built


def build(
    source: nir.NIRGraph | str | Path | None = None,
    target: str | Path | Target | None = None,
    out: str | Path | None = None,
    *,
    dialect: str | Dialect | None = None,
    dt: float | None = None,
    input_bits: int = 1,
    start: str = "check",
    stop: str = "image",
    on_stage: Callable[[str], None] | None = None,
) -> Build:
    """Walk the stages from ``start`` to ``stop``.

    Args:
        source: a NIR graph or ``.nir`` file; not needed when resuming (``start`` later than "check").
        target: name, TOML file or Target; the default target if none is named. When resuming, only where the templates
            came with the file, as :meth:`Build.load`.
        out: folder to keep the products in; resuming reads them from there.
        dialect, dt, input_bits: as :func:`nirdeploy.graph.check.check`.
        on_stage: called with each stage's name before it runs.

    Raises:
        ModelFileError, GraphError: the model. DoesNotFit: the target. UsageProblem: nothing to resume.
    """
    for stage in (start, stop):
        if stage not in STAGES:
            raise UsageProblem(f"there is no stage {stage!r}", hint=f"stages: {', '.join(STAGES)}")
    todo = STAGES[STAGES.index(start) : STAGES.index(stop) + 1]
    if not todo:
        raise UsageProblem(f"the stage {stop!r} comes before {start!r}")
    folder = None if out is None else Path(out)
    if start == "check":
        built = Build(targets.load(target), folder)
    elif folder is None:
        raise UsageProblem(f"resuming from {start!r} needs the folder of the earlier build", hint="pass out=")
    else:
        built = Build.load(folder, target)
    for stage in todo:
        if on_stage:
            on_stage(stage)
        if stage == "check":
            if source is None:
                raise UsageProblem("there is no model to build", hint="name a .nir file")
            built._graph = check(source, dialect=dialect, dt=dt, input_bits=input_bits)
        else:
            built.run_stage(stage)
    for stage in todo:
        built.save(stage)
    if folder is not None:
        text = json.dumps(
            {**built.manifest(), "target": built.target.model_dump(mode="json", by_alias=True, exclude={"home"})},
            indent=1,
            sort_keys=True,
        )
        store.write_atomic(folder / MANIFEST, text.encode() + b"\n")
    return built


def _named_again(kept: Target, named: str | Path | Target | None, folder: Path) -> Target:
    """The target that the user names along with a build folder, if it is the build's hardware; else the folder's."""
    if named is None:
        return kept
    chosen = targets.load(named)
    if (chosen.backend, chosen.signature) != (kept.backend, kept.signature):
        raise UsageProblem(
            f"the build is for hardware {kept.signature.hex()} (target {kept.name!r}), "
            f"target {chosen.name!r} is {chosen.signature.hex()}",
            where=str(folder),
            hint="name the target file that it was built with, or build it again",
        )
    return chosen
