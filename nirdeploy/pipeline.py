"""The table of contents: a network's way from NIR to an image, stage by stage.

    graph --check--> CheckedGraph --fit--> IntegerNetwork + Placement --emit--> Artifacts --pack--> Image

Each stage takes the products of those before it and gives one of its own (:data:`TABLE`); "quantize" and "place" are
two products of one fit. :func:`build` walks the stages in order and keeps each product on disk, so that a later call
can stop or resume anywhere. Only once all stages have run: a network that is refused leaves the folder as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nirdeploy.errors import CorruptFile, UsageProblem, meant
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.inputs import Bits, Ranges, Scales
from nirdeploy.graph.precision import Widths, with_bits
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.processes import progress
from nirdeploy.records import manifest, products, store, transaction
from nirdeploy.records.brief import brief
from nirdeploy.records.products import MANIFEST
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.targets import losses, registry
from nirdeploy.targets.emit import Artifacts, emit
from nirdeploy.targets.fit import Fit, refusal
from nirdeploy.targets.fitting import fit
from nirdeploy.targets.image import Image
from nirdeploy.targets.placement import Placement, check_loaded
from nirdeploy.targets.tables import Target
from nirdeploy.tuning.calibration.calibrate import Calibration, calibrated
from nirdeploy.tuning.calibration.task import Task
from nirdeploy.tuning.calibration.widths import Memory, parse, within

if TYPE_CHECKING:
    import nir


@dataclass(frozen=True)
class Stage:
    """``verb`` makes the ``product`` of what a build has; its folder keeps it as ``product.FILE``."""

    name: str
    verb: Callable[[Build], Any]
    product: Any

    @property
    def file(self) -> str:
        return str(self.product.FILE)


TABLE = (
    Stage("check", lambda build: build.check(), CheckedGraph),
    Stage("quantize", lambda build: build.quantize(), IntegerNetwork),
    Stage("place", lambda build: build.place(), Placement),
    Stage("emit", lambda build: emit(build.target, build.network, build.placement), Artifacts),
    Stage("image", lambda build: build.pack(), Image),
)
STAGES = tuple(stage.name for stage in TABLE)
#: Of the stages whose product is read back; artifacts are code, and made again.
FILES = {stage.name: stage.file for stage in TABLE if stage.product is not Artifacts}
_CALIBRATION = "calibration"  # its digest in there


@dataclass(repr=False)
class Build:
    """The products of the stages that have run, by the stage's name; ``out``: the folder they are kept in, if any.

    ``source``: what "check" takes. ``choosing``: what "quantize" does to the graph before it is rounded, where there
    are samples to do it by; ``calibration`` is what came of it, or None.
    """

    target: Target
    out: Path | None = None
    source: Callable[[], CheckedGraph] | None = None
    choosing: Callable[[CheckedGraph], Calibration] | None = None
    calibration: Calibration | None = None
    products: dict[str, Any] = field(default_factory=dict)
    _fit: Fit | None = None

    def __repr__(self) -> str:
        made = [repr(self.products[name]) for name in ("check", "image") if name in self.products]
        place = f" in {self.out}" if self.out else ""
        return brief(self, f"for {self.target.name}{place}: {'; '.join(made) or 'no stage has run'}")

    def _repr_html_(self) -> str:
        from nirdeploy.proof.report import built

        return built.fragment_of(self)

    def _of(self, stage: str) -> Any:
        if stage not in self.products:
            raise UsageProblem(
                f"this build stopped before the stage {stage!r}", where=str(self.out or ""), hint="build it to the end"
            )
        return self.products[stage]

    @property
    def graph(self) -> CheckedGraph:
        return cast(CheckedGraph, self._of("check"))

    @property
    def network(self) -> IntegerNetwork:
        return cast(IntegerNetwork, self._of("quantize"))

    @property
    def placement(self) -> Placement:
        return cast(Placement, self._of("place"))

    @property
    def artifacts(self) -> Artifacts:
        """Of a build that is loaded, or has not come so far, rendered again."""
        if "emit" not in self.products:
            self.products["emit"] = emit(self.target, self.products.get("quantize"), self.products.get("place"))
        return cast(Artifacts, self.products["emit"])

    @property
    def image(self) -> Image:
        return cast(Image, self._of("image"))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What can hardly be meant, in the graph and in what rounding made of it, as far as the stages went."""
        rounded = losses.warnings(self.graph, self.network) if "quantize" in self.products else ()
        return (*self.graph.warnings, *rounded)

    @property
    def fit(self) -> Fit:
        """The graph on the target, judged once: as it was calibrated, if it was."""
        if self.choosing:
            self.calibration, self.choosing = self.choosing(self.graph), None
        graph = self.calibration.graph if self.calibration else self.graph
        self._fit = self._fit or fit(graph, self.target)
        return self._fit

    @cached_property
    def plan(self) -> Any:
        """What the backend derived from the placement; of a build that is loaded, derived again."""
        backend = registry.backend_of(self.target)
        return self._fit.plan if self._fit else backend.plan(self.network, self.placement, self.target)

    def costs(self, activity: float) -> dict[str, float | str]:
        """What loading it and a step of it take, as far as the backend has figures (Backend.estimate)."""
        backend = registry.backend_of(self.target)
        return backend.estimate(self.network, self.placement, self.plan, self.target, activity)

    def check(self) -> CheckedGraph:
        if self.source is None:
            raise UsageProblem("there is no model to build", hint="name a .nir file")
        return self.source()

    def quantize(self) -> IntegerNetwork:
        if self.fit.network is None:
            raise refusal(self.fit.problems, self.target.name)
        return self.fit.network

    def place(self) -> Placement:
        if self.fit.placement is None:
            raise refusal(self.fit.problems, self.target.name)
        return self.fit.placement

    def pack(self) -> Image:
        provenance = {
            "graph": self.graph.digest(),
            "network": self.network.digest(),
            "placement": self.placement.digest(),
            "dialect": str(self.graph.dialect),
            **({"calibration": self.calibration.digest()} if self.calibration else {}),
        }
        backend = registry.backend_of(self.target)
        return backend.pack(self.network, self.placement, self.plan, self.artifacts, self.target, provenance)

    def walk(self, todo: tuple[Stage, ...], on_stage: Callable[[str], None] | None) -> None:
        """Run these stages; ``on_stage`` as of :func:`build`."""
        for number, one in enumerate(todo):
            progress.tell(f"stage {one.name!r}", number, len(todo))
            if on_stage:
                on_stage(one.name)
            self.products[one.name] = one.verb(self)

    def manifest(self) -> dict[str, Any]:
        """Digests of all products, options and versions."""
        made = {Path(stage.file).stem: self.products[stage.name] for stage in TABLE if stage.name in self.products}
        options: dict[str, Any] = {"target": self.target.name, "signature": self.target.signature.hex()}
        if "check" in self.products:
            options["dialect"] = str(self.graph.dialect)
            if self.graph.encodings:
                options["inputs"] = {name: own.as_dict() for name, own in self.graph.encodings.items()}
        if self.calibration:
            made[_CALIBRATION] = self.calibration
        return manifest.manifest({name: product.digest() for name, product in made.items()}, options)

    def save(self, stages: tuple[Stage, ...]) -> None:
        """Keep the products of these stages in the build's folder, if it has one, and the manifest of all: together, or
        the folder stays as it was."""
        if self.out is None:
            return
        target = self.target.model_dump(mode="json", by_alias=True, exclude={"home"})
        text = manifest.sealed({**self.manifest(), "target": target})
        gone = () if self.calibration else (Calibration.FILE,)  # of an earlier build
        with transaction.replaced(self.out, last=MANIFEST, gone=gone) as new:
            for stage in stages:
                self.products[stage.name].save(new / stage.file)
            if self.calibration:
                self.calibration.save(new / Calibration.FILE)
            store.write_atomic(new / MANIFEST, text)

    @classmethod
    def load(cls, folder: Path | str, target: str | Path | Target | None = None) -> Build:
        """A build from its folder, which is data: it does not say where templates, and so code, are taken from.

        Args:
            target: the target file that it was built with, where the templates that came with it are needed again.

        Raises:
            UsageProblem: no build folder, or one for other hardware than ``target``. CorruptFile: a damaged one, or one
                that holds parts of several builds.
        """
        with transaction.alone(Path(folder)):  # not while another process replaces it
            return cls._load(Path(folder), target)

    @classmethod
    def _load(cls, folder: Path, target: str | Path | Target | None) -> Build:
        kept, where = products.opened(folder), str(folder / MANIFEST)
        try:
            description = {**kept["target"], "home": None}
        except (KeyError, TypeError) as error:
            raise CorruptFile("the manifest is damaged", where=where, hint="build again") from error
        built = cls(_named_again(registry.validate(description, where=where), target, folder), folder)
        for stage in TABLE:
            if stage.name in FILES and Path(stage.file).stem in kept["digests"]:
                built.products[stage.name] = products.loaded(stage.product, folder / stage.file, kept["digests"])
        if _CALIBRATION in kept["digests"]:
            built.calibration = products.loaded(Calibration, folder / Calibration.FILE, kept["digests"])
        if {"quantize", "place"} <= built.products.keys():  # whoever can write the folder can write its digests
            backend = registry.backend_of(built.target)
            check = partial(backend.validate, built.placement, built.network, built.target)
            check_loaded(built.placement, folder / Placement.FILE, backend.cores(built.target), check)
        return built


def build(
    source: CheckedGraph | nir.NIRGraph | str | Path | None = None,
    target: str | Path | Target | None = None,
    out: str | Path | None = None,
    *,
    dialect: str | Dialect | None = None,
    dt: float | None = None,
    input_bits: Bits = None,
    input_range: Ranges = None,
    input_scale: Scales = None,
    bits: Widths | Memory | str = None,
    calibrate: Any = None,
    labels: Any = None,
    start: str = "check",
    stop: str = "image",
    on_stage: Callable[[str], None] | None = None,
) -> Build:
    """Walk the stages from ``start`` to ``stop``.

    Args:
        source: a NIR graph or ``.nir`` file, or one that is checked already; not needed when resuming (``start`` later
            than "check").
        target: name, TOML file or Target; the default target if none is named. When resuming, only where the templates
            came with the file, as :meth:`Build.load`.
        out: folder to keep the products in; resuming reads them from there.
        dialect, dt, input_bits, input_range, input_scale: as :func:`nirdeploy.graph.check.check`.
        bits: of the weights into each population, as :func:`nirdeploy.graph.precision.with_bits`, or the Memory within
            which samples choose them; or either as ``--bits`` has it ("fc1=4,conv1=8", "auto:60%"). Else the target's.
        calibrate, labels: samples to choose the integers by (:mod:`nirdeploy.tuning.calibration`): (T, B, ...) as
            :func:`nirdeploy.simulate` takes them; and the class of each, int (B,), if there is one.
        on_stage: called with each stage's name before it runs.

    Raises:
        ModelFileError, GraphError: the model. DoesNotFit: the target. UsageProblem: nothing to resume.
    """
    todo = _between(start, stop)
    bits = parse(bits) if isinstance(bits, str) else bits
    if start == "check":
        built = Build(registry.load(target), None if out is None else Path(out))
        read = partial(check, dialect=dialect, dt=dt, input_bits=input_bits)
        read = partial(read, input_range=input_range, input_scale=input_scale)
        built.source = None if source is None else partial(_read, source, read, bits)
    elif out is None:
        raise UsageProblem(f"resuming from {start!r} needs the folder of the earlier build", hint="pass out=")
    else:
        built = Build.load(out, target)
        _choose_again(built, todo[0].name, bits, calibrate)
    if calibrate is not None:
        built.choosing = partial(_calibrated, target=built.target, bits=bits, samples=calibrate, labels=labels)
    elif isinstance(bits, Memory):
        raise UsageProblem(
            "which bits lose least is found by samples, and there are none",
            hint="give some: nirdeploy build MODEL --bits auto:... --calibrate SAMPLES.npz",
        )
    built.walk(todo, on_stage)
    built.save(todo if bits is None or start == "check" else (TABLE[0], *todo))
    return built


def _between(start: str, stop: str) -> tuple[Stage, ...]:
    """The stages from one to the other."""
    for stage in (start, stop):
        if stage not in STAGES:
            raise UsageProblem(f"there is no stage {stage!r}", hint=meant(stage, STAGES, "stages:"))
    if STAGES.index(stop) < STAGES.index(start):
        raise UsageProblem(
            f"the stage {stop!r} comes before {start!r}",
            hint="name the stages in their order: check, quantize, place, emit, image",
        )
    first = "quantize" if start == "place" else start  # both are of one fit
    return TABLE[STAGES.index(first) : STAGES.index(stop) + 1]


def _read(source: Any, read: Callable[[Any], CheckedGraph], bits: Widths | Memory) -> CheckedGraph:
    graph = source if isinstance(source, CheckedGraph) else read(source)
    return with_bits(graph, None if isinstance(bits, Memory) else bits)


def _calibrated(graph: CheckedGraph, target: Target, bits: Widths | Memory, samples: Any, labels: Any) -> Calibration:
    task = Task.of(graph, samples, labels)
    found = within(bits, graph, target, task) if isinstance(bits, Memory) else None
    return calibrated(with_bits(graph, found), target, task)


def _choose_again(built: Build, first: str, bits: Widths | Memory, samples: Any) -> None:
    """Other bits or samples for a build that goes on from its folder: what was calibrated before is gone then."""
    if bits is None and samples is None:
        return
    if first != "quantize":
        raise UsageProblem(
            f"bits and samples decide the integers, which a build from {first!r} takes from its folder",
            hint="resume from 'quantize'",
        )
    built.calibration = None
    if not isinstance(bits, Memory):
        built.products["check"] = with_bits(built.graph, bits)


def _named_again(kept: Target, named: str | Path | Target | None, folder: Path) -> Target:
    """The target that the user names along with a build folder, if it is the build's hardware; else the folder's."""
    if named is None:
        return kept
    chosen = registry.load(named)
    if (chosen.backend, chosen.signature) != (kept.backend, kept.signature):
        raise UsageProblem(
            f"the build is for hardware {kept.signature.hex()} (target {kept.name!r}), "
            f"target {chosen.name!r} is {chosen.signature.hex()}",
            where=str(folder),
            hint="name the target file that it was built with, or build it again",
        )
    return chosen
