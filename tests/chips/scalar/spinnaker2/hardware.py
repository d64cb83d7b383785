"""The chip, step by step: what was sent in the step before is added up, then each neuron is updated."""

from __future__ import annotations

import numpy as np

from .snn import Network, Population

F = np.float32


class SpiNNaker2Chip:
    def __init__(self, eth_ip: str | None) -> None:
        self.ip = eth_ip

    def run(self, network: Network, timesteps: int, sys_tick_in_s: float = 1e-3) -> None:
        assert sys_tick_in_s > 0
        neurons = {
            p.name: [Neuron(p, i) for i in range(p.size)] for p in network.populations if p.neuron_model != "spike_list"
        }
        sent: dict[str, list[int]] = {p.name: [] for p in network.populations}
        for t in range(timesteps):
            for projection in network.projections:
                for source in sent[projection.pre.name]:
                    for target, weight in projection.synapses[source]:
                        neurons[projection.post.name][target].receive(weight)
            for p in network.populations:
                if p.neuron_model == "spike_list":
                    sent[p.name] = [i for i, times in p.params.items() if t in times]
                    continue
                sent[p.name] = [i for i, neuron in enumerate(neurons[p.name]) if neuron.update()]
                for i in sent[p.name]:
                    p.spikes[i].append(t)
                for i, neuron in enumerate(neurons[p.name]):
                    p.voltages[i].append(neuron.v)


class Neuron:
    def __init__(self, population: Population, index: int) -> None:
        own = {k: F(v[index]) for k, v in population.params.items() if isinstance(v, list)}
        self.own, self.subtracts = own, population.params["reset"] == "reset_by_subtraction"
        assert self.subtracts or population.params["reset"] == "reset_to_v_reset"
        self.currents = population.neuron_model == "lif_curr_exp_no_delay"
        self.v, self.exc, self.inh, self.plus, self.minus = own["v_init"], F(0), F(0), 0, 0

    def receive(self, weight: int) -> None:
        if weight > 0:
            self.plus += weight
        else:
            self.minus -= weight

    def update(self) -> bool:
        own = self.own
        if self.currents:
            self.exc = self.exc * own["exc_decay"] + F(self.plus)
            self.inh = self.inh * own["inh_decay"] + F(self.minus)
            entering = self.exc - self.inh
        else:
            entering = F(self.plus - self.minus)
        self.plus = self.minus = 0
        self.v = own["alpha_decay"] * self.v + (entering + own["i_offset"])
        if not self.v > own["threshold"]:
            return False
        self.v = self.v - own["threshold"] if self.subtracts else own["v_reset"]
        return True
