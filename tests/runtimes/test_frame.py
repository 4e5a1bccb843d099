"""The step that is exported is the model's own, in another arrangement."""

from __future__ import annotations

import pytest
import torch

from streamvc.config import FRAME, LiveConfig, WhiteningConfig, YinConfig
from streamvc.errors import ConfigError
from streamvc.model.live import LiveModel
from streamvc.runtimes.base import next_state
from streamvc.runtimes.frame import FrameStep
from streamvc.runtimes.frame_state import Layout

SMALL = {
    "encoder_width": 24, "encoder_blocks": 2, "speech_width": 16, "speech_blocks": 1, "decoder_width": 32,
    "decoder_blocks": 2, "fine_width": 16, "fine_blocks": 2, "encoder_past": 30,
}
CONFIGS = {
    "small": LiveConfig(**SMALL),
    "other sizes": LiveConfig(
        **SMALL | {"kernel": 5, "expansion": 2, "content_dim": 20, "mel_bands": 40, "encoder_blocks": 1,
                   "pulse_cepstrum": 60, "noise_cepstrum": 20, "response": 160, "fine_blocks": 3, "energy_window": 320}
    ),
    "pitch as published": LiveConfig(
        **SMALL, yin=YinConfig(by_depth=False, floor=1e-6, quiet=0.0, lowest_hz=50.0),
        whitening=WhiteningConfig(reach=0.0),
    ),
    "two thresholds": LiveConfig(**SMALL, yin=YinConfig(thresholds=(0.07, 0.2))),
}


@pytest.fixture(scope="module", params=list(CONFIGS))
def model(request):
    torch.manual_seed(2)
    torch.set_default_dtype(torch.float64)
    try:
        built = LiveModel(CONFIGS[request.param]).double().eval()
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if "film" in name or ".head." in name or "norm" in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return built


CONTROLS = torch.tensor(
    [[5.0, 0.2, 0.0, 0.0, 1.0, 0.0], [5.3, 0.3, 3.0, 1.7, 1.4, 0.0], [4.6, 0.1, -4.0, -3.2, 0.5, 4.9]],
    dtype=torch.float64,
)


@pytest.mark.parametrize("streams", [[0], [1], [2], [0, 1, 2]], ids=["plain", "up", "down and locked", "all at once"])
def test_in_double_precision_it_is_the_model(model, voice, streams):
    count = len(streams)
    x = torch.stack([voice(90 * FRAME, 110 * 1.4**stream) for stream in streams])
    packed = CONTROLS[streams]
    latents = torch.randn(2, count, 64, dtype=torch.float64)
    # The first pair of voices comes with adaptations, which the model may leave out where they are zero.
    adaptations = 0.3 * torch.randn(2, count, model.decoder.adaptation_dim, dtype=torch.float64)
    adaptations[1] = 0
    given = [torch.cat((latents[0], adaptations[0]), dim=-1), latents[1]]
    step = FrameStep(model)
    with torch.no_grad():
        state = [leaf.repeat(count, *[1] * (leaf.dim() - 1)) for leaf in step.initial_state()]
        expected, actual, reference = [], [], model.initial_state(count)
        for frame in range(90):
            piece = x[:, frame * FRAME : (frame + 1) * FRAME]
            voice_now = frame // 25 % 2
            audio, reference = model.step(piece, given[voice_now], packed, reference)
            expected.append(audio)
            latent = torch.cat((latents[voice_now], adaptations[voice_now]), dim=-1)
            audio, *after = step(piece, latent, packed, *state)
            state = next_state(state, after, step.rings.count)
            actual.append(audio)
    expected, actual = torch.cat(expected, 1), torch.cat(actual, 1)
    for one, other in zip(expected, actual, strict=True):
        assert one.abs().max() > 0.01
        # The floor of the log-mel lies 100 dB under the loudest bands, where roundings of the transform are 1e-8 of it.
        assert (other - one).abs().max() < 1e-8 * one.abs().max()


def test_the_noise_comes_round(model):
    """The table of noise is 251 frames long: the 252nd is the first again."""
    step = FrameStep(model)
    rows = step.noise.shape[0]
    with torch.no_grad():
        state = step.initial_state()
        places = []
        for _ in range(rows + 2):
            places.append(int(step.layout.split(state[0])["noise"]))
            silence = torch.zeros(1, FRAME).double(), torch.zeros(1, 64 + model.decoder.adaptation_dim).double()
            _, *after = step(*silence, CONTROLS[:1], *state)
            state = next_state(state, after, step.rings.count)
    assert places == [*range(rows), 0, 1]


def test_a_configuration_that_it_does_not_know_is_refused():
    with pytest.raises(ConfigError, match="filters of up to 320 samples in steps of 40"):
        FrameStep(LiveModel(LiveConfig(**SMALL, response=400)))
    model = LiveModel(LiveConfig(**SMALL))
    model.config = LiveConfig(**SMALL, yin=YinConfig(window=320))
    with pytest.raises(ConfigError, match="YIN windows of 480 samples"):
        FrameStep(model)


def test_a_layout_takes_apart_what_it_put_together():
    layout = Layout({"a": 6, "b": 1, "c": 4})
    tensors = {"a": torch.randn(5, 2, 3), "b": torch.randn(5, 1), "c": torch.randn(5, 4)}
    rows = layout.join(tensors)
    assert rows.shape == (5, layout.size) == (5, 11)
    for name, tensor in layout.split(rows).items():
        assert torch.equal(tensor, tensors[name].reshape(5, -1))
