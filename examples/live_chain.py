"""Microphone to headphones through noise gate, voice, compressor and reverb.

    python examples/live_chain.py [SECONDS]

Plays until Enter is pressed, or for so many seconds, between the devices that the system has as defaults. Needs
`pip install sounddevice` and PortAudio. Use headphones, or the loudspeaker feeds back into the microphone.

This is the shortest way to sound. `svc live` does the same with levels, keys, MIDI, and a delay that does not grow.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from pedalboard import Compressor, NoiseGate, Reverb

from streamvc.errors import RuntimeUnavailableError
from streamvc.plugin import EffectChain, VoiceConverter
from streamvc.plugin.live.devices import load_sounddevice

RATE = 48_000
BLOCK = 960


def main(seconds: float | None = None) -> None:
    try:
        sounddevice = load_sounddevice()
    except RuntimeUnavailableError as error:
        sys.exit(str(error))
    chain = EffectChain([NoiseGate(threshold_db=-50), VoiceConverter("alice"), Compressor(-20, 3), Reverb(0.2)])
    # The first blocks take longer: everything that is made on first use is made here.
    for _ in range(20):
        chain.process(np.zeros((1, BLOCK), dtype=np.float32), RATE, reset=False)
    dropouts = 0

    def callback(heard, played, frames, instant, status):
        nonlocal dropouts
        dropouts += bool(status)
        played[:] = chain.process(heard.T, RATE, reset=False).T

    try:
        devices = sounddevice.Stream(RATE, BLOCK, channels=1, dtype="float32", callback=callback)
    except (sounddevice.PortAudioError, ValueError) as error:
        sys.exit(f"There is no microphone or loudspeaker for {RATE} Hz ({error}): connect them (svc devices).")
    with devices as stream:
        late = sum(stream.latency) + chain.latency_samples(RATE) / RATE
        print(f"Speak. You hear yourself {1000 * late:.0f} ms later.", flush=True)
        if seconds is None:
            input("Enter ends it. ")
        else:
            time.sleep(seconds)
    print(f"{dropouts} blocks with drop-outs")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else None)
