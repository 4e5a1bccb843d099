"""A pool of voices does not depend on who embeds it."""

from __future__ import annotations

from pathlib import Path

from streamvc.training import speaker_pool
from streamvc.training.verifier import Verifier
from tests.dask_cluster import DaskCluster


def test_a_pool_by_a_cluster(
    verifier: Verifier, corpus_folder: Path, tmp_path: Path, dask_cluster: DaskCluster
) -> None:
    dask_cluster.have(2)
    for name, options in (("here", []), ("there", ["--cluster", str(dask_cluster.file)])):
        arguments = ["--corpus", str(corpus_folder), "--out", str(tmp_path / name), "--clips", "100"]
        speaker_pool.main([*arguments, *options])
    for name in ("clips.i16", "embeddings.npy", "speakers.json"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name
