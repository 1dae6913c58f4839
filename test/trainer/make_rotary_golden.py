"""Rotary positions of transformers, in float32, and their gradient.

    python test/trainer/make_rotary_golden.py       → rotary.golden.json beside this script

Keys: theta, headDim, frequencies [dh/2], x [B][H][S][dh], turned (like x), weights (like x) and gradient: that of
Σ weights ⊙ turned by x.
"""

import json
from pathlib import Path

import torch
from transformers import ModernBertConfig
from transformers.models.modernbert.modeling_modernbert import ModernBertRotaryEmbedding, apply_rotary_pos_emb

THETA, HEADS, HEAD_DIM, TOKENS = 160_000.0, 2, 10, 7


def main():
    torch.manual_seed(0)
    config = ModernBertConfig(
        hidden_size=HEADS * HEAD_DIM,
        num_attention_heads=HEADS,
        num_hidden_layers=1,
        rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": THETA}},
    )
    embedding = ModernBertRotaryEmbedding(config)
    x = torch.randn(2, HEADS, TOKENS, HEAD_DIM, requires_grad=True)
    weights = torch.randn_like(x)
    cosine, sine = embedding(x, torch.arange(TOKENS)[None], "full_attention")
    turned, _ = apply_rotary_pos_emb(x, x, cosine, sine)
    (turned * weights).sum().backward()
    golden = {
        "theta": THETA,
        "headDim": HEAD_DIM,
        "frequencies": embedding.full_attention_inv_freq.tolist(),
        "x": x.tolist(),
        "turned": turned.tolist(),
        "weights": weights.tolist(),
        "gradient": x.grad.tolist(),
    }
    digits = json.loads(json.dumps(golden), parse_float=lambda text: float(f"{float(text):.9g}"))
    body = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in digits.items())
    Path(__file__).with_name("rotary.golden.json").write_text("{\n" + body + "\n}\n")


if __name__ == "__main__":
    main()
