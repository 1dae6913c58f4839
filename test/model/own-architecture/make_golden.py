"""Makes a small random checkpoint of an architecture that only a test knows, and its golden values by PyTorch.

    python test/model/own-architecture/make_golden.py       → config.json, model.safetensors, *.golden.* beside this script

The encoder has norms before attention and feed-forward, no biases, keys, queries and values in one matrix (in this
order), a gated feed-forward, learnt positions, and a classifier of the mean of the sequence's tokens. Token ids are those of
tiny-modernbert's tokenizer.

analysis.golden.json      like the files of test/fixtures/oracle.py: maxLength, headNorms, analyses {train}
training.golden.json      heads, classes, rows, gradientBatch, batches, options, loss, logits, losses, as those of
                          make_training_golden.py, with training.golden.safetensors: head/, gradient/ and final/NAME
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from torch import nn

HERE = Path(__file__).parent
FIXTURES = HERE.parent.parent / "fixtures"
sys.path.insert(0, str(FIXTURES))
import make_training_golden as training  # noqa: E402
import oracle  # noqa: E402

LAYERS, HEADS, DH, INNER, POSITIONS, CLASSES = 2, 3, 5, 11, 24, 3
D = HEADS * DH
CHOSEN = [[0, 2], [1]]
CASE = {"lr": 2e-3, "weightDecay": 0.1, "warmup": 0.06}
norm = lambda: nn.LayerNorm(D, eps=1e-5, bias=False)
dense = lambda into, out: nn.Linear(into, out, bias=False)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.before_attention, self.fused, self.out = norm(), dense(D, 3 * D), dense(D, D)
        self.before_gate, self.gate, self.down = norm(), dense(D, 2 * INNER), dense(INNER, D)

    def forward(self, x, mask):
        """x [B, S, D], mask [B, S] → [B, S, D]"""
        split = lambda part: part.unflatten(-1, (HEADS, DH)).transpose(1, 2)  # [B, H, S, dh]
        key, query, value = map(split, self.fused(self.before_attention(x)).chunk(3, -1))
        scores = query @ key.mT / DH**0.5 + (1 - mask)[:, None, None] * -1e9
        self.heads = scores.softmax(-1) @ value
        x = x + self.out(self.heads.transpose(1, 2).flatten(-2))
        gate, value = self.gate(self.before_gate(x)).chunk(2, -1)
        return x + self.down(nn.functional.silu(gate) * value)


class Classifier(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.words, self.places = nn.Embedding(vocabulary, D), nn.Embedding(POSITIONS, D)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.answer = dense(D, CLASSES)

    def forward(self, ids, mask):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        mean = (states[-1] * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return self.answer(mean), states


class Encoder:
    """What oracle.analyze needs of a model."""

    layers, heads, dh = LAYERS, HEADS, DH

    def __init__(self, model):
        self.model = model

    def __call__(self, row):
        ids = torch.tensor([row["ids"]])
        with torch.inference_mode():
            _, states = self.model(ids, torch.ones(ids.shape, dtype=torch.float64))
        outputs = torch.stack([layer.heads[0] for layer in self.model.layers])
        return outputs.numpy(), torch.stack(states)[:, 0].numpy()

    def head_norms(self):
        weights = [layer.fused.weight.detach().numpy() for layer in self.model.layers]
        return np.sqrt([(weight.reshape(3, HEADS, DH, D) ** 2).sum((0, 2, 3)) for weight in weights])


class Masked(training.MaskedModel):
    """The classifier whose only parameters are the chosen heads' slices and the task head."""

    def __init__(self, model):
        self.model, self.prefix, self.slices, self.padding = model, "", {}, {}
        self.frozen = {name: parameter.detach() for name, parameter in model.named_parameters()}
        for layer, heads in enumerate(CHOSEN):
            columns = torch.cat([torch.arange(h * DH, (h + 1) * DH) for h in heads])
            self.add(f"layers.{layer}.fused.weight", torch.cat([columns + third * D for third in range(3)]))
            self.add(f"layers.{layer}.out.weight", columns, columns=True)
        self.trainable = {name: leaf for name, (_, _, leaf) in self.slices.items()}
        self.trainable["answer.weight"] = self.frozen["answer.weight"].clone().requires_grad_(True)

    def __call__(self, rows):
        longest = max(len(row["ids"]) for row in rows)
        ids = torch.tensor([row["ids"] + [0] * (longest - len(row["ids"])) for row in rows])
        mask = torch.tensor([[1.0] * len(row["ids"]) + [0.0] * (longest - len(row["ids"])) for row in rows]).double()
        logits, _ = torch.func.functional_call(self.model, self.weights(), (ids, mask))
        return logits, nn.functional.cross_entropy(logits, torch.tensor([row["label"] for row in rows]))


def main():
    torch.set_num_threads(1)
    rng = np.random.default_rng(7)
    tokenizer = Tokenizer.from_file(str(FIXTURES / "tiny-modernbert" / "tokenizer.json"))
    tokenizer.enable_truncation(POSITIONS)
    model = Classifier(tokenizer.get_vocab_size()).double()
    for name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        drawn = rng.uniform(0.6, 1.4, shape) if len(shape) == 1 else rng.normal(0, 0.35, shape)
        if name.endswith("fused.weight"):
            drawn[2 * D :] *= np.concatenate([rng.uniform(0.5, 1.0) ** np.arange(DH) for _ in range(HEADS)])[:, None]
        parameter.data = torch.from_numpy(drawn.astype(np.float32)).double()
    tensors = {name: parameter.detach().float().numpy() for name, parameter in model.named_parameters()}
    head = {"head/answer.weight": tensors.pop("answer.weight")}
    save_file(tensors, HERE / "model.safetensors", metadata={"format": "pt"})
    config = {"model_type": "own", "depth": LAYERS, "heads": HEADS, "width": D, "inner": INNER}
    config |= {"words": tokenizer.get_vocab_size(), "places": POSITIONS, "pad": 0}
    (HERE / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    texts = [text for (text,) in oracle.read_texts(FIXTURES / "tiny-data" / "train.tsv", None, "sentence")]
    ids = [tokenizer.encode(text).ids for text in texts]
    rows = [{"ids": row, "typeIds": [0] * len(row)} for row in ids]
    analysis = oracle.analyze(Encoder(model), rows)
    norms = analysis.pop("headNorms")
    del analysis["t"]
    golden = {"maxLength": POSITIONS, "headNorms": norms, "analyses": {"train": {"rows": rows, **analysis}}}
    oracle.write_json(HERE / "analysis.golden.json", golden, depth=3, digits=7)

    masked = Masked(model)
    rows = [{**row, "label": int(rng.integers(CLASSES))} for row in rows[: training.ROWS]]
    batches = []
    for _ in range(training.STEPS * training.BATCH // training.ROWS):
        order = rng.permutation(training.ROWS).tolist()
        batches += [order[at : at + training.BATCH] for at in range(0, training.ROWS, training.BATCH)]
    batch = [rows[row] for row in batches[0]]
    logits, loss, gradient = training.gradients(masked, batch)
    training.check_by_differences(masked, batch, gradient, 7)
    losses, _, _ = training.train(masked, rows, batches, CASE)
    golden = {"heads": CHOSEN, "classes": CLASSES, "rows": rows, "gradientBatch": batches[0], "batches": batches}
    golden |= {"options": {**CASE, "steps": training.STEPS, "clip": 1.0}, "loss": loss.item()}
    golden |= {"logits": logits.tolist(), "losses": losses}
    oracle.write_json(HERE / "training.golden.json", golden, depth=1)
    for kind, values in (("gradient", gradient), ("final", masked.trainable)):
        head |= {f"{kind}/{name}": value.detach().float().numpy().copy(order="C") for name, value in values.items()}
    save_file(head, HERE / "training.golden.safetensors")
    for file in HERE.glob("*.safetensors"):
        file.chmod(0o644)  # save_file makes it unreadable for others


if __name__ == "__main__":
    main()
