"""The PLLs of the families: dividers that make exactly the clock that is asked for, within the datasheets' limits.

Limits: Lattice FPGA-DS-02012 and FPGA-TN-02200 (ECP5), FPGA-DS-02008 and FPGA-TN-02052 (iCE40 UltraPlus), Gowin DS226
and UG286 (GW2A), Xilinx DS181 and UG472 (Artix-7 of the slowest grade).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from nirdeploy.errors import UsageProblem

_MHZ = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What a PLL may do, in MHz: at its phase detector, and inside."""

    detector: tuple[int, int]
    inside: tuple[int, int]


LIMITS = {
    "ecp5": Limits((10, 400), (400, 800)),
    "ice40": Limits((10, 133), (533, 1066)),
    "gowin": Limits((3, 500), (500, 1250)),
    "vivado": Limits((10, 450), (600, 1200)),
}
_GOWIN_LAST = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)


@dataclass(frozen=True)
class Frequencies:
    """In Hz: what the phase detector compares, what oscillates inside, and what comes out."""

    detector: Fraction
    inside: Fraction
    clock: Fraction

    def within(self, limits: Limits) -> bool:
        return all(
            low * _MHZ <= frequency <= high * _MHZ
            for frequency, (low, high) in ((self.detector, limits.detector), (self.inside, limits.inside))
        )


def frequencies(family: str, oscillator_hz: int, pll: dict[str, int]) -> Frequencies:
    """What the parameters in a target file make of the oscillator."""
    if family == "ecp5":
        detector = Fraction(oscillator_hz, pll["CLKI_DIV"])
        inside = detector * pll["CLKFB_DIV"] * pll["CLKOP_DIV"]
        return Frequencies(detector, inside, inside / pll.get("CLKOS_DIV", pll["CLKOP_DIV"]))
    if family == "ice40":
        detector = Fraction(oscillator_hz, pll["DIVR"] + 1)
        inside = detector * (pll["DIVF"] + 1)
        return Frequencies(detector, inside, inside / 2 ** pll["DIVQ"])
    if family == "gowin":
        detector = Fraction(oscillator_hz, pll["IDIV_SEL"] + 1)
        clock = detector * (pll["FBDIV_SEL"] + 1)
        return Frequencies(detector, clock * pll["ODIV_SEL"], clock)
    detector = Fraction(oscillator_hz, pll["DIVCLK_DIVIDE"])
    inside = detector * pll["CLKFBOUT_MULT_F"]
    return Frequencies(detector, inside, inside / pll["CLKOUT0_DIVIDE_F"])


def settings(family: str, oscillator_hz: int, clock_hz: int) -> dict[str, int]:
    """Parameters that make ``clock_hz``; none where that is the oscillator's.

    Of all that do, those whose phase detector runs fastest, which jitters least; then the frequency inside that is the
    farthest from its limits.

    Raises:
        UsageProblem: none does; the nearest clocks of a whole number of MHz that the PLL makes stand in the hint.
    """
    if clock_hz == oscillator_hz:
        return {}
    if (found := _found(family, oscillator_hz, clock_hz)) is not None:
        return found
    whole = [_MHZ * mhz for mhz in range(1, 401)]
    made = [hz for hz in whole if hz == oscillator_hz or _found(family, oscillator_hz, hz) is not None]
    nearest = sorted(sorted(made, key=lambda hz: abs(hz - clock_hz))[:4])
    raise UsageProblem(
        f"this board's PLL cannot make {clock_hz / 1e6:g} MHz of its oscillator's {oscillator_hz / 1e6:g} MHz",
        hint=f"it makes {', '.join(f'{hz / 1e6:g}' for hz in nearest)} MHz",
    )


def _found(family: str, oscillator_hz: int, clock_hz: int) -> dict[str, int] | None:
    best: tuple[tuple[Fraction, Fraction], dict[str, int]] | None = None
    middle = _MHZ * Fraction(sum(LIMITS[family].inside), 2)
    for pll in _candidates(family, oscillator_hz, clock_hz):
        made = frequencies(family, oscillator_hz, pll)
        rank = (-made.detector, abs(made.inside - middle))
        if made.clock == clock_hz and made.within(LIMITS[family]) and (best is None or rank < best[0]):
            best = rank, pll
    return None if best is None else best[1]


def _candidates(family: str, oscillator_hz: int, clock_hz: int) -> Iterator[dict[str, int]]:
    """Parameters that may make the clock; of the last dividers, those that can bring what is inside to it."""
    low, high = (_MHZ * mhz for mhz in LIMITS[family].inside)
    if family == "ecp5":
        for last in _dividers(low, high, clock_hz, 128):
            for first in range(1, 129):
                # The feedback comes from an output of its own: so the detector may run faster than the common divisor.
                product = Fraction(clock_hz * last * first, oscillator_hz)
                if product.denominator == 1 and product <= 128:
                    yield {"CLKI_DIV": first, "CLKFB_DIV": 1, "CLKOP_DIV": int(product), "CLKOS_DIV": last}
    elif family == "ice40":
        for last in range(1, 7):
            for first in range(16):
                factor = Fraction((clock_hz << last) * (first + 1), oscillator_hz)
                if factor.denominator == 1 and 1 <= factor <= 128:
                    range_ = _filter_range(Fraction(oscillator_hz, first + 1))
                    yield {"DIVR": first, "DIVF": int(factor) - 1, "DIVQ": last, "FILTER_RANGE": range_}
    elif family == "gowin":
        for first in range(1, 65):
            factor = Fraction(clock_hz * first, oscillator_hz)
            if factor.denominator == 1 and 1 <= factor <= 64:
                for last in _GOWIN_LAST:
                    yield {"IDIV_SEL": first - 1, "FBDIV_SEL": int(factor) - 1, "ODIV_SEL": last}
    else:
        for last in _dividers(low, high, clock_hz, 128):
            for first in range(1, 107):
                factor = Fraction(clock_hz * last * first, oscillator_hz)
                if factor.denominator == 1 and 2 <= factor <= 64:
                    yield {"CLKFBOUT_MULT_F": int(factor), "DIVCLK_DIVIDE": first, "CLKOUT0_DIVIDE_F": last}


def _dividers(low: int, high: int, clock_hz: int, most: int) -> range:
    return range(max(1, -(-low // clock_hz)), min(most, high // clock_hz) + 1)


def _filter_range(detector: Fraction) -> int:
    """Of the iCE40's loop filter, by the frequency at its phase detector."""
    return 1 + sum(detector >= _MHZ * edge for edge in (17, 26, 44, 66, 101))
