"""The equations: the affine form is the step, torch and NumPy run through the same code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy import neuron
from nirdeploy.dialect import Dialect

DIALECTS = st.builds(
    Dialect,
    dt=st.sampled_from([1e-4, 1e-3]),
    discretization=st.sampled_from(["euler", "exponential"]),
    threshold=st.sampled_from([">", ">="]),
    reset=st.sampled_from(["zero", "subtract"]),
)
MODELS = st.sampled_from(sorted(neuron.PARAMETERS))
VALUES = st.floats(-10, 10, allow_subnormal=False)


def _params(model: str, tau: float, r: float, v_leak: float) -> dict[str, np.ndarray]:
    values = {"tau": tau, "r": r, "v_leak": v_leak, "v_threshold": 1.0, "v_reset": -0.25}
    return {name: np.full(3, values[name]) for name in neuron.PARAMETERS[model]}


@given(model=MODELS, dialect=DIALECTS, tau=st.floats(2e-3, 1.0), r=VALUES, v_leak=VALUES, v=VALUES, current=VALUES)
def test_coefficients_are_the_step(
    model: str, dialect: Dialect, tau: float, r: float, v_leak: float, v: float, current: float
) -> None:
    params = _params(model, tau, r, v_leak)
    c = neuron.coefficients(model, params, (3,), dialect)
    stepped = neuron.integrate(model, np.full(3, v), np.full(3, current), params, dialect)
    np.testing.assert_allclose(c.decay * v + c.gain * current + c.offset, stepped, rtol=1e-9, atol=1e-12)


@given(model=MODELS, dialect=DIALECTS, v=st.lists(VALUES, min_size=3, max_size=3), current=VALUES)
def test_torch_and_numpy_take_the_same_step(model: str, dialect: Dialect, v: list[float], current: float) -> None:
    params = _params(model, 0.02, 1.5, 0.1)
    tensors = {name: torch.from_numpy(values) for name, values in params.items()}
    expected = neuron.integrate(model, np.array(v), np.full(3, current), params, dialect)
    found = neuron.integrate(model, torch.tensor(v, dtype=torch.float64), current, tensors, dialect)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14, atol=1e-15)
    if dialect.discretization == "euler":
        np.testing.assert_array_equal(found.numpy(), expected)


def test_rest_is_kept_without_input() -> None:
    for discretization in ("euler", "exponential"):
        params = _params("LIF", 0.02, 1.0, 0.5)
        v = neuron.integrate("LIF", np.full(3, 0.5), np.zeros(3), params, Dialect(discretization=discretization))
        np.testing.assert_allclose(v, 0.5, rtol=1e-15)


def test_euler_approaches_exponential_for_small_steps() -> None:
    params = _params("LI", 0.02, 1.0, 0.0)
    steps = 2000
    ends = []
    for discretization in ("euler", "exponential"):
        v = np.zeros(3)
        for _ in range(steps):
            v = neuron.integrate("LI", v, np.ones(3), params, Dialect(dt=1e-5, discretization=discretization))
        ends.append(v[0])
    exact = 1 - math.exp(-steps * 1e-5 / 0.02)
    assert ends[1] == pytest.approx(exact, rel=1e-12)
    assert ends[0] == pytest.approx(exact, rel=1e-3)
    assert ends[0] != ends[1]


@pytest.mark.parametrize(("threshold", "expected"), [(">", [False, False, True]), (">=", [False, True, True])])
def test_threshold(threshold: str, expected: list[bool]) -> None:
    above = neuron.overdrive(np.array([0.5, 1.0, 1.5]), {"v_threshold": np.ones(3)})
    assert neuron.fires(above, Dialect(threshold=threshold)).tolist() == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("reset", "expected"), [("zero", [0.5, -0.25]), ("subtract", [0.5, 1.5 - 1.25])])
def test_reset(reset: str, expected: list[float]) -> None:
    params = {"v_threshold": np.ones(2), "v_reset": np.full(2, -0.25)}
    v = neuron.reset(np.array([0.5, 1.5]), np.array([0.0, 1.0]), params, Dialect(reset=reset))  # type: ignore[arg-type]
    assert v.tolist() == expected
