"""Runs in Spyx's environment: ``spyx_speed.py NET.nir X.npy DT``; answers each line with the seconds of one run."""

from __future__ import annotations

import sys
import time

import jax
import jax.numpy as jnp
import nir
import numpy as np
import spyx.nir
from flax import nnx
from spyx.nn import run

model, _ = spyx.nir.from_nir(nir.read(sys.argv[1]), jnp.zeros((2, 1, 784)), dt=float(sys.argv[3]))
x = jnp.asarray(np.load(sys.argv[2]), dtype=jnp.float32)
compiled = nnx.jit(lambda model, x: run(model, x)[0])
for _ in range(2):
    jax.block_until_ready(compiled(model, x))
for _ in sys.stdin:
    start = time.perf_counter()
    jax.block_until_ready(compiled(model, x))
    print(time.perf_counter() - start, flush=True)
