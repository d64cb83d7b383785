"""JUnit XML: one test suite per verdict, one test case per population."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Collection, Sequence
from pathlib import Path

from nirdeploy.errors import printable
from nirdeploy.proof.verdict import PopulationVerdict, Verdict
from nirdeploy.records import store


def write(path: Path, verdicts: Sequence[Verdict], *, failed: Collection[PopulationVerdict] | None = None) -> None:
    """Write the file, whole or not at all.

    Args:
        failed: populations that fail; by default those that were judged and are not equal.
    """
    store.write_atomic(path, render(verdicts, failed=failed))


def render(verdicts: Sequence[Verdict], *, failed: Collection[PopulationVerdict] | None = None) -> bytes:
    root = ET.Element("testsuites")
    for verdict in verdicts:
        suite = ET.SubElement(root, "testsuite", name=f"{verdict.expected} against {verdict.measured}")
        failures = 0
        properties = ET.SubElement(suite, "properties")
        for source, manifest in (verdict.manifests or {}).items():
            for key, value in manifest.items():
                text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
                ET.SubElement(properties, "property", name=f"{source}.{key}", value=text)
        if verdict.silent:
            ET.SubElement(properties, "property", name="silent", value=", ".join(verdict.silent))
        if verdict.cause is not None:
            ET.SubElement(properties, "property", name="cause", value=" ".join(verdict.cause.lines()))
        for population in verdict.populations:
            case = ET.SubElement(suite, "testcase", classname=population.kind, name=population.population)
            fails = population in failed if failed is not None else population.decides and not population.equal
            if fails:
                failures += 1
                text = f"{population.mismatches} of {population.cells} cells differ; first at {population.first}"
                ET.SubElement(case, "failure", message=population.unlike or text)
            elif population.unlike:
                ET.SubElement(case, "skipped", message=f"measured, not judged: {population.unlike}")
        for name, why in verdict.left_out.items():
            failures += name in verdict.missing
            case = ET.SubElement(suite, "testcase", classname="missing", name=name)
            ET.SubElement(case, "failure" if name in verdict.missing else "skipped", message=why)
        for at, why in enumerate(verdict.apart):
            case = ET.SubElement(suite, "testcase", classname="records", name=f"agree {at + 1}")
            ET.SubElement(case, "failure", message=why)
        if verdict.silence:
            case = ET.SubElement(suite, "testcase", classname="silence", name="spikes")
            fails = verdict.vacuous and not verdict.allow_silent
            failures += fails
            ET.SubElement(case, "failure" if fails else "skipped", message=verdict.silence)
        if covered := verdict.coverage is not None or verdict.cover is not None:
            failures += _coverage(suite, verdict)
        if unsaid := failed is None and not (verdict.equal or failures or verdict.apart):
            failures += 1  # whatever keeps the verdict from being equal: a command that fails has no green file
            case = ET.SubElement(suite, "testcase", classname="records", name="verdict")
            ET.SubElement(case, "failure", message=verdict.summary())
        more = len(verdict.left_out) + len(verdict.apart) + bool(verdict.silence) + covered + unsaid
        suite.set("tests", str(len(verdict.populations) + more))
        suite.set("failures", str(failures + len(verdict.apart)))
    for element in root.iter():  # XML has no control characters
        element.attrib.update({key: printable(value) for key, value in element.attrib.items()})
    ET.indent(root)
    rendered: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return rendered


def _coverage(suite: ET.Element, verdict: Verdict) -> int:
    """A test case of what the stimulus exercised; how many of it fail."""
    case = ET.SubElement(suite, "testcase", classname="coverage", name="stimulus")
    if verdict.uncovered:
        ET.SubElement(case, "failure", message=verdict.uncovered)
    elif verdict.coverage is not None:
        ET.SubElement(case, "system-out").text = printable(verdict.coverage.summary())
    return int(bool(verdict.uncovered))
