"""`svc live`: a microphone to a loudspeaker in another voice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamvc.cli.live_loop import run_live
from streamvc.cli.live_options import LiveOptions, live_options


def _device_latency(ctx: click.Context, parameter: click.Parameter, value: str) -> str | float:
    if value in ("low", "high"):
        return value
    try:
        milliseconds = float(value)
    except ValueError:
        milliseconds = -1.0
    if not 0.0 < milliseconds <= 1000.0:
        raise click.BadParameter(f"{value!r} is none of low, high, or a number of milliseconds up to 1000.")
    return milliseconds / 1000.0


@click.command()
@click.option("-i", "--input", "input_choice", metavar="DEVICE", help="Index or part of the name (svc devices).")
@click.option("-o", "--output", "output_choice", metavar="DEVICE", help="Likewise; a virtual cable for other programs.")
@click.option(
    "--channel",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Which channel of the input to hear, from 1.",
)
@click.option("--rate", type=click.IntRange(8_000, 192_000), help="Hz.  [default: one that both devices have]")
@click.option("--block", type=click.IntRange(16, 8192), help="Samples per callback.  [default: 10 ms]")
@click.option(
    "--device-latency",
    metavar="low|high|MS",
    callback=_device_latency,
    default="low",
    show_default=True,
    help="What to ask the devices for.",
)
@click.option("--record", "record_path", type=click.Path(path_type=Path), help="Write what is heard to a file.")
@click.option("--overwrite", is_flag=True, help="Replace an existing recording.")
@live_options
def live(
    input_choice: str | None,
    output_choice: str | None,
    channel: int,
    rate: int | None,
    block: int | None,
    device_latency: str | float,
    record_path: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Speak with another voice: microphone in, loudspeaker or virtual cable out.

    Keys, where the terminal has them: 1 to 9 and [ ] choose a voice, the arrows up and down move the pitch, space is
    bypass, m the dry voice, q ends. So does Ctrl-C. A device that is lost is opened again when it is back.
    """
    settings = LiveOptions.from_options(options)

    from streamvc.files import check_target
    from streamvc.plugin.live.device import DeviceHost
    from streamvc.plugin.live.recorder import Recorder

    if record_path is not None:
        check_target(record_path, overwrite=overwrite)
    host = DeviceHost(
        input_choice, output_choice, channel=channel, sample_rate=rate, block=block, latency=device_latency
    )

    def title() -> str:
        source, sink = host.names
        return f"{source} -> {sink}, {host.sample_rate} Hz, blocks of {host.block}"

    def recorder() -> Recorder:
        assert record_path is not None
        return Recorder(record_path, host.sample_rate, host.channels, overwrite=overwrite)

    run_live(host, settings, title, None if record_path is None else recorder)
