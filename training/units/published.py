"""Read k-means that others published, without running what is in their files.

scikit-learn's k-means, such as those of fairseq and textless-lib (`km.bin`), come as joblib files, which are pickles:
to load one is to run whatever it contains. Convert such a file where nothing can be harmed, for instance in a container
without network, with the same scikit-learn that wrote it:

    python -c "import joblib, numpy; numpy.save('km.npy', joblib.load('km.bin').cluster_centers_.astype('float32'))"
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch

from streamvc.errors import CorpusError
from streamvc.training.units.codebook import KEYS, Codebook

NAMES = ("centroids", "cluster_centers", "cluster_centers_", "means")
CONVERT = "numpy.save('km.npy', joblib.load('km.bin').cluster_centers_)"


def read_codebook(path: Path) -> Codebook:
    """A codebook of ours, or bare centroids float [k, d]: a `.npy` file, or a `.npz` file with one of `NAMES`.

    Raises:
        CorpusError: it is a pickle, or holds no centroids.
    """
    if not path.is_file():
        raise CorpusError(f"{path} is no file; give a codebook (.npz) or centroids (.npy).")
    if not zipfile.is_zipfile(path) and path.read_bytes()[:6] != b"\x93NUMPY":
        raise CorpusError(
            f"{path} is neither .npy nor .npz; a joblib or pickle file could run code, so convert it in a safe place "
            f"(docs/corpora.md): {CONVERT}."
        )
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            centroids = loaded
        else:
            with loaded:
                if all(key in loaded for key in KEYS):
                    return Codebook.load(path)
                name = next((name for name in NAMES if name in loaded), None)
                if name is None:
                    raise CorpusError(f"{path} has none of {', '.join(NAMES)}; save the centroids under one of them.")
                centroids = loaded[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path} cannot be read as centroids ({error}); convert or fetch it again.") from error
    if centroids.ndim != 2 or centroids.dtype.kind != "f" or len(centroids) < 2 or not np.isfinite(centroids).all():
        raise CorpusError(f"{path} holds no centroids, which are finite numbers [units, dimensions]; convert it again.")
    return Codebook.plain(torch.from_numpy(np.array(centroids, np.float32)))
