"""Fine-tunes a whole model on rows of one problem with a plain loop of PyTorch and transformers.

    python bench/peer_problem.py --problem multi-label|tokens|relevance --model M --train F --dev F
                                 [--epochs 5] [--lr 5e-5] [--batch-size 32] [--max-length 128] [--rows N] [--seed 0]

Rows are those that hifi reads: JSON lines with `text` and a list `labels` (multi-label), CoNLL (tokens), a TSV with
`question`, `answer` and `label` (relevance). Needs seqeval and scikit-learn beside PyTorch and transformers.
Rows of similar lengths are together in a batch. AdamW trains every parameter, with a linear schedule after a warm-up of 6 % of the steps and clipping by global norm
1.0: hifi's schedule. Prints a JSON line per epoch: seconds of its training, the mean loss, and the dev metrics. As in
hifi, a label's threshold is the probability of best F1 on the dev rows; `f1_micro_at_half` has 0.5 for every label.
"""

import argparse
import csv
import json
import time

import numpy as np
import torch
from peer_job import like_lengths
from seqeval.metrics import f1_score as entity_f1
from sklearn.metrics import average_precision_score, f1_score, ndcg_score, precision_recall_curve
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()


class MultiLabel:
    def read(self, path):
        with open(path, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        return [row["text"] for row in rows], [row["labels"] for row in rows]

    def fit(self, labels):
        self.names = sorted({label for row in labels for label in row})
        self.outputs = len(self.names)

    def encode(self, tokenizer, texts, labels, options):
        targets = [[float(name in row) for name in self.names] for row in labels]
        return [{"ids": ids} for ids in tokenizer(texts, **options)["input_ids"]], targets

    def loss(self, logits, rows, targets):
        return binary_cross_entropy_with_logits(logits, torch.tensor(targets))

    def metrics(self, logits, rows, targets):
        probabilities, truth = torch.sigmoid(torch.stack(logits)).numpy(), np.array(targets)
        thresholds = [best_threshold(of, right) for of, right in zip(probabilities.T, truth.T)]
        chosen = probabilities >= thresholds
        score = lambda guess, average: f1_score(truth, guess, average=average, zero_division=0)
        half = score(probabilities >= 0.5, "micro")
        return {"f1_micro": score(chosen, "micro"), "f1_macro": score(chosen, "macro"), "f1_micro_at_half": half}


class Tokens:
    def read(self, path):
        with open(path, encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("\t") for line in file] + [[""]]
        texts, labels, words = [], [], []
        for cells in lines:
            if cells[0].strip():
                words.append(cells)
            elif words:
                texts.append([word[0] for word in words])
                labels.append([word[-1] for word in words])
                words = []
        return texts, labels

    def fit(self, labels):
        self.names = sorted({tag for row in labels for tag in row})
        self.outputs = len(self.names)

    def encode(self, tokenizer, texts, labels, options):
        encoded = tokenizer(texts, is_split_into_words=True, **options)
        rows = []
        for row, ids in enumerate(encoded["input_ids"]):
            words = encoded.word_ids(row)
            first = [at for at, word in enumerate(words) if word is not None and word != words[at - 1]]
            tags = [self.names.index(labels[row][words[at]]) for at in first]
            rows.append({"ids": ids, "first": first, "tags": tags})
        return rows, labels

    def loss(self, logits, rows, targets):
        asked = torch.cat([logits[i, row["first"]] for i, row in enumerate(rows)])
        return cross_entropy(asked, torch.tensor([tag for row in rows for tag in row["tags"]]))

    def metrics(self, logits, rows, targets):
        found = [[self.names[tag] for tag in of[row["first"]].argmax(-1).tolist()] for of, row in zip(logits, rows)]
        padded = [tags + ["O"] * (len(right) - len(tags)) for tags, right in zip(found, targets)]
        return {"f1": entity_f1(targets, padded)}


class Relevance:
    outputs = 1

    def read(self, path):
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        return [(row["question"], row["answer"]) for row in rows], [float(row["label"]) for row in rows]

    def fit(self, labels):
        pass

    def encode(self, tokenizer, texts, labels, options):
        first, second = zip(*texts)
        encoded = tokenizer(list(first), list(second), return_token_type_ids=True, **options)
        columns = zip(encoded["input_ids"], encoded["token_type_ids"], first)
        return [{"ids": ids, "types": types, "query": query} for ids, types, query in columns], labels

    def loss(self, logits, rows, targets):
        return binary_cross_entropy_with_logits(logits[:, 0], torch.tensor(targets))

    def metrics(self, logits, rows, targets):
        scores, queries = np.array([float(of[0]) for of in logits]), np.array([row["query"] for row in rows])
        truth, ndcgs, ranks = np.array(targets), [], []
        for query in set(queries.tolist()):
            of, score = truth[queries == query], scores[queries == query]
            if of.max() == 0:
                continue
            ndcgs.append(ndcg_score([of], [score], k=10) if len(of) > 1 else 1.0)
            rank = 1 + int(np.flatnonzero(of[np.lexsort((of > 0, -score))] > 0)[0])
            ranks.append(1 / rank if rank <= 10 else 0.0)
        precision = average_precision_score(truth > 0, scores)
        return {"ndcg_at_10": np.mean(ndcgs), "mrr_at_10": np.mean(ranks), "average_precision": precision}


PROBLEMS = {"multi-label": MultiLabel, "tokens": Tokens, "relevance": Relevance}


def best_threshold(probabilities, truth):
    if truth.max() == 0:
        return 0.5
    precision, recall, thresholds = precision_recall_curve(truth, probabilities)
    sums = precision + recall
    return thresholds[np.argmax(np.divide(2 * precision * recall, sums, out=np.zeros_like(sums), where=sums > 0)[:-1])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", choices=PROBLEMS, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--dev", required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    problem = PROBLEMS[args.problem]()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    options = {"truncation": "longest_first", "max_length": args.max_length}
    texts, labels = (each[: args.rows] for each in problem.read(args.train))
    problem.fit(labels)
    rows, targets = problem.encode(tokenizer, texts, labels, options)
    dev_rows, dev_targets = problem.encode(tokenizer, *problem.read(args.dev), options)
    tagged = args.problem == "tokens"
    kind = AutoModelForTokenClassification if tagged else AutoModelForSequenceClassification
    model = kind.from_pretrained(args.model, num_labels=problem.outputs)

    def logits_of(batch):
        inputs = {"input_ids": [row["ids"] for row in batch]}
        if "types" in batch[0]:
            inputs["token_type_ids"] = [row["types"] for row in batch]
        return model(**tokenizer.pad(inputs, return_tensors="pt")).logits

    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.0, fused=True)
    steps = args.epochs * -(-len(rows) // args.batch_size)
    warmup = max(1, round(0.06 * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
    )
    generator = torch.Generator().manual_seed(args.seed)
    for epoch in range(1, args.epochs + 1):
        start, total = time.perf_counter(), 0.0
        model.train()
        for chosen in like_lengths([len(row["ids"]) for row in rows], args.batch_size, generator):
            batch = [rows[i] for i in chosen]
            loss = problem.loss(logits_of(batch), batch, [targets[i] for i in chosen])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            total += loss.item() * len(batch)
        seconds = time.perf_counter() - start
        model.eval()
        logits = [None] * len(dev_rows)
        order = sorted(range(len(dev_rows)), key=lambda i: len(dev_rows[i]["ids"]))
        with torch.inference_mode():
            for at in range(0, len(order), args.batch_size):
                chosen = order[at : at + args.batch_size]
                for i, found in zip(chosen, logits_of([dev_rows[i] for i in chosen])):
                    logits[i] = found
        found = problem.metrics(logits, dev_rows, dev_targets)
        metrics = {name: round(float(value), 4) for name, value in found.items()}
        line = {"epoch": epoch, "trainLoss": round(total / len(rows), 4), "seconds": round(seconds, 1), "dev": metrics}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
