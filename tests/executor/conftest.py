"""One cluster for the tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dask_cluster import DaskCluster, dask_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers, both there."""
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as running:
        running.wait_for_workers(2)
        yield running
