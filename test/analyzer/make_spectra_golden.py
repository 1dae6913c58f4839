"""Golden values for test/analyzer: NumPy's eigenvalues and singular values, LAPACK in float64.

    python test/analyzer/make_spectra_golden.py          → spectra.golden.json beside this script

Needs test/fixtures/requirements.txt. Matrices are written whole, row by row, with their values in
descending order. For Gram matrices only the values are written, in the order of their seeds:
gram-matrices.ts makes the same matrices.
"""

import json
from pathlib import Path

import numpy as np


GRAM_SEEDS = 150


def gram_matrix(seed: int) -> np.ndarray:
    """The matrix of gram-matrices.ts, draw by draw. It is exact, so that the order of its sums does not matter."""
    state = seed % 2147483646 + 1

    def draw(n: int) -> int:
        nonlocal state
        state = state * 48271 % 2147483647
        return state % n

    for _ in range(8):
        draw(1)
    n = 2 + draw(127)
    rows = 1 + draw(n) if draw(3) == 0 else n + draw(64)
    live = [100, 10, 50, 5][draw(4)]
    grade = [0, 0, 1, 4][draw(4)]
    scale = [0, -30, 12][draw(3)]
    outputs = np.zeros((rows, n))
    for column in range(n):
        if draw(100) >= live:
            continue
        factor = 2.0 ** (scale - grade * column * 16 // n)
        for row in range(rows):
            outputs[row, column] = (draw(2001) - 1000) * factor
    return outputs.T @ outputs


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
    grams = [gram_matrix(seed) for seed in range(GRAM_SEEDS)]
    golden = {
        "gram": [[float(f"{value:.13g}") for value in np.linalg.eigvalsh(a)[::-1]] for a in grams],
        "symmetric": [{"n": len(a), "matrix": a.ravel().tolist(), "eigenvalues": np.linalg.eigvalsh(a)[::-1].tolist()} for a in symmetric],
        "singular": [
            {"rows": a.shape[0], "columns": a.shape[1], "matrix": a.ravel().tolist(),
             "values": np.linalg.svd(a, compute_uv=False).tolist()}
            for a in matrices
        ],
    }
    Path(__file__).with_name("spectra.golden.json").write_text(json.dumps(golden) + "\n")


main()
