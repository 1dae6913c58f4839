"""Golden values for test/model/graph.test.ts: hidden states of Hugging Face's BertModel for each activation.

    python test/model/make_graph_golden.py          → graph.golden.json beside this script

Needs test/fixtures/requirements.txt. 2 layers, 2 heads of 3, 11 tokens in the vocabulary. The weights are a formula that the test
has too: number i of tensor number t (the names sorted) is sin(i·0.37 + t)·0.7 (layer norm weights: 1 + that).
"""

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

SIZES = {"hidden_size": 6, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 10, "vocab_size": 11,
         "max_position_embeddings": 9, "type_vocab_size": 2, "layer_norm_eps": 1e-6}
ACTIVATIONS = ["gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish", "tanh"]
IDS = [[2, 5, 7, 1, 3], [4, 4, 10, 0, 0]]
TYPES = [[0, 0, 1, 1, 1], [0, 0, 0, 0, 0]]
MASK = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]


def main():
    cases = []
    for activation in ACTIVATIONS:
        config = BertConfig(**SIZES, hidden_act=activation, attn_implementation="eager")
        model = BertModel(config, add_pooling_layer=False).eval()
        names = sorted(model.state_dict())
        with torch.no_grad():
            for t, name in enumerate(names):
                parameter = model.state_dict()[name]
                if parameter.dtype != torch.float32:
                    continue
                i = torch.arange(parameter.numel(), dtype=torch.float64)
                values = torch.sin(i * 0.37 + t) * 0.7 + (1 if name.endswith("LayerNorm.weight") else 0)
                parameter.copy_(values.reshape(parameter.shape))
        model = model.double()
        with torch.no_grad():
            out = model(torch.tensor(IDS), attention_mask=torch.tensor(MASK), token_type_ids=torch.tensor(TYPES),
                        output_hidden_states=True)
        cases.append({"activation": activation, "hidden": [h.tolist() for h in out.hidden_states]})
    golden = {"sizes": SIZES, "names": names, "ids": IDS, "types": TYPES, "mask": MASK, "cases": cases}
    Path(__file__).with_name("graph.golden.json").write_text(json.dumps(golden) + "\n")


main()
