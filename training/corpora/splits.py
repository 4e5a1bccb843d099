"""Which speakers are never trained on.

The lists are part of the project's results: numbers measured on the validation speakers mean something only as long
as nobody trains on them. A blend of Kokoro voices belongs to validation when one of its halves does.
"""

from __future__ import annotations

from typing import Literal

VALIDATION_VOICES = frozenset({"am_michael", "af_nova", "bm_george", "zf_xiaoni"})
# The Spanish prompts of Asterisk are spoken by the same person as the English ones.
VALIDATION_SPEAKERS = frozenset({"asterisk-en", "asterisk-es", "asterisk-it", "tuxpaint-ro"})


def split_of(speaker: str) -> Literal["train", "valid"]:
    """`valid` for a validation speaker or a blend that contains one, else `train`."""
    if speaker in VALIDATION_SPEAKERS:
        return "valid"
    corpus, _, voice = speaker.partition("-")
    if corpus == "kokoro" and VALIDATION_VOICES & set(voice.replace("+", "__").split("__")):
        return "valid"
    return "train"
