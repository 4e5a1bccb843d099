"""`svc jack`: the converter as a client of a JACK server."""

from __future__ import annotations

from typing import Any

import click

from streamvc.cli.live_loop import run_live
from streamvc.cli.live_options import LiveOptions, live_options


@click.command()
@click.option("--name", default="streamvc", show_default=True, help="Name of the client.")
@click.option("--server", help="Name of the server.  [default: the default server]")
@click.option("--connect", is_flag=True, help="Connect with the first physical ports.")
@click.option("--from", "sources", metavar="PORT", multiple=True, help="Connect the input with a port; repeatable.")
@click.option("--to", "sinks", metavar="PORT", multiple=True, help="Connect the outputs with ports, in turn.")
@live_options
def jack(
    name: str, server: str | None, connect: bool, sources: tuple[str, ...], sinks: tuple[str, ...], **options: Any
) -> None:
    """Convert between JACK ports: `in` to `out_1` and `out_2`.

    Reaches DAWs, mixers and OBS on Linux, with JACK itself or with PipeWire. The ports report the delay, so that hosts
    can make up for it. Keys and view are those of `svc live`. A server that was stopped is waited for.
    """
    settings = LiveOptions.from_options(options)

    from streamvc.plugin.jack_host import JackHost

    host = JackHost(name, server, connect=connect, sources=sources, sinks=sinks)

    def title() -> str:
        return f"JACK client {host.name}, {host.sample_rate} Hz, blocks of {host.block}"

    run_live(host, settings, title)
