"""A MIDI file takes effect where it says, to the sample."""

from __future__ import annotations

import numpy as np
import pytest
from mido import Message
from pedalboard.io import AudioFile

from streamvc.errors import PresetError
from streamvc.plugin.midi import MidiMap
from streamvc.plugin.midi.file import TimedMessage
from streamvc.plugin.midi.performance import Score
from streamvc.plugin.render import RenderOptions, render_file

MAP = {
    "schema": 1,
    "bind": [
        {"program": 0, "preset": "mute"},
        {"program": 1, "preset": "half"},
        {"program": 2, "preset": "full"},
        {"control": 1, "morph": "full"},
        {"control": 8, "parameter": "mix", "range": [0, 1]},
        {"control": 64, "parameter": "bypass", "value": "hold"},
        {"control": 7, "parameter": "output_gain_db", "range": [-60, 24]},
    ],
}
LEVEL = 0.5


@pytest.fixture
def render(new_converter, tmp_path):
    """`render(*events, rate=16000, start="half", **options)`: a second of a steady level, played by events of
    (seconds, message).
    """

    def run(*events, rate=16_000, start="half", **options):
        source = tmp_path / f"in-{rate}.wav"
        if not source.exists():
            with AudioFile(str(source), "w", samplerate=rate, num_channels=1, bit_depth=32) as file:
                file.write(np.full((1, rate), LEVEL, dtype=np.float32))
        converter = new_converter()
        converter.preset = start
        score = Score(MidiMap.from_table(MAP), [TimedMessage(seconds, message) for seconds, message in events])
        performance = score.perform(converter)
        options = RenderOptions(bit_depth=32, overwrite=True, **options)
        render_file(source, tmp_path / "out.wav", performance, options, levels=performance.levels)
        with AudioFile(str(tmp_path / "out.wav")) as file:
            return file.read(file.frames)[0]

    return run


def first_difference(one, other):
    return int(np.argmax(one != other)) if (one != other).any() else None


def program(number):
    return Message("program_change", program=number)


@pytest.mark.parametrize(
    ("seconds", "sample"),
    [
        (0.3, 4800),  # an edge
        (0.3 - 1e-9, 4800),  # an edge but for the rounding of tempo arithmetic
        (0.3 - 1.0 / 16_000, 4480),  # the last sample before it
        (0.3 + 1.0 / 16_000, 4800),
        (0.31, 4800),
        (0.319, 4800),
        (0.02, 320),
        (0.98, 15_680),
    ],
)
@pytest.mark.parametrize(
    "message",
    [
        program(2),
        Message("control_change", control=1, value=100),
        Message("control_change", control=8, value=0),
        Message("control_change", control=64, value=127),
        Message("control_change", control=7, value=0),
    ],
    ids=["preset", "morph", "mix", "bypass", "gain"],
)
def test_a_message_takes_effect_with_the_frame_that_holds_its_time(render, seconds, sample, message):
    plain, played = render(), render((seconds, message))
    assert first_difference(plain, played) == sample
    assert (plain[sample:] != played[sample:]).all()


def test_with_the_latency_kept_it_comes_later_by_the_latency(render):
    plain, played = render(keep_latency=True), render((0.3, program(2)), keep_latency=True)
    assert first_difference(plain, played) == 4800 + 960


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_at_other_rates_it_lands_on_the_same_instant(render, rate):
    """Levels are set at the host's rate and land on the sample; a voice goes through the resampler, whose filter
    reaches some milliseconds back, with less than a hundred-thousandth.
    """
    place = round(0.3 * rate)
    plain = render(rate=rate)
    assert first_difference(plain, render((0.3, Message("control_change", control=64, value=127)), rate=rate)) == place
    voice = render((0.3, program(0)), rate=rate)
    # A raised cosine over 40 ms takes a quarter of them to pass 14.6 % of the way.
    change = (plain - voice) / (LEVEL * 0.5)
    quarter = int(np.argmax(change > 0.1464466))
    assert abs(quarter - (place + round(0.01 * rate))) <= 1 + round(50e-6 * rate)
    assert np.abs(change[:place]).max() < 1e-5
    assert not change[: place - round(0.004 * rate)].any()


def test_what_comes_within_the_first_frame_holds_from_the_start(render):
    np.testing.assert_array_equal(render((0.0, program(2))), render(start="full"))
    np.testing.assert_array_equal(render((0.0199, program(2))), render(start="full"))
    np.testing.assert_array_equal(render((0.0, program(2)), (0.0, program(1))), render())


def test_after_the_end_nothing_happens(render):
    np.testing.assert_array_equal(render((1.0, program(2)), (3600.0, program(0))), render())


def test_of_many_messages_in_a_frame_the_last_counts(render):
    many = [(0.3 + index * 1e-4, program(index % 3)) for index in range(150)]  # ends with 149 % 3 == 2
    np.testing.assert_array_equal(render(*many), render((0.3, program(2))))


def test_a_flood_makes_no_step(render):
    """10,000 messages a second: no sample step is larger than the steepest fade's."""
    random = np.random.default_rng(0)
    flood = []
    for index in range(9000):
        number = int(random.choice([1, 8]))
        message = Message("control_change", control=number, value=int(random.integers(128)))
        flood.append((0.05 + index * 1e-4, program(index % 3) if index % 3 else message))
    output = render(*flood)
    # Voices fade over 640 samples by a raised cosine, mix moves over 160 in a line, both between 0 and the level.
    steepest = LEVEL * (np.pi / 2 / 640 + 1 / 160)
    assert np.abs(np.diff(output)).max() <= steepest * 1.01
    assert np.abs(np.diff(output)).max() > 0


def test_a_performance_begins_as_its_converter_stands(render):
    """Nothing of one recording is left in the next, since each has a converter of its own."""
    np.testing.assert_array_equal(render((0.5, program(2))), render((0.5, program(2))))


def test_a_map_of_another_model_is_refused(new_converter):
    score = Score(MidiMap.from_table({"schema": 1, "bind": [{"program": 0, "preset": "alien"}]}), [])
    with pytest.raises(PresetError, match="another model"):
        score.perform(new_converter())
