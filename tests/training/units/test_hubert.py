"""HuBERT as a teacher: a small model of the class that `transformers` has for the real one, with random weights."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamvc.errors import CheckpointError, CorpusError, RuntimeUnavailableError
from streamvc.training.corpora.base import Utterance
from streamvc.training.units.__main__ import main
from streamvc.training.units.codebook import Codebook
from streamvc.training.units.extract import open_audio
from streamvc.training.units.hubert import HubertTeacher, load_hubert, receptive_field, wants_normalised

transformers = pytest.importorskip("transformers", reason="HuBERT needs transformers: pip install 'streamvc[hubert]'")
FRAMES = (40, 25, 40, 31)


def small(norm: str = "group", **changes: Any) -> Any:
    """The strides and kernels of HuBERT-Base with few and narrow layers."""
    config = transformers.HubertConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48, conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, feat_extract_norm=norm,
        **{"conv_bias": norm == "layer", **changes},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return transformers.HubertModel(config).eval()


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hubert")
    small().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"do_normalize": false}')
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A packed corpus of noise: four utterances, two of them of one length."""
    rows, start = [], 0
    for number, frames in enumerate(FRAMES):
        speaker, size = f"s{number % 2}", 320 * frames
        rows.append(Utterance(f"u{number}", speaker, "made", "en", None, "wide", "train", start, size, "CC0-1.0"))
        start += size
    noise = 3000 * np.random.default_rng(0).standard_normal(start)
    folder = tmp_path / "corpus"
    folder.mkdir()
    noise.astype("<i2").tofile(folder / "audio.i16")
    (folder / "index.jsonl").write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))
    return folder


def rows_of(corpus: Path) -> list[Utterance]:
    return [Utterance(**json.loads(line)) for line in (corpus / "index.jsonl").read_text().splitlines()]


def test_the_real_model_hears_400_samples_every_320() -> None:
    assert receptive_field(transformers.HubertConfig()) == (400, 320)


@pytest.mark.parametrize("frame", [0, 1, 7, 19])
def test_a_frame_hears_what_lies_around_our_frame(frame: int) -> None:
    """By the gradient: samples 320 i - 40 to 320 i + 359, whose centre is that of 320 i to 320 i + 319."""
    # the norm of Base over time lets every sample touch every frame a little; that of Large does not
    model = small("layer")
    teacher = HubertTeacher(model, np.zeros(0, np.int16), normalise=False)
    samples = torch.randn(1, 320 * 20, generator=torch.Generator().manual_seed(0)).requires_grad_()
    heard = model.feature_extractor(teacher.frontend(samples))
    assert heard.shape[-1] == 20
    heard[0, :, frame].square().sum().backward()
    assert samples.grad is not None
    touched = torch.nonzero(samples.grad[0]).flatten()
    first, last = 320 * frame - 40, 320 * frame + 359
    assert (int(touched[0]), int(touched[-1])) == (max(0, first), min(320 * 20 - 1, last))
    assert first + last == 320 * frame + 320 * frame + 319


def test_one_feature_for_each_label_frame(corpus: Path) -> None:
    teacher = HubertTeacher(small(), open_audio(corpus))
    found = {row.id: layers for row, layers in teacher(rows_of(corpus), (0, 2, 3))}
    assert {name: [tuple(one.shape) for one in layers] for name, layers in found.items()} == {
        f"u{number}": [(frames, 32)] * 3 for number, frames in enumerate(FRAMES)
    }


def test_features_are_those_of_the_library(corpus: Path) -> None:
    """Layer L is what leaves block L, whether or not blocks after it are left out."""
    model, audio = small(), open_audio(corpus)
    row = rows_of(corpus)[1]
    wave = torch.from_numpy(np.array(audio[row.start : row.start + row.length], np.float32) / 32768)
    padded = torch.nn.functional.pad((wave - wave.mean()) / wave.std(correction=0), (40, 40))
    with torch.inference_mode():
        states = model(padded[None], output_hidden_states=True).hidden_states
    teacher = HubertTeacher(model, audio)
    for layer in (2, 3, 0):
        ((_, (found,)),) = teacher([row], (layer,))
        assert torch.allclose(found, states[layer][0], atol=1e-4)


@pytest.mark.parametrize("stable", [False, True])
def test_a_batch_gives_what_each_gives_alone(corpus: Path, stable: bool) -> None:
    teacher = HubertTeacher(small(do_stable_layer_norm=stable), open_audio(corpus))
    together = {row.id: layers[0] for row, layers in teacher(rows_of(corpus), (2,))}
    for row in rows_of(corpus):
        ((_, (alone,)),) = teacher([row], (2,))
        assert torch.allclose(alone, together[row.id], atol=1e-5)


def test_normalising_does_not_matter_to_base(corpus: Path) -> None:
    audio, (row, *_) = open_audio(corpus), rows_of(corpus)
    ((_, (with_it,)),) = HubertTeacher(small(), audio, normalise=True)([row], (2,))
    ((_, (without,)),) = HubertTeacher(small(), audio, normalise=False)([row], (2,))
    assert torch.allclose(with_it, without, atol=1e-2)


def test_commands_fit_and_label(corpus: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--teacher", "hubert", "--model", str(model_folder), "--layers", "2", "--units", "8"]
    assert main(["fit", str(corpus), *options]) == 0
    book = Codebook.load(corpus / "units-hubert2-codebook.npz")
    assert book.centroids.shape == (8, 32)
    assert torch.equal(book.std, torch.ones(32))
    assert book.teacher.startswith("hubert ")
    assert main(["fit", str(corpus), *options]) == 0
    assert "there already" in capsys.readouterr().out
    assert main(["label", str(corpus), *options]) == 0
    units = np.load(corpus / "units-hubert2.npy")
    assert units.dtype == np.uint16
    assert units.size == sum(FRAMES)
    assert 1 < len(set(units.tolist())) <= 8
    assert int(units.max()) < 8
    teacher = HubertTeacher(load_hubert(model_folder), open_audio(corpus), normalise=False)
    for row, (found,) in teacher(rows_of(corpus), (2,)):
        place = slice(row.start // 320, (row.start + row.length) // 320)
        assert (units[place] == book.units(found).numpy()).all()


def test_published_centroids_label_and_other_models_are_refused(
    corpus: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    centroids = np.random.default_rng(0).standard_normal((12, 32)).astype(np.float32)
    np.save(tmp_path / "km.npy", centroids)
    options = ["--teacher", "hubert", "--layers", "3", "--codebook", str(tmp_path / "km.npy")]
    assert main(["label", str(corpus), *options, "--model", str(model_folder)]) == 0
    assert np.array_equal(Codebook.load(corpus / "units-hubert3-codebook.npz").centroids.numpy(), centroids)
    np.save(tmp_path / "km.npy", centroids[:, :16])
    assert main(["label", str(corpus), *options, "--model", str(model_folder)]) == CorpusError.exit_code
    assert "16 dimensions for features of 32" in capsys.readouterr().err
    other = small()
    with torch.no_grad():
        other.encoder.layer_norm.bias += 1
    other.save_pretrained(tmp_path / "other")
    mixed = ["label", str(corpus), *options[:4], "--model", str(tmp_path / "other")]
    assert main(mixed) == CorpusError.exit_code
    assert "labels of two do not mix" in capsys.readouterr().err


@pytest.fixture
def copied(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def test_damaged_models_are_named(copied: Path) -> None:
    weights = copied / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="no usable HuBERT"):
        load_hubert(copied)
    weights.unlink()
    with pytest.raises(CheckpointError, match="no usable HuBERT"):
        load_hubert(copied)
    settings = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(settings | {"model_type": "wav2vec2"}))
    with pytest.raises(CheckpointError, match="type wav2vec2"):
        load_hubert(copied)
    (copied / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load_hubert(copied)


def test_missing_weights_are_named(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copied / "model.safetensors")
    del tensors["encoder.layers.1.attention.k_proj.weight"]
    save_file(tensors, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks the weights encoder\.layers\.1\.attention\.k_proj\.weight"):
        load_hubert(copied)


def test_a_model_with_other_frames_is_refused(tmp_path: Path) -> None:
    small(conv_stride=(5, 2, 2, 2, 2, 2, 1)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="no frames of 320 samples"):
        load_hubert(tmp_path)


def test_a_model_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RuntimeUnavailableError, match="hf download facebook/hubert-base-ls960"):
        load_hubert("nobody/no-such-model")


def test_whether_a_model_wants_normalised_samples(model_folder: Path, tmp_path: Path) -> None:
    assert not wants_normalised(model_folder)
    assert wants_normalised(tmp_path)


def test_layers_that_are_not_there(
    corpus: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", str(corpus), "--teacher", "hubert", "--model", str(model_folder), "--layers", "4"]) == 7
    assert "from 0 to 3" in capsys.readouterr().err
