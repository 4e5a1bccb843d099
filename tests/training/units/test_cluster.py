"""Labels of a cluster are those of this process."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from streamvc.errors import ClusterError, CorpusError
from streamvc.executor import open_executor
from streamvc.training.units.__main__ import main
from streamvc.training.units.extract import open_audio
from streamvc.training.units.label import label_units
from streamvc.training.units.load import load_units
from streamvc.training.units.spread import LabelWork
from tests.dask_cluster import DaskCluster
from tests.training.units.test_hubert import corpus, model_folder, rows_of, small, transformers

__all__ = ["corpus", "model_folder", "small", "transformers"]  # fixtures, and what they need


def test_chunks_on_a_cluster(corpus: Path, model_folder: Path, tmp_path: Path, dask_cluster: DaskCluster) -> None:
    options = ["--teacher", "hubert", "--model", str(model_folder), "--layers", "1", "2", "--units", "8"]
    assert main(["fit", str(corpus), *options]) == 0
    other, third = tmp_path / "other", tmp_path / "third"
    shutil.copytree(corpus, other)
    shutil.copytree(corpus, third)
    dask_cluster.have(2)
    executor = open_executor(cluster=str(dask_cluster.file))
    for folder, spread in ((corpus, False), (other, True)):
        audio = open_audio(folder)
        source = load_units(folder, audio, "hubert", str(model_folder), "cpu", (1, 2))
        about = tuple(source.about(name) for name in source.names)
        work = LabelWork(folder, "hubert", str(model_folder), "cpu", (1, 2), 1, audio.size, about)
        by = partial(executor.map, work) if spread else None
        assert label_units(folder, rows_of(folder), source, chunk=1, by=by) == {"hubert1": 0, "hubert2": 0}
    # By the command, in one chunk.
    assert main(["label", str(third), *options, "--cluster", str(dask_cluster.file)]) == 0
    for name in ("units-hubert1.npy", "units-hubert2.npy"):
        expected = np.load(corpus / name)
        assert expected.max() < 8
        assert np.array_equal(np.load(other / name), expected)
        assert np.load(third / name).max() < 8


def test_workers_that_see_another_corpus_are_refused(
    corpus: Path, model_folder: Path, dask_cluster: DaskCluster
) -> None:
    options = ["--teacher", "hubert", "--model", str(model_folder), "--layers", "2", "--units", "8"]
    assert main(["fit", str(corpus), *options]) == 0
    dask_cluster.have(2)
    audio = open_audio(corpus)
    source = load_units(corpus, audio, "hubert", str(model_folder), "cpu", (2,))
    work = LabelWork(corpus, "hubert", str(model_folder), "cpu", (2,), 1, audio.size + 320, (source.about("hubert2"),))
    by = partial(open_executor(cluster=str(dask_cluster.file)).map, work)
    with pytest.raises((CorpusError, ClusterError), match="holds another corpus or other codebooks here"):
        label_units(corpus, rows_of(corpus), source, by=by)
