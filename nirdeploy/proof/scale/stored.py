"""stored: what a chunk came to as JSON and arrays, and back: it goes through processes and stays in folders as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from nirdeploy.proof.energy.events import Counts, Events, Load, Widths
from nirdeploy.proof.energy.modelled import Ran
from nirdeploy.proof.evaluate import Evaluation
from nirdeploy.proof.explain import Cause, Explanation, Margins
from nirdeploy.proof.scale.parts import Evaluated, Verified
from nirdeploy.proof.verdict import Divergence, PopulationVerdict, Verdict

Part = Verified | Evaluated
Arrays = dict[str, np.ndarray]


def parts(part: Part) -> tuple[dict[str, str], Arrays]:
    """A part as :func:`of_parts` takes it; without the records of its witnesses. All stays in its order."""
    arrays: Arrays = {}
    meta = _to(part, arrays)
    return {"part": json.dumps(meta)}, arrays


def _to(part: Part, arrays: Arrays) -> dict[str, Any]:
    if isinstance(part, Evaluated):
        evaluations = [_evaluation_to(one, f"{at}/", arrays) for at, one in enumerate(part.evaluations)]
        return {
            "kind": "evaluated",
            "evaluations": evaluations,
            "ran": [one and asdict(one) for one in part.ran],
        }
    arrays |= {f"exercised/{name}": values for name, values in part.exercised.items()}
    explanation = part.explanation
    return {
        "kind": "verified",
        "verdict": _verdict_to(part.verdict, "verdict/", arrays),
        "rounding": _verdict_to(part.rounding, "rounding/", arrays),
        "explanation": {
            **{one.name: getattr(explanation, one.name) for one in fields(explanation)},
            "verdict": _verdict_to(explanation.verdict, "explanation/", arrays),
            "first": explanation.first and asdict(explanation.first),
            "margins": explanation.margins and asdict(explanation.margins),
            "causes": [asdict(cause) for cause in explanation.causes],
        },
        "read": {name: _evaluation_to(one, f"read/{name}/", arrays) for name, one in part.read.items()},
        "saturations": part.saturations,
    }


def of_parts(held: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Part:
    """The inverse of :func:`parts`. Raises KeyError, TypeError or ValueError where this is none."""
    meta = json.loads(held["part"])
    if meta["kind"] == "evaluated":
        evaluations = tuple(_evaluation_of(one, f"{at}/", arrays) for at, one in enumerate(meta["evaluations"]))
        return Evaluated(evaluations, tuple(one and _ran_of(one) for one in meta["ran"]))
    return Verified(
        verdict=_verdict_of(meta["verdict"], "verdict/", arrays),
        rounding=_verdict_of(meta["rounding"], "rounding/", arrays),
        explanation=_explanation_of(meta["explanation"], arrays),
        read={name: _evaluation_of(one, f"read/{name}/", arrays) for name, one in meta["read"].items()},
        saturations=meta["saturations"],
        exercised=_below("exercised/", arrays),
    )


def _below(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


_JOINING = ("by_neuron", "squares")


def _verdict_to(verdict: Verdict, prefix: str, arrays: Arrays) -> dict[str, Any]:
    for at, population in enumerate(verdict.populations):
        for name in _JOINING:
            if (values := getattr(population, name)) is not None:
                arrays[f"{prefix}{at}/{name}"] = values
    named = {one.name: getattr(verdict, one.name) for one in fields(verdict)}
    return {**named, "coverage": None, "records": None, "populations": [one.as_dict() for one in verdict.populations]}


def _verdict_of(values: Mapping[str, Any], prefix: str, arrays: Mapping[str, np.ndarray]) -> Verdict:
    populations = []
    for at, one in enumerate(values["populations"]):
        joining: dict[str, Any] = {name: arrays[key] for name in _JOINING if (key := f"{prefix}{at}/{name}") in arrays}
        worst = one["worst_neuron"]
        populations.append(
            PopulationVerdict(
                **{**one, "worst_neuron": worst and tuple(worst), "first": _first_of(one["first"])}, **joining
            )
        )
    listed = {name: tuple(values[name]) for name in ("missing", "outputs", "reads", "apart")}
    return Verdict(**{**values, **listed, "populations": tuple(populations)})


def _first_of(values: Mapping[str, Any] | None) -> Divergence | None:
    return None if values is None else Divergence(**{**values, "neuron": tuple(values["neuron"])})


def _explanation_of(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Explanation:
    return Explanation(
        verdict=_verdict_of(values["verdict"], "explanation/", arrays),
        first=_first_of(values["first"]),
        margins=values["margins"] and Margins(**values["margins"]),
        causes=tuple(Cause(**cause) for cause in values["causes"]),
        float_accuracy=values["float_accuracy"],
        integer_accuracy=values["integer_accuracy"],
        remarks=tuple(values["remarks"]),
    )


_ARRAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "labels": np.asarray,
    "decisions": lambda values: _narrow(values),
    "ranks": np.asarray,
    "decided": np.asarray,
}


def _narrow(values: np.ndarray) -> np.ndarray:
    """Class numbers in as few bytes as hold them."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _evaluation_to(one: Evaluation, prefix: str, arrays: Arrays) -> dict[str, Any]:
    arrays |= {f"{prefix}{name}": make(getattr(one, name)) for name, make in _ARRAYS.items()}
    named = ("source", "output", "reader", "spikes", "operations", "whole")
    return {**{name: getattr(one, name) for name in named}, "classes": one.classes}


def _evaluation_of(values: Mapping[str, Any], prefix: str, arrays: Mapping[str, np.ndarray]) -> Evaluation:
    held: dict[str, Any] = {name: arrays[f"{prefix}{name}"] for name in _ARRAYS}
    named = {name: value for name, value in values.items() if name != "classes"}
    return Evaluation(**named, **held, scores=np.empty((0, len(held["labels"]), values["classes"])))


def _ran_of(values: Mapping[str, Any]) -> Ran:
    counts = values["counts"]
    loads = {
        name: Load(**{**load, "events": Events(**load["events"]), "widths": Widths(**load["widths"])})
        for name, load in counts["loads"].items()
    }
    made = Counts(loads, counts["steps"], counts["samples"], counts["neurons"])
    return Ran(made, values["busy_cycles"], values["sent_bytes"])
