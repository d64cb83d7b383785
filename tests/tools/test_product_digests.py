"""The record of all products: what differs is listed, what does not is not, what is allowed passes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nirdeploy as nd
from nirdeploy.errors import NirdeployError
from tools import product_digests
from tools.digest_corpus import Case, cases

ROOT = Path(__file__).resolve().parents[2]
NETWORK, TARGET = "contract-lif", "loihi2"
CHANGED = "hardware/run_lava.py"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A chip's file with its templates beside it."""
    shutil.copytree(ROOT / "templates" / TARGET, tmp_path / TARGET)
    return Path(shutil.copy(ROOT / "targets" / f"{TARGET}.toml", tmp_path))


@pytest.fixture
def before(target: Path, tmp_path: Path) -> Path:
    """A record of one network on it."""
    out = tmp_path / "before.json"
    assert product_digests.main(["record", "-o", str(out), "--network", NETWORK, "--target", str(target)]) == 0
    return out


def compare(before: Path, target: Path, *options: object) -> int:
    arguments = ["compare", before, "--network", NETWORK, "--target", target, *options]
    return product_digests.main([str(argument) for argument in arguments])


def change_one_byte(target: Path) -> None:
    script = target.parent / TARGET / "run_lava.py"
    script.write_bytes(script.read_bytes()[:-1] + b" ")


def test_every_product_is_recorded_and_equals_itself_in_another_process(before: Path, target: Path) -> None:
    digests = json.loads(before.read_text())
    parts: dict[str, set[str]] = {key.split("/")[1]: set() for key in digests}
    for key in digests:
        _, on, product = key.split("/", 2)
        parts[on].add(product.split("/")[0])
    assert parts["-"] == {"model", "stimulus", "graph", "check", "record", "exchange"}
    made = {"graph", "network", "placement", "hardware", "image", "manifest", "estimate", "record", "report"}
    assert parts[TARGET] == made
    again = subprocess.run(
        [
            *(sys.executable, ROOT / "tools" / "product_digests.py", "compare", before),
            *("--network", NETWORK, "--target", target),
        ],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, again.stdout) == (0, f"0 of {len(digests):,} products differ\n"), again.stderr


def test_a_changed_byte_is_listed(before: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_one_byte(target)
    capsys.readouterr()
    assert compare(before, target) == 1
    listed = capsys.readouterr().out.splitlines()[:-1]
    # the chip's image carries its files
    expected = [f"{NETWORK} / {TARGET} / {product}: changed" for product in (CHANGED, "image/words/run_lava.py")]
    assert listed == expected


def test_what_is_allowed_passes_with_its_reason(
    before: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_one_byte(target)
    allow = tmp_path / "allow"
    allow.write_text("# the script\n*/loihi2/*run_lava.py  ends in a blank\n")
    capsys.readouterr()
    assert compare(before, target, "--allow", allow) == 0
    assert "allowed: 2 of */loihi2/*run_lava.py: ends in a blank" in capsys.readouterr().out
    allow.write_text("*/loihi2/image/*  ends in a blank\n")
    assert compare(before, target, "--allow", allow) == 1
    allow.write_text("*\n")
    with pytest.raises(SystemExit) as stop:
        compare(before, target, "--allow", allow)
    assert stop.value.code == 2
    assert "without a reason" in capsys.readouterr().err


def test_what_came_and_what_went_differ() -> None:
    found = product_digests.differences({"n/t/a": "1", "n/t/b": "2"}, {"n/t/b": "2", "n/t/c": "3"})
    assert found == {"n/t/a": "gone", "n/t/c": "new"}


def test_a_refusal_is_a_product_in_any_order_of_its_problems() -> None:
    refusals = [
        nd_error("node 'a' is x; do y; node 'b' is z; do w"),
        nd_error("node 'b' is z; do w; node 'a' is x; do y"),
    ]
    first, second = (product_digests.of_refusal(error) for error in refusals)
    assert first == second
    assert product_digests.of_refusal(nd_error("node 'a' is x; do y")) != first


def nd_error(message: str) -> NirdeployError:
    return NirdeployError(message, where="target t", hint="none holds it")


def test_other_products_digests_are_no_part_of_a_product(tmp_path: Path) -> None:
    ours, other = "a" * 64, "b" * 64
    masked = product_digests._masked({"x": f"{ours} {other} {tmp_path}/f".encode()}, {ours: "network"}, tmp_path)
    assert masked == {"x": f"<network> {other} <folder>/f".encode()}


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_a_network_of_the_corpus_fires(case: Case) -> None:
    """Products of silence would be equal whatever changes."""
    graph = nd.check(case.graph, dialect=case.dialect, input_bits=case.input_bits)
    record = nd.simulate(graph, case.x)
    assert all(values.any() for values in record.spikes.values()) or case.name == "speck-too-large"
    assert all(values.any() for values in record.membrane.values())
