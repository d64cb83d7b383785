"""Every command line of nirdeploy in the pages names a command and options that there are, whether it runs or not."""

from __future__ import annotations

import click
import pytest

from nirdeploy.cli.entry import group
from tests.docs.pages import READ, RUN, blocks, commands, inline

PLACEHOLDERS = ("COMMAND", "...")


def wrong(words: list[str], whole: bool) -> str:
    """What is wrong with a command line, if anything. ``whole``: with all that the command requires."""
    command: click.Command = group
    context = click.Context(command, info_name="nirdeploy", **command.context_settings)
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            return "" if rest[0] in PLACEHOLDERS else f"there is no command {rest[0]!r}"
        context = click.Context(found, info_name=rest[0], parent=context)
        command, rest = found, rest[1:]
    if PLACEHOLDERS[1] in rest:
        rest = [word for word in rest if word not in PLACEHOLDERS]
    try:
        _, left, _ = command.make_parser(context).parse_args(rest)
    except click.UsageError as error:
        return error.format_message()
    if left and not isinstance(command, click.Group):
        return f"{' '.join(left)} is one argument too many"
    if isinstance(command, click.Group) and whole and command is not group:
        return "the group has no command"
    return ""


@pytest.mark.parametrize("page", [*RUN, *READ])
def test_its_command_lines_can_be_typed(page: str) -> None:
    typed = [(block.where, words, True) for block in blocks(page) for words in block.commands()]
    found = [*typed, *((page, words, False) for words in inline(page))]
    assert not [(where, " ".join(words), said) for where, words, whole in found if (said := wrong(words, whole))]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nirdeploy build net.nir --bits 4 && nirdeploy flash build -p virtual  # comment", ""),
        ("echo 1 | nirdeploy info -p board > out.txt", ""),
        ("A=1 nirdeploy biuld net.nir", "no command 'biuld'"),
        ("nirdeploy build net.nir --bit 4", "--bit"),
        ("nirdeploy build net.nir -o", "-o"),
        ("nirdeploy build net.nir other.nir", "one argument too many"),
        ("nirdeploy board", "no command"),
    ],
)
def test_what_cannot_be_typed_is_noticed(line: str, said: str) -> None:
    found = "".join(wrong(words, whole=True) for words in commands(line))
    assert said in found
    assert bool(said) == bool(found)
