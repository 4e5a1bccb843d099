"""Bring a decoder to another content encoder, once: how the weights of this version came from gan8's.

    python research/lead_over_content.py --old old_content.npz --decoder gan8.safetensors \
        --content content.safetensors --corpus CORPUS --out led.safetensors

The content that the decoder was trained on is fitted by ridge regression from the new content of the same speech, and
the map becomes a part of the decoder's first convolution, which is linear in content. `old_content.npz` holds
`content [clips, 64, frames]`, as gan8's own encoder heard the first four seconds of utterances, and `start [clips]`,
their places in the packed corpus. Everything else of the decoder, and the speech encoder, stay as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from streamvc.checkpoint import load_model, read_metadata, save_model
from streamvc.model.live import LiveModel
from streamvc.training.data import PackedCorpus

WARM_UP = 12
"""Frames at the start of a clip that neither encoder has heard enough for."""
RIDGE = 30.0


def main() -> None:
    """Lead over from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("old", "decoder", "content", "corpus", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(options.content)
    assert isinstance(model, LiveModel)
    given = np.load(options.old)
    corpus = PackedCorpus(options.corpus)
    clips, frames = len(given["start"]), given["content"].shape[2]
    new, old = [], []
    with torch.no_grad():
        for clip in range(clips):
            start = int(given["start"][clip])
            samples = torch.from_numpy(corpus.audio[start : start + frames * 320].astype(np.float32) / 32_768)
            content, _ = model.content_encoder(model.content_features(samples[None])[0])
            new.append(content[0, :, WARM_UP:].T)
            old.append(torch.from_numpy(given["content"][clip].astype(np.float32))[:, WARM_UP:].T)
    last = clips // 8
    x, y = torch.cat(new[:-last]).double(), torch.cat(old[:-last]).double()
    middle, goal = x.mean(dim=0), y.mean(dim=0)
    normal = (x - middle).T @ (x - middle) + RIDGE * torch.eye(x.shape[1], dtype=torch.double)
    weight = torch.linalg.solve(normal, (x - middle).T @ (y - goal))  # [new, old]
    offset = goal - middle @ weight
    held, truth = torch.cat(new[-last:]).double(), torch.cat(old[-last:]).double()
    lost = (truth - held @ weight - offset).square().sum() / (truth - truth.mean(dim=0)).square().sum()
    print(f"{clips} clips, explained on the last eighth: {1 - float(lost):.3f}")

    tensors = {name: value.float() for name, value in load_file(options.decoder).items()}
    kept = {n: v for n, v in tensors.items() if n.startswith(("decoder.", "speech_encoder."))}
    front = kept.pop("decoder.front.weight").double()  # [outputs, inputs, kernel]
    size = weight.shape[1]
    led = torch.einsum("nc,ock->onk", weight, front[:, :size])
    kept["decoder.front.weight"] = torch.cat((led, front[:, size:]), dim=1).float()
    added = torch.einsum("c,ock->o", offset, front[:, :size])
    kept["decoder.front.bias"] = (kept["decoder.front.bias"].double() + added).float()
    missing, unknown = model.load_state_dict(kept, strict=False)
    assert not unknown
    assert all(name.startswith("content_encoder.") for name in missing)
    save_model(model, options.out, read_metadata(options.content).get("provenance"), torch.float32)


if __name__ == "__main__":
    main()
