"""Which device a user means, on lists such as PortAudio makes on other machines than this one."""

from __future__ import annotations

import pytest

from streamvc.errors import RuntimeUnavailableError
from streamvc.plugin.live import devices
from streamvc.plugin.live.devices import AudioDevice, find_device

WINDOWS = [
    AudioDevice(0, "Microphone (USB Audio Device)", "MME", 2, 0, 44_100, True, False),
    AudioDevice(1, "CABLE Output (VB-Audio Virtual ", "MME", 2, 0, 44_100, False, False),
    AudioDevice(2, "Speakers (USB Audio Device)", "MME", 0, 2, 44_100, False, True),
    AudioDevice(3, "CABLE Input (VB-Audio Virtual C", "MME", 0, 2, 44_100, False, False),
    AudioDevice(4, "CABLE Input (VB-Audio Virtual Cable)", "Windows WASAPI", 0, 2, 48_000, False, False),
    AudioDevice(5, "Microphone (USB Audio Device)", "Windows WASAPI", 1, 0, 48_000, False, False),
]


@pytest.fixture
def listed(monkeypatch):
    def put(entries):
        monkeypatch.setattr(devices, "list_devices", lambda: entries)

    put(WINDOWS)
    return put


@pytest.mark.parametrize(
    ("choice", "direction", "index"),
    [
        (None, "input", 0),
        (None, "output", 2),
        ("5", "input", 5),
        ("cable", "input", 1),
        ("cable", "output", 3),
        ("CABLE Input (VB-Audio Virtual Cable)", "output", 4),
        ("microphone", "input", 0),
        ("speakers (usb audio device)", "output", 2),
    ],
)
def test_a_device_is_found_by_index_name_or_part(listed, choice, direction, index):
    assert find_device(choice, direction).index == index


@pytest.mark.parametrize(
    ("choice", "direction", "sentence"),
    [
        ("(", "input", r"Several sound inputs match '\(': choose one of 0 \(Microphone .*\), 1 \(CABLE Output"),
        ("0", "output", "no sound output '0'"),
        ("99", "input", "no sound input '99'"),
        ("headset", "input", "`svc devices`"),
    ],
)
def test_what_is_unclear_or_missing_is_said(listed, choice, direction, sentence):
    with pytest.raises(RuntimeUnavailableError, match=sentence):
        find_device(choice, direction)


def test_a_machine_without_sound_is_said(listed):
    listed([])
    for direction in ("input", "output"):
        with pytest.raises(RuntimeUnavailableError, match=f"shows no sound {direction}"):
            find_device(None, direction)
