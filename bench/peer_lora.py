"""Measures a training step with PyTorch and PEFT's LoRA.

    python bench/peer_lora.py --model M [--mode lora|lora-top|shira|masked|full] [--shapes 16x128,32x16] [--steps 10] [--warmup 3]
                              [--threads N] [--precision float32|bf16] [--seed 0]
    python bench/peer_lora.py --model M [--mode …] [--precision …] --serve

Modes
    lora      PEFT LoRA, r = 8, alpha 16, on query and value of every layer (Wqkv in ModernBERT), pooler and classifier
              trained whole
    lora-top  the same in the upper half of the layers alone (layers_to_transform)
    shira     PEFT SHiRA on the rows of --k heads a layer in query, key and value: the parameters that hifi trains, except biases
    masked    gradients of the full Q/K/V matrices multiplied by a mask of --k heads a layer, and the task head
    full      every parameter
shira and masked know BERT's names alone. Each runs the model's …ForSequenceClassification (2 classes) in float32 with the model's default attention (scaled-dot-product,
or eager where transformers has no other, as for MPNet) and the config's dropout, fused AdamW, clipping by global norm 1.0, on random full-length tokens: no padding. A step is forward,
backward, clipping and update. With --precision bf16 the forward pass runs under torch.autocast(bfloat16); weights,
gradients and moments stay float32. Prints a JSON line per shape: median, least and most seconds over --steps steps, after
--warmup steps not counted.

--serve, so that another program can interleave its own steps with these: prints one JSON line {"ready": true, …}
when the model is loaded; then for each line `step B S` on stdin runs one step and prints its seconds, a number a
line, and for a line `peak` the highest resident memory so far in bytes. A line `quit` or the end of stdin ends it.
Warm-up is the caller's.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import peft
import torch
import transformers
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()


class Trainer:
    def __init__(self, folder, mode, k, seed, precision="float32"):
        torch.manual_seed(seed)
        self.masks = []
        self.autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
        self.vocabulary = model.config.vocab_size
        if mode == "masked":
            self.mask(model, k)
        elif mode != "full":
            model = peft.get_peft_model(model, adapter(mode, model.config, k))
        self.model = model.train()
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-4, weight_decay=0.0, fused=True)

    def mask(self, model, k):
        heads = model.config.num_attention_heads
        head_dim = model.config.hidden_size // heads
        for name, parameter in model.named_parameters():
            part = next((p for p in ("query", "key", "value") if f".self.{p}." in name), None)
            trained = part is not None and not name.endswith("key.bias") or "pooler" in name or "classifier" in name
            parameter.requires_grad_(trained)
            if trained and part:
                mask = torch.zeros(heads, head_dim)
                mask[torch.randperm(heads)[:k]] = 1
                mask = mask.view(-1, *[1] * (parameter.ndim - 1))
                self.masks.append((parameter, mask))

    def step(self, batch, tokens):
        """→ seconds of one step on a new random batch [batch, tokens]."""
        ids = torch.randint(1000 if self.vocabulary > 2000 else 5, self.vocabulary, (batch, tokens))
        labels = torch.randint(0, 2, (batch,))
        mask = torch.ones_like(ids)
        start = time.perf_counter()
        self.update(ids, mask, labels)
        return time.perf_counter() - start

    def update(self, ids, mask, labels, rate=None):
        """One step, at the learning rate `rate` if that is given."""
        for group in self.optimizer.param_groups if rate else ():
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss = self.model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        for parameter, kept in self.masks:
            parameter.grad *= kept
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()


# Modules by model_type: those with query and value, and the task head.
MODULES = {
    "bert": (["query", "value"], ["pooler", "classifier"]),
    "mpnet": (["q", "v"], ["classifier"]),
    "modernbert": (["Wqkv"], ["head", "classifier"]),
    "qwen3": (["q_proj", "v_proj"], ["score"]),
}


def adapter(mode, config, k):
    """→ the PEFT configuration of a mode."""
    modules, head = MODULES[config.model_type]
    whole = {"task_type": "SEQ_CLS", "modules_to_save": head}
    if mode == "shira":
        rows = k * config.hidden_size // config.num_attention_heads

        def head_rows(base_layer, r, **_):
            mask = torch.zeros_like(base_layer.weight)
            mask[:rows] = 1
            return mask

        # SHiRA counts r · (in + out) parameters per matrix: here k·dh rows of d.
        shira = peft.ShiraConfig(r=rows // 2, target_modules=["query", "key", "value"], **whole)
        shira.mask_fn = head_rows
        return shira
    layers = None if mode == "lora" else list(range(config.num_hidden_layers // 2, config.num_hidden_layers))
    targets = {"target_modules": modules, "layers_to_transform": layers}
    return peft.LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, **targets, **whole)


def peak_bytes():
    """→ highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve(trainer, about):
    print(json.dumps({"ready": True, **about}), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            return
        if words == ["peak"]:
            print(peak_bytes(), flush=True)
            continue
        if len(words) != 3 or words[0] != "step":
            raise SystemExit(f"not understood: {line.strip()!r}; 'step B S', 'peak' or 'quit' would be")
        print(f"{trainer.step(int(words[1]), int(words[2])):.6f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--mode", choices=("lora", "lora-top", "shira", "masked", "full"), default="lora")
    parser.add_argument("--k", type=int, default=3)
    parser.add_argument("--shapes", default="16x128,32x16")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    trainer = Trainer(args.model, args.mode, args.k, args.seed, args.precision)
    about = {
        "mode": args.mode,
        "precision": args.precision,
        "threads": torch.get_num_threads(),
        "trainableParameters": sum(p.numel() for p in trainer.parameters),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
    }
    if args.serve:
        serve(trainer, about)
        return
    for shape in args.shapes.split(","):
        batch, tokens = map(int, shape.split("x"))
        seconds = [trainer.step(batch, tokens) for _ in range(args.warmup + args.steps)][args.warmup :]
        print(
            json.dumps(
                {
                    "batch": batch,
                    "tokens": tokens,
                    "steps": args.steps,
                    "medianSeconds": round(statistics.median(seconds), 5),
                    "minSeconds": round(min(seconds), 5),
                    "maxSeconds": round(max(seconds), 5),
                    **about,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
