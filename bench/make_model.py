"""Writes a base model of a known shape with random weights, for measurements.

    python bench/make_model.py SHAPE FOLDER [--seed 0]

SHAPE is modernbert-base (22 layers, 12 heads, d 768) or qwen3-0.6b (28 layers, 16 query heads on 8
key and value heads, d 1,024). The tokenizer reads bytes, so that any text has tokens. Weights are
float32 for modernbert-base and bfloat16 for qwen3-0.6b.
"""

import argparse

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModel, ModernBertConfig, PreTrainedTokenizerFast, Qwen3Config

SHAPES = {
    # The defaults of ModernBertConfig are the base model's.
    "modernbert-base": lambda: (ModernBertConfig(pad_token_id=2, cls_token_id=0, sep_token_id=1), torch.float32),
    "qwen3-0.6b": lambda: (
        Qwen3Config(
            vocab_size=151_936,
            hidden_size=1024,
            intermediate_size=3072,
            num_hidden_layers=28,
            num_attention_heads=16,
            num_key_value_heads=8,
            head_dim=128,
            tie_word_embeddings=True,
            pad_token_id=2,
            eos_token_id=1,
        ),
        torch.bfloat16,
    ),
}


def byte_tokenizer(single):
    """-> tokenizer of bytes; `single` is the template around a text."""
    special = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(special + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    if single:
        ids = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=single, pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ids
        )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, cls_token="[CLS]", sep_token="[SEP]", **names)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    config, dtype = SHAPES[args.shape]()
    AutoModel.from_config(config).to(dtype).save_pretrained(args.folder)
    byte_tokenizer("[CLS] $A [SEP]" if args.shape == "modernbert-base" else None).save_pretrained(args.folder)


if __name__ == "__main__":
    main()
