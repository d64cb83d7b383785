"""Blocks that are data: read, and held to what nirdeploy or a schema says of them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from nirdeploy.device.lab import file as boards
from nirdeploy.targets import registry
from tests.docs import published
from tests.docs.pages import Block


def judge(block: Block) -> None:
    """Raises whatever reader of such data raises."""
    if block.language == "yaml":
        assert yaml.safe_load(block.text), block.where
    elif block.language == "json":
        published.validate(json.loads(block.text), block.title or "error", block.where)
    elif block.title.endswith("boards.toml"):
        _boards(block)
    elif "schema" in (table := tomllib.loads(block.text)):
        registry.validate(table, where=block.where)


def _boards(block: Block) -> None:
    with TemporaryDirectory() as folder:
        named = Path(folder) / "boards.toml"
        named.write_text(block.text)
        named.chmod(0o644)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NIRDEPLOY_BOARDS", str(named))
            assert boards.load().boards, block.where
