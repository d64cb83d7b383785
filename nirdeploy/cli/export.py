"""``nirdeploy export``."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options
from nirdeploy.cli.ui import Terminal


@click.command()
@click.argument("network", metavar="FILE.py:ATTRIBUTE")
@click.option(
    "--input-shape",
    type=options.Shape(),
    required=True,
    help="Shape the network is called with, batch included: 1,64; or steps,batch,... for step_mode 'm': 1,1,64.",
)
@options.out("model.nir", "the NIR file")
@options.dt
@options.dialect
@options.reporting
def command(
    network: str, input_shape: tuple[int, ...], out: Path, dt: float | None, dialect: str | None, ui: Terminal
) -> None:
    """Express a PyTorch network in NIR.

    ATTRIBUTE is a torch.nn.Module in FILE.py, or a function or class that gives one when called
    without arguments. dt is by default that of the network's neurons, else 1e-4.
    """
    import torch

    from nirdeploy.cli import usermodule
    from nirdeploy.exchange.exporter import export_to_nir
    from nirdeploy.exchange.modules import Neuron

    with ui.busy("loading PyTorch and the network"):
        net = usermodule.load(network)
    if dt is None:
        dt = next((m.dialect.dt for m in net.modules() if isinstance(m, Neuron)), 1e-4)
    graph = export_to_nir(net, torch.zeros(input_shape), save_path=out, dt=dt, dialect=dialect)
    nodes = {name: type(node).__name__ for name, node in graph.nodes.items()}
    ui.result(
        "export",
        {"out": str(out), "nodes": nodes, "edges": [list(edge) for edge in graph.edges], "dt": dt},
        f"wrote {out}: " + ", ".join(f"{name} ({kind})" for name, kind in nodes.items()),
    )
