"""Who is never trained on."""

import pytest

from streamvc.training.corpora.splits import split_of


@pytest.mark.parametrize(
    "speaker",
    [
        "kokoro-am_michael", "kokoro-af_nova", "kokoro-bm_george", "kokoro-zf_xiaoni", "kokoro-af_bella+am_michael",
        "kokoro-af_nova+ef_dora", "kokoro-bm_george__jf_alpha", "asterisk-en", "asterisk-it", "tuxpaint-ro",
    ],
)  # fmt: skip
def test_validation(speaker: str) -> None:
    assert split_of(speaker) == "valid"


def test_spanish_prompts_are_read_by_the_english_validation_speaker() -> None:
    assert split_of("asterisk-es") == "valid"


@pytest.mark.parametrize("speaker", ["kokoro-am_liam", "kokoro-af_bella+am_liam", "asterisk-fr", "tuxpaint-ru", "x"])
def test_training(speaker: str) -> None:
    assert split_of(speaker) == "train"
