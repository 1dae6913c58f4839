"""Measures the same head analysis with PyTorch, NumPy and NetworkX, as a user would write it.

    python bench/peer_analysis.py --model M --data F (--task cola | --text-columns a[,b]) [--heads heads.json]
                                  [--samples 300] [--seed 0] [--max-length 128] [--batch-size 32] [--repeat 3]
                                  [--spectrum gram|svd] [--threads N] [--serve]

Fastest sensible settings: inference mode, float32 forward with scaled-dot-product attention, batches of similar
lengths padded to their longest, all threads; the last layer ends at its heads. Singular values in float64, per sequence without
padding, all heads of a batch's sequences in a pool of threads: from the smaller Gram matrix (`gram`), or NumPy's SVD
(`svd`). PageRank from NetworkX, a graph a layer, correlation pearson, teleport richness, damping 0.5.

With --heads the rows are the sampleIds of that heads.json, else a sample drawn here. The time is that of tokenizing,
forward and statistics, without loading the model or reading the file. Prints one JSON document: `seconds` (median of
--repeat runs after one not counted), all `runs`, the stages' seconds of the median run, richness and pagerank
[L][H], so that the two can be compared.

--serve prints {"ready": true, …}, then for each line `run` on stdin one
JSON line of a run's seconds; `quit` ends it.
"""

import argparse
import csv
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import networkx as nx
import numpy as np
import torch
import transformers
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()

XI_GRID = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
TASK_COLUMNS = {
    "cola": (3,),
    "sst2": ("sentence",),
    "stsb": ("sentence1", "sentence2"),
    "qnli": ("question", "sentence"),
    "rte": ("sentence1", "sentence2"),
    "mnli": ("sentence1", "sentence2"),
    "qqp": ("question1", "question2"),
}


class LastHeads(Exception):
    """Raised by the last layer's hook, which ends the forward pass after its heads."""


def read_texts(path, task, text_columns):
    text = Path(path).read_bytes().decode("utf-8-sig")
    quoting = csv.QUOTE_MINIMAL if str(path).endswith(".csv") else csv.QUOTE_NONE
    rows = list(
        csv.reader(
            text.splitlines(keepends=True), delimiter="," if quoting == csv.QUOTE_MINIMAL else "\t", quoting=quoting
        )
    )
    columns = TASK_COLUMNS[task] if task else tuple(text_columns.split(","))
    if not isinstance(columns[0], int):
        header = rows.pop(0)
        columns = tuple(header.index(name) for name in columns)
    return [[row[column] for column in columns] for row in rows]


class Analysis:
    def __init__(self, args):
        self.args = args
        self.model = AutoModel.from_pretrained(args.model, attn_implementation="sdpa").eval()
        self.tokenizer = AutoTokenizer.from_pretrained(args.model)
        config = self.model.config
        self.layers, self.heads = config.num_hidden_layers, config.num_attention_heads
        self.dh = config.hidden_size // self.heads
        self.max_length = min(args.max_length, config.max_position_embeddings)
        self.contexts = []
        for index, layer in enumerate(self.model.encoder.layer):
            layer.attention.output.dense.register_forward_pre_hook(self.keeper(index))
        texts = read_texts(args.data, args.task, args.text_columns)
        if args.heads:
            ids = json.loads(Path(args.heads).read_text())["data"]["sampleIds"]
        else:
            ids = np.random.default_rng(args.seed).permutation(len(texts))[: args.samples]
        self.texts = [texts[row] for row in ids]
        self.pool = ThreadPoolExecutor(torch.get_num_threads())

    def keeper(self, index):
        def keep(_module, inputs):
            self.contexts.append(inputs[0])
            if index == self.layers - 1:
                raise LastHeads

        return keep

    def forward(self, batch):
        """Rows of token ids → the layers' contexts [L, B, S, d]."""
        inputs = self.tokenizer.pad(batch, return_tensors="pt")
        self.contexts = []
        try:
            with torch.inference_mode():
                self.model(**inputs)
        except LastHeads:
            pass
        return torch.stack(self.contexts).numpy()

    def sequence(self, context):
        """One sequence [L, S, d] → t [L, H, xi], |r| [L·H, L·H], activation [L, H]."""
        tokens = context.shape[1]
        outputs = context.astype(np.float64).reshape(self.layers, tokens, self.heads, self.dh).transpose(0, 2, 1, 3)
        if self.args.spectrum == "svd":
            sigma = np.linalg.svd(outputs, compute_uv=False)
            energy = (sigma**2).sum(-1)
        else:
            turned = outputs.transpose(0, 1, 3, 2)
            gram = outputs @ turned if tokens < self.dh else turned @ outputs
            sigma = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))[..., ::-1]
            energy = gram.trace(axis1=-2, axis2=-1)
        running = np.cumsum(sigma, -1)
        limits = XI_GRID * running[..., -1:] * (1 - 1e-12)  # [L, H, xi]
        t = 1 + (running[..., None, :] >= limits[..., None]).argmax(-1)
        means = outputs.mean(2).reshape(-1, self.dh)
        return t, np.abs(np.corrcoef(means)), energy / (tokens * self.dh)

    def run(self):
        clock = [time.perf_counter()]
        tick = lambda: clock.append(time.perf_counter())
        columns = [list(column) for column in zip(*self.texts)]
        encoded = self.tokenizer(
            *columns, truncation="longest_first" if len(columns) > 1 else True, max_length=self.max_length
        )
        order = sorted(range(len(self.texts)), key=lambda row: len(encoded["input_ids"][row]))
        tick()
        forward = 0.0
        t, correlation, activation = 0, 0, 0
        for at in range(0, len(order), self.args.batch_size):
            rows = order[at : at + self.args.batch_size]
            start = time.perf_counter()
            contexts = self.forward({key: [encoded[key][row] for row in rows] for key in encoded})
            forward += time.perf_counter() - start
            lengths = [len(encoded["input_ids"][row]) for row in rows]
            for found in self.pool.map(self.sequence, (contexts[:, i, :length] for i, length in enumerate(lengths))):
                t, correlation, activation = t + found[0], correlation + found[1], activation + found[2]
        tick()
        n = len(order)
        richness, correlation = t[..., XI_GRID == 0.9][..., 0] / n, correlation / n
        ranks = []
        for layer in range(self.layers):
            span = slice(layer * self.heads, (layer + 1) * self.heads)
            edges = correlation[span, span].copy()
            np.fill_diagonal(edges, 0)
            v = dict(enumerate(richness[layer] / richness[layer].sum()))
            found = nx.pagerank(nx.from_numpy_array(edges), alpha=0.5, personalization=v, dangling=v, tol=1e-10)
            ranks.append([found[head] for head in range(self.heads)])
        tick()
        stages = {
            "tokenize": clock[1] - clock[0],
            "forward": forward,
            "statistics": clock[2] - clock[1] - forward,
            "rank": clock[3] - clock[2],
        }
        return clock[3] - clock[0], stages, richness.tolist(), ranks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--task", choices=sorted(TASK_COLUMNS))
    parser.add_argument("--text-columns")
    parser.add_argument("--heads")
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--spectrum", choices=("gram", "svd"), default="gram")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--serve", action="store_true")
    args = parser.parse_args()
    if bool(args.task) == bool(args.text_columns):
        parser.error("give --task or --text-columns")
    if args.threads:
        torch.set_num_threads(args.threads)
    analysis = Analysis(args)
    about = {
        "samples": len(analysis.texts),
        "threads": torch.get_num_threads(),
        "spectrum": args.spectrum,
        "batchSize": args.batch_size,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if args.serve:
        print(json.dumps({"ready": True, **about}), flush=True)
        for line in sys.stdin:
            if line.strip() == "quit":
                return
            print(json.dumps({"seconds": round(analysis.run()[0], 5)}), flush=True)
        return
    analysis.run()
    runs = [analysis.run() for _ in range(args.repeat)]
    median = statistics.median_low(run[0] for run in runs)
    _, stages, richness, ranks = next(run for run in runs if run[0] == median)
    print(
        json.dumps(
            {
                "seconds": round(median, 5),
                "runs": [round(run[0], 5) for run in runs],
                "stages": {name: round(value, 5) for name, value in stages.items()},
                **about,
                "richness": richness,
                "pagerank": ranks,
            }
        )
    )


if __name__ == "__main__":
    main()
