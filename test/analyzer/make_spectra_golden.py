"""Golden values for test/analyzer: NumPy's eigenvalues and singular values, LAPACK in float64.

    python test/analyzer/make_spectra_golden.py          → spectra.golden.json beside this script

Needs test/fixtures/requirements.txt. Matrices are written whole, row by row; the values descending.
"""

import json
from pathlib import Path

import numpy as np


def main():
    rng = np.random.default_rng(7)
    symmetric = []
    for n in (1, 2, 3, 9, 32):
        half = rng.normal(size=(n, n))
        symmetric.append(half + half.T)
    graded = rng.normal(size=(12, 12)) * np.logspace(0, -7, 12)
    symmetric.append(graded.T @ graded)
    matrices = [rng.normal(size=shape) for shape in [(1, 1), (4, 4), (20, 9), (40, 32)]]
    matrices.append(rng.normal(size=(16, 3)) @ rng.normal(size=(3, 10)))  # rank 3
    matrices.append(rng.normal(size=(16, 8)) * np.logspace(0, -12, 8))  # graded
    golden = {
        "symmetric": [{"n": len(a), "matrix": a.ravel().tolist(), "eigenvalues": np.linalg.eigvalsh(a)[::-1].tolist()} for a in symmetric],
        "singular": [
            {"rows": a.shape[0], "columns": a.shape[1], "matrix": a.ravel().tolist(),
             "values": np.linalg.svd(a, compute_uv=False).tolist()}
            for a in matrices
        ],
    }
    Path(__file__).with_name("spectra.golden.json").write_text(json.dumps(golden) + "\n")


main()
