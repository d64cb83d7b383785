"""The dialect: how a framework turns NIR's differential equations into steps.

Frameworks agree on NIR's equations and on little else. A :class:`Dialect` makes each choice
explicit; it travels in the graph's metadata (key ``nirdeploy_dialect``) as the string that
:func:`parse` reads: ``preset[,field=value...]``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from nirdeploy.errors import DialectError, meant
from nirdeploy.records import entries

METADATA_KEY = "nirdeploy_dialect"


@dataclass(frozen=True)
class Dialect:
    """One framework's choices; :mod:`nirdeploy.semantics.neuron` has the equations they decide.

    Attributes:
        dt: seconds per step (sinabs counts in steps: its dt is 1).
        discretization: how state decays in a step: by ``1 - dt/tau`` or by ``exp(-dt/tau)``.
        gain: what a current adds in a step. ``equation``: as NIR's equation says under that discretization;
            ``euler``: ``dt/tau r`` even where the decay is exponential; ``no_r``: r is taken as one (for IF,
            r dt is); ``one``: the current is added as it is.
        threshold: whether a membrane that just touches the threshold fires (``>=``).
        reset: to ``v_reset`` (``zero``), by ``v_threshold - v_reset`` (``subtract``), or not at all.
        subtract: what ``reset=subtract`` takes: that ``difference``, or the ``threshold`` whatever a file says of
            v_reset (Sinabs does not read it).
        reset_delay: the reset comes in the step after the spike's.
        late_reset: where a delayed reset acts in that step: ``before`` the membrane is integrated, or
            ``after``. ``leaky_before``: a reset to zero acts before on feed-forward LIF and IF, all else
            after (snnTorch); ``cuba_before``: before on CubaLIF, after on the others (Spyx).
        reset_guard: a membrane still above threshold after a reset must rise by one more threshold to fire
            again (snnTorch with ``reset_delay=False``).
        synapse_order: whether a CubaLIF's membrane sees the synaptic current of this step or the one before.
        spikes: at most one per step (``binary``), or as many as thresholds fit into the membrane (``multi``).
        max_spikes: the most spikes per step with ``spikes=multi``; 0: no limit.
        spike_delay: spikes leave the neuron one step after its membrane crossed.
        connection_delay: a signal takes one step through every projection, from the inputs too.
        v_min: lower bound of the membrane: ``none`` or ``-threshold``.
        initial: the membrane before the first step: 0, or its ``v_reset``.
        recurrent_bias: whether the bias of a recurrent connection counts in the first step too (``always``),
            or like its spikes from the second on (``late``: nirtorch's executor, and so Norse).
    """

    preset: str = "nir"
    dt: float = 1e-4
    discretization: Literal["euler", "exponential"] = "euler"
    gain: Literal["equation", "euler", "no_r", "one"] = "equation"
    threshold: Literal[">", ">="] = ">"
    reset: Literal["zero", "subtract", "none"] = "zero"
    reset_delay: bool = False
    late_reset: Literal["after", "before", "leaky_before", "cuba_before"] = "after"
    reset_guard: bool = False
    synapse_order: Literal["new", "old"] = "new"
    spikes: Literal["binary", "multi"] = "binary"
    max_spikes: int = 0
    spike_delay: bool = False
    connection_delay: bool = False
    v_min: Literal["none", "-threshold"] = "none"
    initial: Literal["zero", "v_reset"] = "zero"
    recurrent_bias: Literal["always", "late"] = "always"
    subtract: Literal["difference", "threshold"] = "difference"

    def __str__(self) -> str:
        base = PRESETS[self.preset]
        changed = [
            f"{field.name}={_text(getattr(self, field.name))}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(base, field.name)
        ]
        return ",".join([self.preset, *changed])

    def as_dict(self) -> dict[str, Any]:
        """All fields; ``subtract`` only where it is not as it was before there was a choice."""
        values = asdict(self)
        if self.subtract == "difference":
            del values["subtract"]
        return values


_ALLOWED: dict[str, tuple[str, ...]] = {
    "discretization": ("euler", "exponential"),
    "gain": ("equation", "euler", "no_r", "one"),
    "threshold": (">", ">="),
    "reset": ("zero", "subtract", "none"),
    "reset_delay": ("true", "false"),
    "late_reset": ("after", "before", "leaky_before", "cuba_before"),
    "reset_guard": ("true", "false"),
    "synapse_order": ("new", "old"),
    "spikes": ("binary", "multi"),
    "spike_delay": ("true", "false"),
    "connection_delay": ("true", "false"),
    "v_min": ("none", "-threshold"),
    "initial": ("zero", "v_reset"),
    "recurrent_bias": ("always", "late"),
    "subtract": ("difference", "threshold"),
}

# Each taken from the framework's own code and held to its spikes by tests/frameworks.
PRESETS: dict[str, Dialect] = {
    "nir": Dialect(),
    "spikingjelly": Dialect(preset="spikingjelly", threshold=">=", initial="v_reset"),
    "snntorch": Dialect(
        preset="snntorch", reset="subtract", reset_delay=True, late_reset="leaky_before", reset_guard=True
    ),
    "norse": Dialect(preset="norse", dt=1e-3, gain="no_r", recurrent_bias="late"),
    "sinabs": Dialect(
        preset="sinabs",
        dt=1.0,
        discretization="exponential",
        gain="one",
        threshold=">=",
        reset="subtract",
        spikes="multi",
        subtract="threshold",
    ),
    "rockpool": Dialect(
        preset="rockpool",
        dt=1e-3,
        discretization="exponential",
        gain="euler",
        threshold=">=",
        reset="subtract",
        spikes="multi",
    ),
    "spyx": Dialect(
        preset="spyx",
        gain="one",
        reset="subtract",
        reset_delay=True,
        late_reset="cuba_before",
        spike_delay=True,
    ),
    "lava": Dialect(preset="lava", gain="one", connection_delay=True),
}


def parse(text: str, *, where: str = "") -> Dialect:
    """Read ``preset[,field=value...]``. Raises :class:`DialectError` listing what is allowed."""
    preset, *settings = [part.strip() for part in text.split(",")]
    if preset not in PRESETS:
        raise DialectError(
            f"unknown dialect {preset[:40]!r}",
            where=where,
            hint=meant(preset, sorted(PRESETS), "known presets:"),
        )
    dialect = PRESETS[preset]
    for setting in settings:
        name, equals, value = setting.partition("=")
        # ">=" contains an equals sign: partition on the first one leaves "threshold", ">=" whole.
        if not equals:
            raise DialectError(
                f"{setting!r} is not field=value",
                where=where,
                hint="write PRESET,field=value, such as nir,reset=subtract",
            )
        dialect = _with_field(dialect, name.strip(), value.strip(), where)
    return dialect


def of_dict(values: Any) -> Dialect:
    """The inverse of :meth:`Dialect.as_dict`, of a file's JSON. Raises ValueError, or TypeError of another field."""
    told = entries.table(values, "a dialect")
    for name, value in told.items():
        what = f"the dialect's {name}"
        if name == "preset":
            entries.one_of(value, what, tuple(PRESETS))
        elif name == "dt":
            entries.positive(value, what)
        elif name == "max_spikes":
            entries.whole(value, what, 0, 10**9)
        elif _ALLOWED.get(name) == ("true", "false"):
            entries.flag(value, what)
        elif name in _ALLOWED:
            entries.one_of(value, what, _ALLOWED[name])
    return Dialect(**told)


def _with_field(dialect: Dialect, name: str, value: str, where: str) -> Dialect:
    if name == "dt":
        try:
            dt = float(value)
        except ValueError:
            dt = -1.0
        if not 0 < dt < float("inf"):
            raise DialectError(
                f"dt must be a positive number of seconds, not {value!r}",
                where=where,
                hint="write dt=1e-3 for a millisecond",
            )
        return replace(dialect, dt=dt)
    if name == "max_spikes":
        if not value.isdecimal() or len(value) > 9:
            raise DialectError(
                f"max_spikes must be a whole number (0: no limit), not {value!r}",
                where=where,
                hint="write max_spikes=4, or 0 for no limit",
            )
        return replace(dialect, max_spikes=int(value))
    if name not in _ALLOWED:
        hint = meant(name, ["dt", "max_spikes", *_ALLOWED], "fields:")
        raise DialectError(f"a dialect has no field {name!r}", where=where, hint=hint)
    if _ALLOWED[name] == ("true", "false"):
        value = value.lower()
    if value not in _ALLOWED[name]:
        raise DialectError(
            f"{name}={value!r} is not allowed", where=where, hint=meant(value, _ALLOWED[name], "allowed:")
        )
    chosen: Any = value == "true" if _ALLOWED[name] == ("true", "false") else value
    return replace(dialect, **{name: chosen})


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
