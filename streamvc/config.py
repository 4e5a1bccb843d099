"""Model configurations: the one registry of sizes, importable without torch.

Names and sizes of `paper` follow StreamVC (arXiv 2401.03078, sections 2 and 3); `live` is the configuration whose
weights are shipped.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from streamvc.errors import ConfigError

SAMPLE_RATE = 16_000
"""Hz, of everything inside the model."""
FRAME = 320
"""Samples a model step consumes and gives: 20 ms."""
LOOK_AHEAD_FRAMES = 2
"""Frames that the model waits for before it speaks (paper, section 2.5)."""
LATENT_DIM = 64
"""Size of the speaker latent (paper, section 3.1)."""


@dataclass(frozen=True)
class YinConfig:
    """Streaming YIN. `window` + `max_lag` samples are looked at around each estimate, one every `hop` samples.

    The thresholds are the paper's, and what they say is told to the decoder. Who speaks at which pitch rests on softer
    evidence, because on real microphones they find half of the voice (docs/decisions.md): an estimate counts as voiced
    (running whitening, registers, refusal of recordings) where the CMNDF at the last threshold's lag is under `voiced`,
    and its pitch is followed where that is under `followed`. With `by_depth` that lag is the shortest of the deepest
    minima, also where YIN's step 4 would take the first one under the threshold.

    A lag says nothing unless its mean square difference stands out of a floor: `floor`, or `quiet` times the power of
    the loud speech heard so far, whichever is more. So hum and rooms between words are unvoiced at any gain. Below
    `lowest_hz` no pitch is looked for: mains hum has one too.
    """

    hop: int = 160
    window: int = 480
    min_hz: float = 50.0
    max_hz: float = 620.0
    thresholds: tuple[float, ...] = (0.05, 0.10, 0.15)
    voiced: float = 0.45
    followed: float = 0.6
    by_depth: bool = True
    floor: float = 3e-8
    quiet: float = 1.5e-3
    lowest_hz: float = 65.0

    @property
    def min_lag(self) -> int:
        """Shortest period searched, samples."""
        return int(SAMPLE_RATE / self.max_hz)

    @property
    def max_lag(self) -> int:
        """Longest period compared, samples."""
        return int(SAMPLE_RATE / self.min_hz)

    @property
    def last_lag(self) -> int:
        """Longest period that may be chosen, samples."""
        return min(int(SAMPLE_RATE / self.lowest_hz), self.max_lag - 1)

    @property
    def span(self) -> int:
        """Samples that one estimate reads."""
        return self.window + self.max_lag

    @property
    def centre(self) -> int:
        """Samples from the start of the span to the middle of what an estimate compares, at 150 Hz.

        Two windows are compared that lie one period apart, from the start of the span on: the middle is later for low
        voices and earlier for high ones, by 2.5 ms at most between 80 and 400 Hz.
        """
        return (self.window + SAMPLE_RATE // 150) // 2


@dataclass(frozen=True)
class WhiteningConfig:
    """Running mean and spread of log f0 over voiced estimates, starting from a prior.

    `mean_weight` and `spread_weight` say how many voiced estimates the priors are worth; `memory` is the time constant
    of forgetting, in voiced estimates. What is farther than `reach` from the running mean counts as if it lay there, so
    that octave errors pull little and a speaker far from the prior is reached all the same; 0: all counts as it is.
    """

    prior_mean: float = 5.08  # ln 160 Hz, between the averages of men and women
    prior_std: float = 0.20
    mean_weight: float = 40.0
    spread_weight: float = 200.0
    memory: float = 3000.0
    min_std: float = 0.05
    clip: float = 4.0
    reach: float = 0.35


@dataclass(frozen=True)
class LiveConfig:
    """Sizes of the `live` configuration: log-mel front end, windowed transformer, source-filter decoder.

    The content encoder has the layers of the first `encoder_blocks` blocks of the encoder of Whisper base, and each of
    its blocks attends to `encoder_past` frames before the present one.

    `speech` says what listens to the target speaker: `convnext`, learnt with the rest, or `verification`, the network
    of a speaker verifier (streamvc/model/verification.py).
    """

    name: str = "live"
    mel_bands: int = 80
    mel_window: int = 400
    mel_hop: int = 160
    content_dim: int = 128
    encoder_width: int = 512
    encoder_heads: int = 8
    encoder_blocks: int = 4
    encoder_past: int = 64
    speech: str = "convnext"
    speech_width: int = 192
    speech_blocks: int = 4
    latent_dim: int = LATENT_DIM
    decoder_width: int = 256
    decoder_blocks: int = 6
    fine_width: int = 128
    fine_blocks: int = 3
    fine_hop: int = 80
    kernel: int = 7
    expansion: int = 4
    energy_window: int = 400
    pulse_cepstrum: int = 160
    noise_cepstrum: int = 80
    response: int = 320
    spectrum: int = 512
    yin: YinConfig = field(default_factory=YinConfig)
    whitening: WhiteningConfig = field(default_factory=WhiteningConfig)


@dataclass(frozen=True)
class PaperConfig:
    """Sizes of the `paper` configuration (arXiv 2401.03078, section 3.1): causal SoundStream encoders and decoder."""

    name: str = "paper"
    content_channels: int = 64
    speech_channels: int = 32
    content_dim: int = 64
    latent_dim: int = LATENT_DIM
    decoder_channels: int = 40
    strides: tuple[int, ...] = (2, 4, 5, 8)
    kernel: int = 7
    dilations: tuple[int, ...] = (1, 3, 9)
    # YIN as published: the first minimum under each threshold, and an absolute floor.
    yin: YinConfig = field(
        default_factory=lambda: YinConfig(hop=FRAME, by_depth=False, floor=1e-6, quiet=0.0, lowest_hz=50.0)
    )
    whitening: WhiteningConfig = field(
        default_factory=lambda: WhiteningConfig(mean_weight=20.0, spread_weight=100.0, memory=1500.0, reach=0.0)
    )


ModelConfig = LiveConfig | PaperConfig
_RETIRED = {"trusted"}
"""Fields that older weights carry and nothing reads: voicing of today holds for them too."""
_REGISTRY: dict[str, type[LiveConfig] | type[PaperConfig]] = {"live": LiveConfig, "paper": PaperConfig}


def get_config(name: str) -> ModelConfig:
    """The registered configuration of that name.

    Raises:
        ConfigError: no configuration has that name.
    """
    try:
        return _REGISTRY[name]()
    except KeyError:
        raise ConfigError(f"No model configuration is named {name!r}; choose one of {', '.join(_REGISTRY)}.") from None


def config_to_dict(config: ModelConfig) -> dict[str, Any]:
    """Plain JSON-able form of a configuration, nested dataclasses included."""
    return dataclasses.asdict(config)


def config_from_dict(data: dict[str, Any]) -> ModelConfig:
    """Inverse of :func:`config_to_dict`.

    Raises:
        ConfigError: the name is not registered, or a field is unknown or of another type.
    """
    config = get_config(str(data.get("name")))
    return _replace(config, data)  # type: ignore[no-any-return]


def _replace(config: Any, data: dict[str, Any]) -> Any:
    known = {f.name for f in dataclasses.fields(config)}
    unknown = sorted(set(data) - known - _RETIRED)
    if unknown:
        names = ", ".join(unknown)
        raise ConfigError(f"The configuration has unknown fields ({names}); this version is too old for it.")
    values = {key: _fit(key, getattr(config, key), value) for key, value in data.items() if key in known}
    return dataclasses.replace(config, **values)


def _fit(key: str, default: Any, value: Any) -> Any:
    """`value` as the field holds it, judged by the type of its default."""
    if dataclasses.is_dataclass(default):
        if not isinstance(value, dict):
            raise ConfigError(f"The configuration's {key} must be a table, not {value!r}.")
        return _replace(default, value)
    if isinstance(default, tuple):
        kind = type(default[0])
        if not isinstance(value, list | tuple) or not all(_is(kind, item) for item in value):
            raise ConfigError(f"The configuration's {key} must be a list of {kind.__name__}, not {value!r}.")
        return tuple(kind(item) for item in value)
    kind = type(default)
    if not (isinstance(value, bool) if kind is bool else _is(kind, value)):
        raise ConfigError(f"The configuration's {key} must be {kind.__name__}, not {value!r}.")
    return kind(value)


def _is(kind: type, value: object) -> bool:
    # JSON writes 3000.0 as 3000 in other languages, and bool is an int to Python.
    return not isinstance(value, bool) and isinstance(value, (int, float) if kind is float else kind)
