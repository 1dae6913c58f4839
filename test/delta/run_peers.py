"""Runs exports in transformers, PEFT, onnxruntime and sentence-transformers, as their users do.

    python test/delta/run_peers.py < CASES > ANSWERS

CASES is a JSON list of {problem, base, checkpoint, peft, onnx, pipeline, rows: [[text] or [text, second], …]}: the
folders of a base and of a delta's exports. ANSWERS has an object for each:
    ids       tokens of each row, by the checkpoint's tokenizer
    logits    by tool: of each row [C], of tokens [S][C]. `peft` runs the program on the adapter's card. `second adapter`
              adds the adapter to a model of PEFT that has another one, by load_adapter, and `without PEFT` to
              transformers' own model, by its load_adapter
    pipeline  answers of transformers' pipeline, if the case asks for it
    scores    answers of CrossEncoder, of pairs
"""

import json
import re
import sys
from pathlib import Path

import onnxruntime
import peft
import torch
import transformers
from peft import LoraConfig
from sentence_transformers import CrossEncoder
from transformers import AutoTokenizer, pipeline
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(1)


def run_card(adapter, base, end=None):
    """Model loaded by the card's Python program, or by its lines before one that starts with `end`."""
    program = re.search(r"```python\n(.*?)```", (Path(adapter) / "README.md").read_text(), re.S)[1]
    program = re.sub(r'^base = ".*?"', lambda _: f"base = {base!r}", program, flags=re.M)
    program = program[: program.index(end)] if end else program
    made = {}
    exec(program.replace('"path/to/this/folder"', repr(adapter)), made)
    return made["model"]


def torch_logits(model, encoded):
    with torch.inference_mode():
        return [model(**row.convert_to_tensors("pt", prepend_batch_axis=True)).logits[0].tolist() for row in encoded]


def onnx_logits(folder, encoded):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{folder}/onnx/model.onnx", options)
    names = [each.name for each in session.get_inputs()]
    return [session.run(["logits"], {name: [row[name]] for name in names})[0][0].tolist() for row in encoded]


def answers(case):
    rows, tokens = case["rows"], case["problem"] == "tokens"
    kind = "AutoModelForTokenClassification" if tokens else "AutoModelForSequenceClassification"
    checkpoint = getattr(transformers, kind).from_pretrained(case["checkpoint"]).eval()
    tokenizer = AutoTokenizer.from_pretrained(case["checkpoint"])
    encode = lambda: [tokenizer(*row) for row in rows]
    adapted = run_card(case["peft"], case["base"])
    logits = {"transformers": torch_logits(checkpoint, encode()), "peft": torch_logits(adapted, encode())}
    base = lambda: run_card(case["peft"], case["base"], 'model = PeftModel.from_pretrained').eval()
    first = LoraConfig(r=2, target_modules=peft.PeftConfig.from_pretrained(case["peft"]).target_modules)
    second = peft.get_peft_model(base(), first)
    second.load_adapter(case["peft"], adapter_name="second")
    second.set_adapter("second")
    alone = base()
    alone.load_adapter(case["peft"])
    logits |= {
        "second adapter": torch_logits(second.eval(), encode()),
        "without PEFT": torch_logits(alone.eval(), encode()),
        "onnxruntime": onnx_logits(case["onnx"], encode()),
    }
    found = {"ids": [row["input_ids"] for row in encode()], "logits": logits}
    if case["pipeline"]:
        options = {"aggregation_strategy": "first"} if tokens else {"top_k": None}
        task = "token-classification" if tokens else "text-classification"
        run = pipeline(task, model=checkpoint, tokenizer=tokenizer, **options)
        inputs = [row[0] if len(row) == 1 else dict(zip(("text", "text_pair"), row)) for row in rows]
        found["pipeline"] = [run(each) for each in inputs]
    if case["problem"] in ("relevance", "regression"):
        found["scores"] = CrossEncoder(case["checkpoint"], device="cpu").predict(rows).tolist()
    return found


print(json.dumps([answers(case) for case in json.load(sys.stdin)], default=float))
