"""A few seconds of a voice, to be heard or kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from streamvc.presets.format import Preset

SECONDS: Final = 10.0
"""Of the recording, from its beginning."""


def hear(preset: Preset, speech: Path, output: Path | None, *, overwrite: bool) -> str:
    """Convert the beginning of a recording, and play it or write it; returns a sentence about what was done.

    Args:
        preset: the voice.
        speech: the recording.
        output: the file to write; None plays.
        overwrite: whether an existing file may be replaced.

    Raises:
        AudioError, PresetError: the recording or the voice cannot be used.
        RuntimeUnavailableError: there is no loudspeaker to play it on.
        OutputError: the file is the recording, is there already, or cannot be written.
    """
    from streamvc.files import check_target, refuse_to_overwrite
    from streamvc.plugin.audio_input import AudioInput
    from streamvc.plugin.formats import OutputFormat
    from streamvc.plugin.voice_converter import VoiceConverter

    if output is not None:
        refuse_to_overwrite(output, speech)
        check_target(output, overwrite=overwrite)
        form = OutputFormat.choose(output)
    with AudioInput(speech) as audio:
        rate, blocks = audio.sample_rate, []
        left = round(SECONDS * rate)
        for block in audio.blocks(16_384):
            blocks.append(block[:, :left].mean(axis=0, keepdims=True))
            left -= blocks[-1].shape[1]
            if left <= 0:
                break
    voice = VoiceConverter(preset).process(np.concatenate(blocks, axis=1).astype(np.float32), rate)
    seconds = voice.shape[1] / rate
    if output is None:
        _play(voice[0], rate)
        return f"Played {seconds:.1f} s of {preset.name}."
    from streamvc.files import staged
    from streamvc.plugin.audio_output import AudioOutput

    with staged(output, overwrite=overwrite) as stream, AudioOutput(stream, output, form, rate, 1) as file:
        file.write(voice)
    return f"{preset.name}: {seconds:.1f} s written to {output}"


def _play(samples: np.ndarray[tuple[int], np.dtype[np.float32]], rate: int) -> None:
    from streamvc.cli.quiet import quiet_libraries
    from streamvc.errors import RuntimeUnavailableError
    from streamvc.plugin.live.devices import load_sounddevice

    with quiet_libraries():
        sounddevice = load_sounddevice()
        try:
            sounddevice.play(np.clip(samples, -1.0, 1.0), rate)
            sounddevice.wait()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise RuntimeUnavailableError(
                f"There is no loudspeaker to play the voice on ({error.args[0] if error.args else error}): "
                "write it to a file with -o."
            ) from error
