"""Options that take several values."""

from __future__ import annotations

import click


class SeveralValues(click.Command):
    """A command whose `multiple` options may take several values each: `--from a b` means `--from a --from b`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option's name before each further value, then parse as usual."""
        repeatable = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.multiple
            for name in parameter.opts
        }
        spread: list[str] = []
        option: str | None = None
        first = False
        for position, argument in enumerate(args):
            if argument == "--":
                spread += args[position:]
                break
            if argument.startswith("-") and argument != "-":
                name, attached, _ = argument.partition("=")
                option = name if name in repeatable else None
                first = not attached
            elif option is not None:
                if not first:
                    spread.append(option)
                first = False
            spread.append(argument)
        return super().parse_args(ctx, spread)
