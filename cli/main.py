"""The `svc` command: finds the sub-command, runs it, and says in one sentence what went wrong.

Exit codes: 0 success, 1 an unexpected fault, 2 a misused command line, 130 an interrupt, 143 a termination; the others
belong to the errors of `streamvc.errors`. With SVC_DEBUG=1 in the environment every error shows its traceback;
without, that of an unexpected one is kept in a file.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from streamvc import __version__
from streamvc.cli.console import never_fail_to_print
from streamvc.errors import StreamVCError
from streamvc.fault import debugging, describe_fault

COMMANDS = {
    "bench": "streamvc.cli.bench:bench",
    "convert": "streamvc.cli.convert:convert",
    "devices": "streamvc.cli.devices:devices",
    "evaluate": "streamvc.cli.evaluate:evaluate",
    "jack": "streamvc.cli.jack:jack",
    "live": "streamvc.cli.live:live",
    "midi": "streamvc.cli.midi:midi",
    "preset": "streamvc.cli.preset:preset",
    "render": "streamvc.cli.render:render",
    "train": "streamvc.cli.train:train",
}
"""Sub-commands and where they are. Their modules are imported when they are needed, and must be light themselves: heavy
libraries are imported inside the functions that use them."""


class LazyGroup(click.Group):
    """A group whose commands are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all sub-commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a sub-command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="streamvc")
def svc() -> None:
    """Convert voices: the same words, timing and intonation in another person's voice."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the interpreter with its exit code.

    Args:
        arguments: instead of those in `sys.argv`.
    """
    debug = debugging()
    never_fail_to_print()
    # As an exception, a termination passes through the same `finally` blocks as an interrupt, and leaves no half files.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        result = svc.main(args=arguments, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nInterrupted: nothing unfinished was left behind.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Who reads our output has gone, as `svc preset list | head` does. What is buffered must not be tried again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except StreamVCError as error:
        if debug:
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        click.echo(f"Error: {describe_fault(error)}", err=True)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
