"""nirdeploy: a trained spiking neural network to hardware, and the proof that it spikes as simulated.

    import nirdeploy as nd

    nd.export_to_nir(net, example_input, save_path="m.nir")
    built = nd.build("m.nir", out="build/")
    expected = nd.simulate(built, x)
    with nd.open_device("virtual") as device:
        nd.flash(built, device)
        measured = nd.run(device, x)
    verdict = nd.verify(expected, measured)
    nd.report(verdict, "verdict.html")

Names are imported when they are first used, so that the package alone costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nirdeploy.device.flash import flash
    from nirdeploy.device.opened import open_device
    from nirdeploy.device.run import run, tally
    from nirdeploy.device.streaming.opening import stream
    from nirdeploy.exchange.exporter import export_to_nir
    from nirdeploy.exchange.frontends import export_from
    from nirdeploy.exchange.importer import import_from_nir
    from nirdeploy.graph.check import check
    from nirdeploy.integers.parts import Formats
    from nirdeploy.integers.quantize import quantize
    from nirdeploy.pipeline import Build, build
    from nirdeploy.proof.causes.search import cause
    from nirdeploy.proof.coverage.judge import coverage
    from nirdeploy.proof.energy.modelled import energy
    from nirdeploy.proof.evaluate import accuracy
    from nirdeploy.proof.explain import explain
    from nirdeploy.proof.neurobench import metrics
    from nirdeploy.proof.report.write import report
    from nirdeploy.proof.scale.verbs import evaluate, verify
    from nirdeploy.records.events.frames import read_events
    from nirdeploy.records.spikes import SpikeRecord
    from nirdeploy.records.tally import Tally
    from nirdeploy.sim.simulate import simulate
    from nirdeploy.targets.fitting import fit
    from nirdeploy.tuning.sweep import sweep
    from nirdeploy.tuning.training.aware import quantize_aware

__all__ = [
    "Build",
    "Formats",
    "SpikeRecord",
    "Tally",
    "accuracy",
    "build",
    "cause",
    "check",
    "coverage",
    "energy",
    "evaluate",
    "explain",
    "export_from",
    "export_to_nir",
    "fit",
    "flash",
    "import_from_nir",
    "metrics",
    "open_device",
    "quantize",
    "quantize_aware",
    "read_events",
    "report",
    "run",
    "simulate",
    "stream",
    "sweep",
    "tally",
    "verify",
]

__version__ = "0.1.0"

_HOMES = {
    "Build": "pipeline",
    "Formats": "integers.parts",
    "SpikeRecord": "records.spikes",
    "Tally": "records.tally",
    "accuracy": "proof.evaluate",
    "build": "pipeline",
    "cause": "proof.causes.search",
    "check": "graph.check",
    "coverage": "proof.coverage.judge",
    "energy": "proof.energy.modelled",
    "evaluate": "proof.scale.verbs",
    "explain": "proof.explain",
    "export_from": "exchange.frontends",
    "export_to_nir": "exchange.exporter",
    "fit": "targets.fitting",
    "flash": "device.flash",
    "import_from_nir": "exchange.importer",
    "metrics": "proof.neurobench",
    "open_device": "device.opened",
    "quantize": "integers.quantize",
    "quantize_aware": "tuning.training.aware",
    "read_events": "records.events.frames",
    "report": "proof.report.write",
    "run": "device.run",
    "simulate": "sim.simulate",
    "stream": "device.streaming.opening",
    "sweep": "tuning.sweep",
    "tally": "device.run",
    "verify": "proof.scale.verbs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        # with name and object Python says itself what was meant
        raise AttributeError(f"module 'nirdeploy' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    return getattr(importlib.import_module(f"nirdeploy.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
