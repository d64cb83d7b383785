"""The compiled engine of the integer simulator: event-driven, batched, over all cores.

Each spike adds a run of weights to sums that lie channel by channel (:mod:`.scatter`); then all neurons step, in any
dialect (:mod:`.neurons`). Both are held equal to :func:`nirdeploy.sim.integer.step` by property tests. numba takes its
time to import, so nothing here does it before there is something to run.
"""
