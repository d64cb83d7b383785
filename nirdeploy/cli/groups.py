"""groups: commands of commands, which know what a mistyped one was meant to be."""

from __future__ import annotations

import click

from nirdeploy.errors import UsageProblem, meant


class Group(click.Group):
    """Raises :class:`UsageProblem` where there is no such command; says which was meant, and which there are."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        names = self.list_commands(ctx)
        if name and not name.startswith("-") and name not in names and not ctx.resilient_parsing:
            raise UsageProblem(
                f"there is no command {name!r}", where=ctx.command_path, hint=meant(name, names, "commands:")
            )
        return super().resolve_command(ctx, args)
