"""nirdeploy demo: the whole way, in front of you."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options, ui


@click.command("demo")
@options.out(default="demo", text="Folder for everything that is made.")
@options.target
@click.option("--seed", type=int, default=0, show_default=True, help="Of the split and the training.")
@options.as_json
def command(out: Path, target: str | None, seed: int, as_json: bool) -> int:
    """Train a network on handwritten digits, deploy it, run the test images and prove every spike."""
    from nirdeploy.cli.demo_.walk import run_demo
    from nirdeploy.proof.report import tables

    result = run_demo(out, ui.note, lambda label: ui.progress(label, as_json), target=target, seed=seed)
    if as_json:
        ui.result("demo", result.as_dict())
        return 0 if result.equal else ui.NOT_EQUAL
    facts: dict[str, object] = {f"accuracy, {name}": f"{100 * a:.2f} %" for name, a in result.accuracy.items()}
    facts |= {
        "images": result.images,
        "spike cells compared": result.spikes_compared,
        "mismatches": result.mismatches,
        "first divergence": result.first_divergence or "none",
        "regression": result.regression,
        "cycles per inference": f"{result.cycles_per_inference:,.0f}",
        "flash throughput": f"{100 * result.link_efficiency:.1f} % of the line rate",
        "report": result.report,
    }
    ui.show(tables.facts_table(facts))
    return 0 if result.equal else ui.NOT_EQUAL
