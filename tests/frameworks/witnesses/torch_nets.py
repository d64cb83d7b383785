"""Runs snnTorch, Norse, SpikingJelly and Sinabs, which live beside nirdeploy: ``export FOLDER NAME`` or
``import JOBS NAME``. In float32, as the frameworks do by themselves.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.exchange.frontends import export_from
from tests.frameworks.witnesses.plumbing import import_all, table_network, write_own

warnings.filterwarnings("ignore")


def stack(gain: float, make: Callable[[int], nn.Module]) -> list[nn.Module]:
    """The table's layers; ``gain`` on its weights, where a framework's neuron takes little of its current."""
    modules: list[nn.Module] = []
    for weight in table_network()[0]:
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        layer.weight.data = torch.from_numpy((gain * weight).astype(np.float32))
        modules += [layer, make(weight.shape[0])]
    return modules


def ones(size: int, value: float = 1.0) -> torch.Tensor:
    return torch.full((size,), value)


def snntorch_net(**options: Any) -> nn.Module:
    import snntorch

    def leaky(size: int) -> nn.Module:
        return snntorch.Leaky(beta=ones(size, 0.9), threshold=ones(size), init_hidden=True, **options)

    layers = stack(1.0, leaky)
    layers[-1] = snntorch.Leaky(beta=ones(8, 0.9), threshold=ones(8), init_hidden=True, output=True, **options)
    return nn.Sequential(*layers)


def norse_net() -> nn.Module:
    import norse.torch as norse

    def box(size: int) -> nn.Module:
        taus = {"tau_mem_inv": ones(size, 100.0), "v_th": ones(size), "v_leak": ones(size, 0.0)}
        return norse.LIFBoxCell(norse.LIFBoxParameters(**taus, v_reset=ones(size, 0.0)))

    return norse.SequentialState(*stack(10.0, box))


def spikingjelly_net() -> nn.Module:
    from spikingjelly.activation_based import neuron

    return nn.Sequential(*stack(2.0, lambda size: neuron.LIFNode(tau=4.0)))


def sinabs_net() -> nn.Module:
    import sinabs.layers

    def lif(size: int) -> nn.Module:
        return sinabs.layers.LIFSqueeze(tau_mem=ones(size, 10.0), batch_size=1, spike_threshold=ones(size))

    return nn.Sequential(*stack(8.0, lif))


NETS: dict[str, Callable[[], nn.Module]] = {
    "snntorch": snntorch_net,
    "snntorch-zero": lambda: snntorch_net(reset_mechanism="zero", reset_delay=False),
    "norse": norse_net,
    "norse-dt1": norse_net,
    "spikingjelly": spikingjelly_net,
    "sinabs": sinabs_net,
}
DT = {"norse": 1e-3, "norse-dt1": 1e-3, "sinabs": 1.0}


def home(name: str, net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The framework's own run of (T, 1, N)."""
    if name == "sinabs":
        return net(x[:, 0])[:, None]
    if name.startswith("norse"):
        state, out = None, []
        for x_t in x:
            spikes, state = net(x_t, state)
            out.append(spikes)
        return torch.stack(out)
    steps = [net(x_t) for x_t in x]
    return torch.stack([step[0] if isinstance(step, tuple) else step for step in steps])


def own_export(name: str, net: nn.Module) -> nir.NIRGraph:
    if name.startswith("snntorch"):
        from snntorch.export_nir import export_to_nir

        return export_to_nir(net, torch.randn(1, 16), ignore_dims=[0])
    if name.startswith("norse"):
        import norse.torch

        return norse.torch.to_nir(net, torch.randn(16), **({"dt": 1.0} if "-" in name else {}))
    if name == "spikingjelly":
        from spikingjelly.activation_based.nir_exchange import export_to_nir

        return export_to_nir(net, torch.randn(1, 16), dt=1e-4)
    import sinabs.nir

    return sinabs.nir.to_nir(net, torch.randn(1, 16))


def own_import(name: str, graph: nir.NIRGraph, x: torch.Tensor, dt: float) -> torch.Tensor:
    if name == "sinabs":
        import sinabs.nir

        out = sinabs.nir.from_nir(graph, num_timesteps=len(x))(x[:, 0])
        return (out[0] if isinstance(out, tuple) else out)[:, None]
    if name == "snntorch":
        from snntorch.import_nir import import_from_nir

        net = import_from_nir(graph)
    elif name == "norse":
        import norse.torch

        net = norse.torch.from_nir(graph, dt=dt)
    else:
        from spikingjelly.activation_based.nir_exchange import import_from_nir

        net = import_from_nir(graph, dt=dt, step_mode="s")
    state, out = None, []
    for x_t in x:
        spikes, state = net(x_t, state)
        out.append(spikes)
    return torch.stack(out)


def export(folder: Path, name: str) -> None:
    x = torch.from_numpy(table_network()[1]).float()
    dt = DT.get(name, 1e-4)
    with torch.no_grad():
        out = home(name, NETS[name](), x)
        np.savez(folder / "run.npz", out=out.numpy(), dt=dt)
        given = x[0] if name != "sinabs" else x[:1, 0]
        given_dt = None if name.startswith("norse") or name == "sinabs" else dt
        graph = export_from(name.split("-")[0], NETS[name](), given, dt=given_dt)
        nir.write(str(folder / "repaired.nir"), graph)
        write_own(folder, lambda: own_export(name, NETS[name]()))


def import_(jobs: Path, name: str) -> None:
    def run(graph: nir.NIRGraph, x: np.ndarray, dt: float) -> np.ndarray:
        with torch.no_grad():
            return own_import(name, graph, torch.from_numpy(x).float(), dt).numpy()

    import_all(jobs, run)


if __name__ == "__main__":
    torch.set_num_threads(1)
    command, *rest = sys.argv[1:]
    (export if command == "export" else import_)(Path(rest[0]), rest[1])
