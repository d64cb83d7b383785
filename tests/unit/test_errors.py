"""What was meant by a name that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

import nirdeploy as nd
from nirdeploy.errors import CorruptFile, meant, meant_file, near


@pytest.mark.parametrize(
    ("given", "known", "found"),
    [
        ("fgpa", ["fpga", "loihi2"], "fpga"),
        ("LIF1", ["lif1", "lif2"], "lif1"),  # capitals are often what is wrong
        ("nothing like it", ["fpga"], ""),
        ("x", [], ""),
    ],
)
def test_the_nearest_name(given: str, known: list[str], found: str) -> None:
    assert near(given, known) == found


def test_a_hint_says_what_was_meant_and_what_there_is() -> None:
    assert meant("modle", ["model"], "modules:") == "did you mean 'model'? modules: model"
    assert meant(["zz", "lfi1"], ["lif1"], "it holds") == "did you mean 'lif1'? it holds lif1"
    assert meant("a", [], "running:") == "running: nothing"
    assert meant("fc1", ["lif", "fc"], "populations:", ["lif (fc)"]) == "did you mean 'fc'? populations: lif (fc)"
    assert meant("q", [f"layer{n}" for n in range(1000)], "nodes:").endswith("layer19 and 980 more")


def test_a_file_of_nearly_that_name(tmp_path: Path) -> None:
    (tmp_path / "net.nir").touch()
    assert meant_file(tmp_path / "nett.nir") == f"did you mean {str(tmp_path / 'net.nir')!r}?"
    assert "there is no folder" in meant_file(tmp_path / "nowhere" / "net.nir")
    assert "did you mean" not in meant_file(tmp_path / "quite-another.txt")
    assert "did you mean" not in meant_file(tmp_path / "net.nir")  # it is there, and is no file that can be read
    (tmp_path / "shorter.nird").touch()
    assert "did you mean" not in meant_file(tmp_path / "nowhere.nir")
    assert "net.nir" in meant_file(tmp_path / "net.nri")  # a mistyped ending, too


def test_python_says_itself_what_was_meant() -> None:
    with pytest.raises(AttributeError, match="no attribute 'simulte'") as caught:
        nd.simulte  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("simulte", nd)


def test_what_an_error_quotes_is_spelt_out_in_one_line() -> None:
    """A library's message quotes a file's bytes; ``str`` of an error is read in notebooks, logs and reports."""
    error = CorruptFile("got v\x01lid\n\u202e", where="a\x1b[2J.nir", hint="one\xa0word")
    assert str(error) == r"got v\x01lid\n\u202e (in a\x1b[2J.nir); one\xa0word"
    assert error.as_dict()["where"] == r"a\x1b[2J.nir"
    assert error.args == (error.message,)
