"""Golden values for test/heads: NetworkX's PageRank and SciPy's Spearman on seeded random graphs.

    python test/heads/make_ranking_golden.py          → ranking.golden.json beside this script

Needs test/fixtures/requirements.txt. The weight of each edge h → h' of a graph is r[h][h'], without
self loops. One graph has a row of zeros, which NetworkX calls dangling and spreads by `dangling`.
"""

import json
from pathlib import Path

import networkx as nx
import numpy as np
from scipy.stats import spearmanr


def pagerank(r, richness, damping, teleport):
    n = len(r)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_weighted_edges_from((i, j, r[i, j]) for i in range(n) for j in range(n) if i != j and r[i, j] > 0)
    start = {i: richness[i] / richness.sum() for i in range(n)}
    v = start if teleport == "richness" else {i: 1 / n for i in range(n)}
    scores = nx.pagerank(graph, alpha=damping, personalization=v, nstart=start, dangling=v, tol=1e-14, max_iter=10000)
    return [scores[i] for i in range(n)]


def main():
    rng = np.random.default_rng(20230501)
    graphs = []
    for n, zero_row in [(2, False), (3, False), (5, True), (12, False), (16, True)]:
        half = rng.random((n, n))
        r = (half + half.T) / 2
        np.fill_diagonal(r, 1)
        if zero_row:
            r[1, :] = 0
            r[:, 1] = 0
            r[1, 1] = 1
        richness = 1 + rng.random(n) * 20
        results = [
            {"damping": d, "teleport": t, "scores": pagerank(r, richness, d, t)}
            for d in (0.15, 0.5, 0.85, 0.97)
            for t in ("richness", "uniform")
        ]
        graphs.append({"correlation": r.tolist(), "richness": richness.tolist(), "results": results})
    spearmans = []
    for n in (2, 5, 12, 40):
        a = rng.integers(0, n, n).tolist()
        b = rng.random(n).tolist()
        spearmans.append({"a": a, "b": b, "rho": float(spearmanr(a, b).statistic)})
    golden = {"graphs": graphs, "spearman": [s for s in spearmans if np.isfinite(s["rho"])]}
    Path(__file__).with_name("ranking.golden.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
