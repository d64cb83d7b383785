"""One command line, run inside this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from nirdeploy.cli import main
from tests.docs import published


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """stdout, which must be one strict JSON object and nothing else, as its published schema says."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        found: dict[str, Any] = json.loads(self.out, parse_constant=refuse)
        published.validate(found, published.schema_of(found))
        return found


#: ``cli("check", path)``, as a shell would run ``nirdeploy check PATH``.
Cli = Callable[..., Outcome]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line."""

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return Outcome(int(str(stop.value.code)), *capsys.readouterr())

    return call
