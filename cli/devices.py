"""`svc devices`: what sound can come from and go to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from streamvc.plugin.live.devices import AudioDevice, Direction


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def devices(as_json: bool) -> None:
    """List the sound devices for `svc live`: index, name, channels and rates; * marks the default.

    `svc live` takes the index or any part of the name. Rates are those that the device was asked for and takes.
    """
    from streamvc.plugin.live.devices import list_devices

    found = list_devices()
    if as_json:
        click.echo(json.dumps([_as_dict(device) for device in found]))
        return
    _print(found, "input")
    _print(found, "output")


def _print(found: list[AudioDevice], direction: Direction) -> None:
    from streamvc.plugin.live.devices import rates

    usable = [device for device in found if device.channels(direction)]
    click.echo(f"{direction.capitalize()}s" + ("" if usable else ": none; connect a device or start the audio server"))
    width = max((len(device.name) for device in usable), default=0)
    for device in usable:
        mark = "*" if device.is_default(direction) else " "
        channels = device.channels(direction)
        kilohertz = ", ".join(f"{rate / 1000:g}" for rate in rates(device, direction)) or "no usual rate"
        click.echo(
            f"{mark}{device.index:3d}  {device.name:{width}}  {device.system}, {channels} channel"
            f"{'' if channels == 1 else 's'}, {kilohertz} kHz (its own: {device.rate / 1000:g})"
        )


def _as_dict(device: AudioDevice) -> dict[str, Any]:
    from streamvc.plugin.live.devices import rates

    facts = dict(vars(device))
    facts["input_rates"] = rates(device, "input") if device.inputs else []
    facts["output_rates"] = rates(device, "output") if device.outputs else []
    return facts
