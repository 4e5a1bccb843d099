"""The sound devices of the machine, as PortAudio names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from streamvc.errors import RuntimeUnavailableError

Direction = Literal["input", "output"]

COMMON_RATES: Final = (8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000)
"""Hz, what `rates` asks a device for."""


@dataclass(frozen=True)
class AudioDevice:
    """One device; most have only inputs or only outputs.

    Attributes:
        index: its number in PortAudio's list, which changes when devices come and go.
        name: as the system calls it.
        system: the audio system through which it is reached, such as ALSA, Core Audio or Windows WASAPI.
        inputs: channels that can be recorded.
        outputs: channels that can be played.
        rate: Hz, its own rate.
        default_input: whether recordings come from it when nothing is chosen.
        default_output: whether sound goes to it when nothing is chosen.
    """

    index: int
    name: str
    system: str
    inputs: int
    outputs: int
    rate: int
    default_input: bool
    default_output: bool

    def channels(self, direction: Direction) -> int:
        """Channels in one direction."""
        return self.inputs if direction == "input" else self.outputs

    def is_default(self, direction: Direction) -> bool:
        """Whether it is the one that is taken when nothing is chosen."""
        return self.default_input if direction == "input" else self.default_output


def load_sounddevice() -> Any:
    """The module `sounddevice`.

    Raises:
        RuntimeUnavailableError: it or the PortAudio library is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise RuntimeUnavailableError(
            "Sound devices need the package sounddevice: install it with: pip install 'streamvc[live]'"
        ) from error
    except OSError as error:
        raise RuntimeUnavailableError(
            "Sound devices need the PortAudio library, which was not found: install it "
            "(Debian, Ubuntu: apt-get install libportaudio2; Fedora: dnf install portaudio)."
        ) from error
    return sounddevice


def list_devices() -> list[AudioDevice]:
    """All devices that PortAudio found when it was started.

    Raises:
        RuntimeUnavailableError: see `load_sounddevice`.
    """
    sounddevice = load_sounddevice()
    systems = sounddevice.query_hostapis()
    default_input, default_output = sounddevice.default.device
    if default_input < 0 and default_output < 0 and systems:
        default_input, default_output = (
            next((system[f"default_{direction}_device"] for system in systems if system["devices"]), -1)
            for direction in ("input", "output")
        )
    return [
        AudioDevice(
            index=index,
            name=str(entry["name"]),
            system=str(systems[entry["hostapi"]]["name"]),
            inputs=int(entry["max_input_channels"]),
            outputs=int(entry["max_output_channels"]),
            rate=round(entry["default_samplerate"]),
            default_input=index == default_input,
            default_output=index == default_output,
        )
        for index, entry in enumerate(sounddevice.query_devices())
    ]


def find_device(choice: str | None, direction: Direction) -> AudioDevice:
    """The device that a user means.

    Args:
        choice: an index, a whole name, or a part of one in any case; None is the default.
        direction: what it has to be able to do.

    Raises:
        RuntimeUnavailableError: there is none, or several names hold the part; or see `load_sounddevice`.
    """
    usable = [device for device in list_devices() if device.channels(direction)]
    if not usable:
        raise RuntimeUnavailableError(
            f"This machine shows no sound {direction}: connect a device or start its audio server, "
            "then look at: svc devices"
        )
    if choice is None:
        return next((device for device in usable if device.is_default(direction)), usable[0])
    if choice.isdecimal():
        matching = [device for device in usable if device.index == int(choice)]
    else:
        wanted = choice.casefold()
        matching = [device for device in usable if device.name.casefold() == wanted] or [
            device for device in usable if wanted in device.name.casefold()
        ]
    if not matching:
        raise RuntimeUnavailableError(f"There is no sound {direction} {choice!r}: choose one that `svc devices` lists.")
    # Where a machine has several audio systems, each lists the same hardware again; the first one that fits counts.
    matching = [device for device in matching if device.system == matching[0].system]
    if len(matching) > 1 and len({device.name for device in matching}) > 1:
        names = ", ".join(f"{device.index} ({device.name})" for device in matching)
        raise RuntimeUnavailableError(f"Several sound {direction}s match {choice!r}: choose one of {names}.")
    return matching[0]


def rates(device: AudioDevice, direction: Direction) -> list[int]:
    """Which of the `COMMON_RATES` a device takes in one direction; asks the device."""
    return [rate for rate in COMMON_RATES if takes_rate(device, direction, rate)]


def takes_rate(device: AudioDevice, direction: Direction, rate: int, channel: int = 1) -> bool:
    """Whether a device runs at a rate in Hz in one direction, as `svc live` would open it; asks the device.

    Args:
        device: the device.
        direction: of the sound.
        rate: Hz.
        channel: the last one of an input that is needed, from 1.
    """
    sounddevice = load_sounddevice()
    check = sounddevice.check_input_settings if direction == "input" else sounddevice.check_output_settings
    channels = channel if direction == "input" else min(2, device.outputs)
    try:
        check(device=device.index, channels=channels, dtype="float32", samplerate=rate)
    except sounddevice.PortAudioError:
        return False
    return True
