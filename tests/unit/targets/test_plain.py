"""What templates see: all there is to read of targets, networks and placements, and nothing that does something."""

from __future__ import annotations

import enum
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import TargetFileError
from nirdeploy.targets import registry, rendering
from nirdeploy.targets.plain import for_templates, plain
from nirdeploy.targets.rendering import apart, rendered
from tests import networks

PICKLE = "cposix\\nsystem\\n(S'touch {place}'\\ntR."


@pytest.fixture(scope="module")
def context() -> dict[str, Any]:
    """The variables of a template, with everything there is in them."""
    built = nd.build(networks.two_layers())
    return dict(registry.backend_of(built.target).context(built.target, built.network, built.placement))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "templates"
    made.mkdir()
    return made


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where an attack writes to. It must not come to that."""
    yield tmp_path / "PWNED"
    assert not (tmp_path / "PWNED").exists()


def made(folder: Path, text: str, context: dict[str, Any]) -> str:
    (folder / "x.j2").write_text(text)
    return rendered(folder, ["x.j2"], context).texts["x.j2"]


ATTACKS = {
    "unpickle": '{{{{ target.parse_raw("' + PICKLE + "\", proto='pickle', allow_pickle=True) }}}}",
    "read": "{{{{ target.parse_file('/etc/hostname') }}}}",
    "read as class": "{{{{ target.model_validate_json('1') }}}}",
    "construct": "{{{{ target.model_construct(home='/etc') }}}}",
    "copy": "{{{{ target.model_copy(update={{'home': '/etc'}}).home }}}}",
    "schema": "{{{{ target.model_json_schema(schema_generator=cycler) }}}}",
    "pydantic's own": "{{{{ target.model_config.update(frozen=False) }}}}",
    "tofile": "{{{{ network.populations[-1].threshold.astype('S60').tofile('{place}') }}}}",
    "dump": "{{{{ network.populations[-1].threshold.dump('{place}') }}}}",
    "dump of a row": "{{{{ network.projections[0].weight[0].dump('{place}') }}}}",
    "dump of a part": "{{{{ network.projections[0].weight.T.ravel().reshape(-1)[:2].dump('{place}') }}}}",
    "flags": "{{{{ network.projections[0].weight.setflags(write=True) }}}}",
    "base": "{{{{ network.projections[0].weight.base.tofile('{place}') }}}}",
    "ctypes": "{{{{ network.projections[0].weight.ctypes.data }}}}",
    "save": "{{{{ network.save('{place}') }}}}",
    "load": "{{{{ placement.load('{place}') }}}}",
    "method without a mark": "{{{{ target.with_hardware(cores=2) }}}}",
    "attr": "{{{{ (network|attr('save'))('{place}') }}}}",
    "attr of a view": "{{{{ network|attr('_of') }}}}",
    "view": "{{{{ network._of }}}}",
    "item of a view": "{{{{ network['_of'] }}}}",
    "slots": "{{{{ network.__slots__ }}}}",
    "called": "{{{{ hardware.packs._of.__globals__ }}}}",
    "called's self": "{{{{ hardware.packs.__self__ }}}}",
    "called's call": "{{{{ hardware.packs.__call__.__globals__ }}}}",
    "map": "{{{{ [network]|map(attribute='_of')|join }}}}",
    "map of a class": "{{{{ [network]|map(attribute='__class__.__mro__')|join }}}}",
    "sort": "{{{{ [network, network]|sort(attribute='_of')|list }}}}",
    "groupby": "{{{{ ([network]|groupby('_of'))[0].grouper.save('{place}') }}}}",
    "format": "{{{{ '{{0._of}}'.format(network) }}}}",
    "format_map": "{{{{ '{{n._of}}'.format_map({{'n': network}}) }}}}",
    "format got by attr": "{{{{ ('{{0.__class__}}'|attr('format'))(network) }}}}",
    "format mapped": "{{{{ ['{{0.__class__}}']|map('attr', 'format')|first()(network) }}}}",
    "Markup's format": "{{{{ ('{{0.__class__}}'|e).format(network) }}}}",
    "dunder": "{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}",
    "dunder in pieces": "{{{{ ''['__cla' ~ 'ss__'] }}}}",
    "numbers": "{{{{ (1).__class__ }}}}",
    "lipsum": "{{{{ lipsum.__globals__ }}}}",
    "cycler": "{{{{ cycler.__init__.__globals__ }}}}",
    "cycler made": "{{{{ cycler('a').next.__globals__ }}}}",
    "joiner": "{{{{ joiner().__init__ }}}}",
    "namespace": "{{{{ namespace.__init__.__globals__ }}}}",
    "namespace set": "{{% set n = namespace(a=network) %}}{{{{ n.a._of }}}}",
    "range": "{{{{ range.__self__ }}}}",
    "dict": "{{{{ dict.__subclasses__() }}}}",
    "dict's class": "{{{{ dict.mro() }}}}",
    "context": "{{% block b %}}{{{{ self._TemplateReference__context }}}}{{% endblock %}}",
    "context's item": "{{% block b %}}{{{{ self['_TemplateReference__context'] }}}}{{% endblock %}}",
    "block": "{{% block b %}}{{% endblock %}}{{{{ self.b._context }}}}",
    "macro": "{{% macro m() %}}{{% endmacro %}}{{{{ m._func.__globals__ }}}}",
    "macro's environment": "{{% macro m() %}}{{% endmacro %}}{{{{ m._environment }}}}",
    "caller": "{{% macro m() %}}{{{{ caller._func }}}}{{% endmacro %}}{{% call m() %}}{{% endcall %}}",
    "loop": "{{% for a in [1] %}}{{{{ loop._iterable }}}}{{% endfor %}}",
    "module": "{{% import '_m.j2' as m %}}{{{{ m._body_stream }}}}",
    "generator": "{{{{ ([1]|map('int')).gi_frame }}}}",
    "method's self": "{{{{ 'a'.upper.__self__ }}}}",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_is_reached_but_data(attack: str, folder: Path, place: Path, context: dict[str, Any]) -> None:
    (folder / "_m.j2").write_text("")
    with pytest.raises(TargetFileError, match="does not render: "):
        made(folder, ATTACKS[attack].format(place=place), context)


@pytest.mark.parametrize("attack", ["unpickle", "tofile", "dump"])
def test_objects_that_get_in_all_the_same_do_nothing(
    attack: str, folder: Path, place: Path, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "plain", lambda value: value)
    with pytest.raises(TargetFileError, match="is unsafe|not safely callable"):
        made(folder, ATTACKS[attack].format(place=place), context)


class _Writes:
    """As an object of pydantic or NumPy is, in the hands of a template that got out of everything."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __str__(self) -> str:
        self.place.write_text("here")
        return ""


class _Starts(_Writes):
    def __str__(self) -> str:
        subprocess.run([sys.executable, "-c", f"open({str(self.place)!r}, 'w')"], check=True)
        return ""


def test_the_process_of_its_own_writes_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / "x.j2").write_text("{{ it }}")
    with pytest.raises(TargetFileError, match="does not render: .*File too large"):
        apart(folder, ["x.j2"], {"it": _Writes(tmp_path / "PWNED")})
    assert not (tmp_path / "PWNED").read_text()


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may start processes")
def test_nor_does_it_start_another(folder: Path, tmp_path: Path) -> None:
    (folder / "x.j2").write_text("{{ it }}")
    with pytest.raises(TargetFileError, match="does not render"):
        apart(folder, ["x.j2"], {"it": _Starts(tmp_path / "PWNED")})
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ target.name }} {{ target.title == board.name }} {{ target.signature.hex() }}", "{signature}"),
        ("{{ hardware.cores }} {{ hardware.packs(8) }} {{ hardware.bit_planes }}", "{packs}"),
        ("{{ formats.weight_bits }}{{ target.models.LIF.reset | join }}", None),
        ("{% for p in network.populations %}{{ p.name }}:{{ p.threshold | sum }}:{{ p.size }} {% endfor %}", "{sums}"),
        ("{{ network.populations[0].threshold.tolist() | tojson }}", "{tolist}"),
        ("{{ network.projections[0].weight.shape }}{{ network.projections[0].weight[0][:2] | list }}", None),
        ("{{ network.projections[0].weight[1:].max() }}{{ network.projections[0].weight | length }}", None),
        ("{{ network.formats == network.formats }}{{ network.takes | length }}{{ placement.slices | length }}", None),
        ("{{ placement.slices | map(attribute='count') | sum }}", "{neurons}"),
        ("{{ '{0:5d}'.format(3) }}{{ '%s' % 3 }}{{ 'a'.upper() }}{{ {'a': 1}.items() | list }}", None),
        ("{% set n = namespace(a=1) %}{% set n.a = 2 %}{{ n.a }}{{ cycler('a').next() }}{{ range(3) | list }}", None),
        ("{% macro m(x) %}{{ x }}{{ caller() }}{% endmacro %}{% call m(1) %}2{% endcall %}{{ m.name }}", None),
        ("{% for a in [1, 2] recursive %}{{ loop.index }}{{ loop.cycle('x', 'y') }}{% endfor %}", "1x2y"),
        ("{% block b %}b{% endblock %}{{ self.b() }}{{ joiner(', ')() }}{{ dict(a=1).a }}", "bb1"),
    ],
)
def test_what_there_is_to_read_is_read(text: str, said: str | None, folder: Path, context: dict[str, Any]) -> None:
    network, target, hardware = (context[name] for name in ("network", "target", "hardware"))
    known = {
        "signature": f"{target.name} {target.title == target.board.name} {target.signature.hex()}",
        "packs": f"{hardware.cores} {hardware.packs(8)} {hardware.bit_planes}",
        "sums": "".join(f"{p.name}:{p.threshold.sum()}:{p.size} " for p in network.populations),
        "tolist": str(network.populations[0].threshold.tolist()),
        "neurons": str(sum(p.size for p in network.populations)),
    }
    found = made(folder, text, context)
    assert found
    if said is not None:
        assert found == said.format(**known)


def test_a_name_that_is_not_there_is_said(folder: Path, context: dict[str, Any]) -> None:
    with pytest.raises(TargetFileError, match="'Target object' has no attribute 'parse_raw'"):
        made(folder, "{{ target.parse_raw }}", context)


class Colour(enum.IntEnum):
    RED = 3


class Pair(NamedTuple):
    first: int
    second: str


class Own:
    """A class of a plug-in's, no dataclass."""

    def __init__(self) -> None:
        self.figure, self._hidden = np.int64(3), 4

    @property
    def twice(self) -> np.ndarray:
        return np.array([self.figure * 2])

    @for_templates
    def times(self, by: int) -> np.int64:
        return np.int64(self.figure * by)

    def writes(self) -> None: ...


def test_kinds_of_data() -> None:
    assert plain(Colour.RED) == 3
    assert type(plain(Colour.RED)) is int
    assert plain({"a": (1, [np.float64(0.5)]), np.int64(2): {3}}) == {"a": (1, [0.5]), 2: [3]}
    assert plain(Path("a") / "b") == str(Path("a") / "b")
    assert plain(Pair(1, "b")).second == "b"
    assert plain(np.array(["a", "b"])) == ["a", "b"]
    assert list(plain(np.arange(6).reshape(2, 3))[1]) == [3, 4, 5]
    own = plain(Own())
    assert (own.figure, list(own.twice), own.times(2)) == (3, [6], 6)
    assert type(own.times(2)) is int
    for name in ("_hidden", "writes", "_of_", "none"):
        with pytest.raises(AttributeError):
            getattr(own, name)


@pytest.mark.parametrize("value", [os, Own, print, Own().writes, [os]])
def test_what_is_no_data_is_refused(value: Any, folder: Path) -> None:
    with pytest.raises(TargetFileError, match="templates take data, .* correct the backend's 'context'"):
        made(folder, "", {"it": value})
