"""WAV headers that make sense, that make none, and that come from pipes."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from streamvc.audio.wave import A_LAW, EXTENSIBLE, FLOAT, IMA_ADPCM, MU_LAW, read_header
from streamvc.errors import AudioError
from tests.audio.conftest import adpcm, chunk, form, read_all, wave

RAMP = np.linspace(-1.0, 0.99, 400)
SHORT = (RAMP * 32767).astype("<i2").tobytes()


def plain(samples=SHORT, **fields):
    return wave(chunk(b"fmt ", form(**fields)), chunk(b"data", samples))


@pytest.mark.parametrize(
    ("subtype", "sample_type", "tolerance"),
    [
        ("PCM_U8", "uint8", 0.0),
        ("PCM_16", "int16", 0.0),
        ("PCM_24", "int24", 0.0),
        ("PCM_32", "int32", 0.0),
        ("FLOAT", "float32", 0.0),
        ("DOUBLE", "float64", 0.0),
        ("ULAW", "int16", 0.0),
        ("ALAW", "int16", 0.0),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
def test_plain_codings_are_as_libsndfile_reads_them(tmp_path, subtype, sample_type, tolerance, channels, container):
    path = tmp_path / "a.wav"
    samples = np.stack([RAMP * (1 - 0.1 * number) for number in range(channels)], axis=1)
    soundfile.write(path, samples, 16_000, subtype=subtype, format=container)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    heard, reader = read_all(path, 128)
    np.testing.assert_allclose(heard.T, expected, atol=tolerance)
    assert (reader.rate, reader.channels, reader.frames, reader.sample_type) == (16_000, channels, 400, sample_type)


def test_a_few_bits_in_a_wide_container(save):
    values = np.array([-(1 << 31), 0, 1 << 30, (1 << 31) - (1 << 12)], "<i4")
    heard, _ = read_all(save(plain(values.tobytes(), bits=20, block=4)))
    np.testing.assert_allclose(heard[0], [-1.0, 0.0, 0.5, 1.0], atol=1e-5)


@pytest.mark.parametrize("length", [0, 0xFFFF_FFFF, 0x7FFF_F000, 0x8000_0000])
@pytest.mark.parametrize("whole", [0, 0xFFFF_FFFF, 0x7FFF_F024])
def test_sizes_that_a_pipe_left_open(save, length, whole):
    data = wave(chunk(b"fmt ", form()), chunk(b"data", SHORT, length), length=whole)
    heard, reader = read_all(save(data))
    assert reader.frames == 400
    np.testing.assert_array_equal(heard[0], np.frombuffer(SHORT, "<i2") / np.float32(32768))


def test_an_empty_file_stays_one(save):
    data = wave(chunk(b"fmt ", form()), chunk(b"data", b""), chunk(b"LIST", b"INFOISFT\4\0\0\0abc\0"))
    assert read_header(open(save(data), "rb"), "a.wav").frames == 0  # noqa: SIM115


@pytest.mark.parametrize("kind", [b"RF64", b"BW64"])
@pytest.mark.parametrize("missing", [0, 1])
def test_sizes_of_64_bits(save, kind, missing):
    sizes = (0).to_bytes(8, "little") + (800).to_bytes(8, "little") + bytes(12)
    data = wave(
        chunk(b"ds64", sizes), chunk(b"fmt ", form()), chunk(b"data", SHORT, 0xFFFF_FFFF), kind=kind, length=0xFFFF_FFFF
    )
    path = save(data[: len(data) - missing])
    if missing:
        with pytest.raises(AudioError, match="cut off"):
            read_all(path)
    else:
        assert read_all(path)[0].shape == (1, 400)


@pytest.mark.parametrize("kept", [0.999, 0.9, 0.5, 0.1, 0.04])
def test_files_that_were_cut_off(save, kept):
    data = plain()
    with pytest.raises(AudioError, match="cut off"):
        read_all(save(data[: int(len(data) * kept)]))


def test_what_stands_before_and_after_the_samples_does_not_matter(save):
    data = wave(
        chunk(b"JUNK", bytes(27)), chunk(b"fmt ", form(more=b"\0\0")), chunk(b"fact", bytes(4)), chunk(b"data", SHORT)
    )
    assert read_all(save(data + chunk(b"LIST", b"INFO")))[0].shape == (1, 400)


@pytest.mark.parametrize(
    ("fmt", "words"),
    [
        (form(bits=0), "0 bits"),
        (form(bits=64), "64 bits"),
        (form(FLOAT, bits=16), "16 bits"),
        (form(MU_LAW, bits=16, block=2), "16 bits"),
        (form(A_LAW, bits=8, block=7), "blocks of 7 bytes"),
        (form(channels=0), "no channels"),
        (form(rate=0), "0 Hz"),
        (form(rate=0xF1F1F1F1), "4059165169 Hz"),
        (form(block=0), "blocks of 0 bytes"),
        (form(block=3), "blocks of 3 bytes"),
        (adpcm(bits=16), "16 bits"),
        (adpcm(rate=0xF1F1F1F1), "Hz is impossible"),
        (adpcm(block=0, held=500), "blocks of 0 bytes"),
        (adpcm(block=7, held=2), "blocks of 7 bytes"),
        (adpcm(held=65_535), "not 65535"),
        (adpcm(channels=60_000, held=1), "60000 channels"),
        (adpcm()[:30], "coefficients"),
        (form(IMA_ADPCM, bits=4, block=0, more=b"\2\0\1\0"), "blocks of 0 bytes"),
        (form(IMA_ADPCM, bits=4, block=256, more=b"\2\0\0\0"), "hold 505 samples"),
        (form(IMA_ADPCM, channels=1000, bits=4, block=4096, more=b"\2\0\1\0"), "1000 channels"),
        (form(0x31, bits=0, block=0), "0 bytes"),
        (form(EXTENSIBLE), "too short"),
        (form()[:15], "too short"),
    ],
)
def test_headers_that_make_no_sense_are_refused_before_anything_decodes(save, fmt, words):
    path = save(wave(chunk(b"fmt ", fmt), chunk(b"data", bytes(4096))))
    with pytest.raises(AudioError, match=words) as caught:
        read_all(path)
    assert str(caught.value).startswith(f"{path} has a damaged header (")
    assert str(caught.value).endswith("export it again.")


def test_samples_without_a_description(save):
    with pytest.raises(AudioError, match="does not say how"):
        read_all(save(wave(chunk(b"data", SHORT))))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", ["MS_ADPCM", "IMA_ADPCM", "GSM610"])
def test_whole_telephony_files_are_read(tmp_path, subtype, channels):
    if subtype == "GSM610" and channels == 2:
        pytest.skip("that coding has one channel")
    tone = 0.5 * np.sin(np.arange(8_000) * 0.2)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone] * channels, axis=1), 8_000, subtype=subtype)
    heard, reader = read_all(path)
    assert (reader.rate, reader.channels) == (8_000, channels)
    np.testing.assert_allclose(heard[0, 500:7_900], tone[500:7_900], atol=0.12)
