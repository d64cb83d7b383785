"""The equations: torch and NumPy run through the same code; each field of the dialect does what it says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.exchange.modules import NEURONS
from nirdeploy.semantics import neuron
from nirdeploy.semantics.dialect import PRESETS, Dialect, parse
from tests.conftest import examples
from tests.networks import dialects

MODELS = st.sampled_from(sorted(set(neuron.PARAMETERS) - {"Output"}))


def _params(model: str, rng: np.random.Generator, size: int = 4) -> dict[str, np.ndarray]:
    ranges = {
        "tau": (1.2e-3, 0.02), "tau_syn": (1.2e-3, 0.02), "tau_mem": (1.2e-3, 0.02), "r": (0.5, 3.0),
        "w_in": (0.5, 3.0), "v_leak": (-0.1, 0.1), "v_threshold": (0.3, 1.5), "v_reset": (-0.2, 0.2),
        "threshold": (0.3, 1.5),
    }  # fmt: skip
    return {name: rng.uniform(*ranges[name], size) for name in neuron.PARAMETERS[model]}


def _steps(model: str, x: Any, params: dict[str, np.ndarray], dialect: Dialect, recurrent: bool = False) -> Any:
    """Outputs and membranes of all steps, NumPy."""
    zeros = np.zeros(x.shape[1:])
    how, rules = neuron.coefficients(model, params, dialect), neuron.rules(model, dialect, recurrent=recurrent)
    state, outs, membranes = neuron.at_rest(params, rules, zeros), [], []
    for current in x:
        out, state = neuron.step(model, state, current, params, how, rules)
        outs.append(out)
        membranes.append(state.v)
    return np.stack(outs), np.stack(membranes)


@pytest.mark.law
@settings(max_examples=examples(150))
@given(model=MODELS, dialect=dialects(dt=1e-3), recurrent=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_torch_and_numpy_take_the_same_steps(model: str, dialect: Dialect, recurrent: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    params, x = _params(model, rng), rng.normal(0.5, 1.0, (12, 3, 4))
    expected, membranes = _steps(model, x, params, dialect, recurrent)
    tensors: dict[str, Any] = {name: torch.from_numpy(values) for name, values in params.items()}
    module = NEURONS[model](**tensors, dialect=dialect, dt=1e-3, step_mode="m", recurrent=recurrent)
    found, state = module.many(torch.from_numpy(x), None)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(state.v.numpy(), membranes[-1], rtol=1e-12, atol=1e-12)


def test_rest_is_kept_without_input() -> None:
    params = {"tau": np.full(3, 0.02), "r": np.ones(3), "v_leak": np.full(3, 0.5)}
    for discretization in ("euler", "exponential"):
        how = neuron.coefficients("LI", params, Dialect(discretization=discretization))
        np.testing.assert_allclose(how.decay * 0.5 + how.offset, 0.5, rtol=1e-15)


@pytest.mark.parametrize(("model", "taus"), [("LI", {"tau": 0.02}), ("CubaLI", {"tau_syn": 0.01, "tau_mem": 0.02})])
def test_both_discretizations_approach_the_equation(model: str, taus: dict[str, float]) -> None:
    """A constant current from t = 0: the closed solution of NIR's equations at t = 20 ms."""
    params = {key: np.ones(1) for key in neuron.PARAMETERS[model]} | {k: np.full(1, v) for k, v in taus.items()}
    params["v_leak"] = np.zeros(1)
    t, slow = 0.02, 0.02
    exact = 1 - math.exp(-t / slow)
    if model == "CubaLI":
        fast = 0.01
        exact = 1 - (slow * math.exp(-t / slow) - fast * math.exp(-t / fast)) / (slow - fast)
    errors = {}
    for discretization in ("euler", "exponential"):
        for dt in (1e-4, 1e-5):
            d = Dialect(dt=dt, discretization=discretization)
            _, v = _steps(model, np.ones((round(t / dt), 1)), params, d)
            errors[discretization, dt] = abs(v[-1, 0] - exact)
    for discretization in ("euler", "exponential"):
        assert errors[discretization, 1e-5] < max(0.12 * errors[discretization, 1e-4], 1e-12)
    assert errors["exponential", 1e-4] < errors["euler", 1e-4] or model == "CubaLI"


def _if(dialect: str, x: list[float], **params: float) -> tuple[list[float], list[float]]:
    """Spikes and membranes of one IF that adds its input."""
    from nirdeploy.semantics.dialect import parse

    values = {"r": 1e4, "v_threshold": 1.0, "v_reset": 0.0} | params
    given = {key: np.array([value]) for key, value in values.items()}
    spikes, v = _steps("IF", np.array(x)[:, None], given, parse(dialect))
    return spikes[:, 0].tolist(), v[:, 0].tolist()


CASES = [
    ("nir", [1.0, 0.5], {}, [0, 1], [1.0, 0.0]),
    ("nir,threshold=>=", [1.0, 0.5], {}, [1, 0], [0.0, 0.5]),
    ("nir", [1.5, 0.25], {"v_reset": -0.5}, [1, 0], [-0.5, -0.25]),
    ("nir,reset=subtract", [1.5, 0.25], {}, [1, 0], [0.5, 0.75]),
    ("nir,reset=subtract", [1.5], {"v_reset": 0.25}, [1], [0.75]),
    ("nir,reset=none", [1.5, 0.25], {}, [1, 1], [1.5, 1.75]),
    ("nir,reset=subtract,reset_delay=true", [1.5, 0.25, 0.0], {}, [1, 0, 0], [1.5, 0.75, 0.75]),
    ("nir,reset_delay=true", [1.5, 0.25], {}, [1, 0], [1.5, 0.0]),  # after: this step's input goes too
    ("nir,reset_delay=true,late_reset=before", [1.5, 0.25], {}, [1, 0], [1.5, 0.25]),
    ("nir,reset_delay=true,late_reset=leaky_before", [1.5, 0.25], {}, [1, 0], [1.5, 0.25]),
    ("nir,reset=subtract", [3.5, 0.0, 0.0], {}, [1, 1, 1], [2.5, 1.5, 0.5]),
    ("nir,reset=subtract,reset_guard=true", [2.5, 0.0, 0.0], {}, [1, 0, 0], [1.5, 1.5, 1.5]),
    ("nir,reset=subtract,reset_guard=true", [2.5, 0.75], {}, [1, 1], [1.5, 1.25]),
    ("nir,reset=subtract,spikes=multi", [3.0, 0.5], {}, [2, 1], [1.0, 0.5]),
    ("nir,reset=subtract,spikes=multi,threshold=>=", [3.0, 0.5], {}, [3, 0], [0.0, 0.5]),
    ("nir,reset=subtract,spikes=multi,max_spikes=2", [4.5, 0.0], {}, [2, 2], [2.5, 0.5]),
    ("nir,spikes=multi", [3.5, 0.5], {}, [3, 0], [0.0, 0.5]),
    ("nir,spike_delay=true", [1.5, 0.0, 1.5], {}, [0, 1, 0], [0.0, 0.0, 0.0]),
    ("nir,v_min=-threshold", [-0.75, -0.75, 1.0], {}, [0, 0, 0], [-0.75, -1.0, 0.0]),
    ("nir,initial=v_reset", [0.75, 0.5], {"v_reset": 0.5}, [1, 0], [0.5, 1.0]),
    ("nir,gain=one", [0.75], {"r": 2e4}, [0], [0.75]),
    ("nir,gain=no_r", [0.75], {"r": 2e4}, [0], [0.75]),
    ("nir", [0.25], {"r": 2e4}, [0], [0.5]),
]


@pytest.mark.parametrize(("dialect", "x", "params", "spikes", "membrane"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_every_field_by_hand(
    dialect: str, x: list[float], params: dict[str, float], spikes: list[float], membrane: list[float]
) -> None:
    found, v = _if(dialect, x, **params)
    assert found == spikes
    assert v == pytest.approx(membrane, abs=1e-12)


def test_gain_of_a_leaky_membrane() -> None:
    params = {"tau": np.array([2e-3]), "r": np.array([3.0]), "v_leak": np.zeros(1)}
    keep = math.exp(-0.5)
    expected = {
        ("euler", "equation"): 1.5, ("euler", "euler"): 1.5, ("euler", "no_r"): 0.5, ("euler", "one"): 1.0,
        ("exponential", "equation"): 3 * (1 - keep), ("exponential", "euler"): 1.5,
        ("exponential", "no_r"): 1 - keep, ("exponential", "one"): 1.0,
    }  # fmt: skip
    for (discretization, gain), value in expected.items():
        d = Dialect(dt=1e-3, discretization=discretization, gain=gain)  # type: ignore[arg-type]
        how = neuron.coefficients("LI", params, d)
        assert float(np.broadcast_to(how.gain, 1)[0]) == pytest.approx(value)
        assert float(how.decay[0]) == pytest.approx(0.5 if discretization == "euler" else keep)


def test_synapse_order() -> None:
    """The current of this step, or of the one before."""
    params = {key: np.ones(1) for key in neuron.PARAMETERS["CubaLI"]} | {"v_leak": np.zeros(1)}
    for order, expected in (("new", [1.0, 1.0]), ("old", [0.0, 1.0])):
        d = Dialect(dt=1.0, synapse_order=order, gain="one")  # type: ignore[arg-type]
        _, v = _steps("CubaLI", np.array([[1.0], [1.0]]), params, d)
        assert v[:, 0].tolist() == expected


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_step(preset: str) -> None:
    rng = np.random.default_rng(0)
    dialect = PRESETS[preset]
    for model in ("IF", "LIF", "CubaLIF"):
        params = _params(model, rng)
        params |= {key: values * dialect.dt / 1e-3 for key, values in params.items() if key.startswith("tau")}
        spikes, _ = _steps(model, rng.uniform(0, 2, (20, 2, 4)), params, dialect)
        assert (spikes >= 0).all()


@pytest.mark.parametrize("threshold", [">", ">="])
def test_at_most_one_spike_a_step_is_a_binary_spike(threshold: str) -> None:
    params, v = {"v_threshold": np.full(33, 0.75)}, np.linspace(-3, 3, 33)
    once, twice = (neuron.rules("LIF", parse(f"rockpool,threshold={threshold},max_spikes={most}")) for most in (1, 2))
    assert not once.multi
    assert twice.multi
    spikes = [neuron.fires(neuron.overdrive("LIF", v, params, rules), rules) for rules in (once, twice)]
    assert spikes[1].max() == 2
    np.testing.assert_array_equal(spikes[0], np.minimum(spikes[1], 1))
