"""Measures a whole fine-tuning job with PyTorch and PEFT's LoRA on a GLUE task.

    python bench/peer_job.py --model M --train train.tsv --dev dev.tsv [--mode lora|lora-top|shira|masked|full]
                             [--epochs 3] [--batch-size 32] [--max-length 128] [--threads N]
                             [--precision float32|bf16] [--seed 0]

CoLA's format: label in column 1, sentence in column 3, no header. Fastest sensible settings: a fast tokenizer, rows
of similar lengths together (shuffled within and among groups of 50 batches), each batch padded to its longest, scaled-dot-
product attention, fused AdamW, evaluation in inference mode on rows sorted by length. The modes and precisions are peer_lora.py's. The
learning rate has hifi's defaults: up to 1e-3 in the first 0.06 of the steps, then down to 0, both linear.
Prints one JSON line: seconds of each epoch, of the evaluations, of the whole job from its start with loading, the
highest resident memory, and the dev set's Matthews correlation after each epoch.
"""

import argparse
import json
import time

START = time.perf_counter()

import torch
from peer_lora import Trainer, peak_bytes
from transformers import AutoTokenizer


PEAK_RATE, WARMUP = 1e-3, 0.06


def learning_rate(step, steps):
    warmup = max(1, round(WARMUP * steps))
    return PEAK_RATE * min((step + 1) / warmup, (steps - step) / (steps - warmup))


def read(path):
    with open(path, encoding="utf-8") as file:
        cells = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    return [cell[3] for cell in cells], [int(cell[1]) for cell in cells]


def like_lengths(lengths, size, generator):
    """Shuffled batches of rows of similar lengths, like transformers' LengthGroupedSampler."""
    order = torch.randperm(len(lengths), generator=generator).tolist()
    groups = [order[at : at + 50 * size] for at in range(0, len(order), 50 * size)]
    rows = [row for group in groups for row in sorted(group, key=lambda row: -lengths[row])]
    batches = [rows[at : at + size] for at in range(0, len(rows), size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator)]


def matthews(predicted, labels):
    tp = sum(p and y for p, y in zip(predicted, labels))
    tn = sum(not p and not y for p, y in zip(predicted, labels))
    fp, fn = sum(predicted) - tp, sum(labels) - tp
    root = ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5
    return (tp * tn - fp * fn) / root if root else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--dev", required=True)
    parser.add_argument("--mode", choices=("lora", "lora-top", "shira", "masked", "full"), default="lora")
    parser.add_argument("--k", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    trainer = Trainer(args.model, args.mode, args.k, args.seed, args.precision)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    (texts, labels), (dev_texts, dev_labels) = read(args.train), read(args.dev)
    encoded = tokenizer(texts, truncation=True, max_length=args.max_length)["input_ids"]
    dev = tokenizer(dev_texts, truncation=True, max_length=args.max_length)["input_ids"]
    pad = lambda rows: tokenizer.pad({"input_ids": rows}, return_tensors="pt")
    generator = torch.Generator().manual_seed(args.seed)

    steps = args.epochs * -(-len(encoded) // args.batch_size)
    step, epochs, evaluations, metrics = 0, [], [], []
    for _ in range(args.epochs):
        start = time.perf_counter()
        trainer.model.train()
        for rows in like_lengths([len(ids) for ids in encoded], args.batch_size, generator):
            batch = pad([encoded[row] for row in rows])
            answers = torch.tensor([labels[row] for row in rows])
            trainer.update(batch["input_ids"], batch["attention_mask"], answers, learning_rate(step, steps))
            step += 1
        epochs.append(time.perf_counter() - start)
        start = time.perf_counter()
        trainer.model.eval()
        predicted = [0] * len(dev)
        order = sorted(range(len(dev)), key=lambda row: len(dev[row]))
        with torch.inference_mode(), trainer.autocast():
            for at in range(0, len(order), args.batch_size):
                rows = order[at : at + args.batch_size]
                logits = trainer.model(**pad([dev[row] for row in rows])).logits
                for row, found in zip(rows, logits.argmax(-1).tolist()):
                    predicted[row] = found
        evaluations.append(time.perf_counter() - start)
        metrics.append(matthews(predicted, dev_labels))
    print(
        json.dumps(
            {
                "epochSeconds": [round(seconds, 3) for seconds in epochs],
                "evaluationSeconds": [round(seconds, 3) for seconds in evaluations],
                "seconds": round(time.perf_counter() - START, 3),
                "peakRssBytes": peak_bytes(),
                "matthews": [round(value, 4) for value in metrics],
                "mode": args.mode,
                "threads": torch.get_num_threads(),
            }
        )
    )


if __name__ == "__main__":
    main()
