"""nirdeploy demo: the whole way, in front of you."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options, ready, ui


@click.command("demo")
@options.out(default="demo", text="Folder for everything that is made.", folder=True)
@options.target
@click.option("--seed", type=int, default=0, show_default=True, help="Of the split and the training.")
@options.as_json
def command(out: Path, target: str | None, seed: int, as_json: bool) -> int:
    """Train a network on handwritten digits, deploy it, run the test images and prove every spike."""
    from nirdeploy.proof.report import tables
    from nirdeploy.targets import registry

    ready.to_simulate(registry.load(target))
    with ui.doing("loading PyTorch"):
        from nirdeploy.cli.demo_.walk import MODEL, run_demo
    with ui.doing("the demo"):
        result = run_demo(out, ui.note, ui.doing, target=target, seed=seed)
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
    }
    ui.show(tables.facts_table(facts))
    ui.say(f"report: {result.report}")
    ui.say(f"try next: nirdeploy estimate {out / MODEL}")
    return 0 if result.equal else ui.NOT_EQUAL
