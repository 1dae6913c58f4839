"""Answers texts behind a gRPC server, as a peer of hifi's InferenceService.

    python bench/peer_answers.py peft MODEL --adapters 8
    python bench/peer_answers.py onnx FOLDER [FOLDER …]

peft    transformers and PEFT: LoRA r = 8 on query and value of the upper half of the layers and a classifier of 2
        classes, an adapter a task. Each call switches with set_adapter.
onnx    onnxruntime: a session for each ONNX folder of `hifi export`.

Needs the packages of test/fixtures/requirements.txt, grpcio and onnxruntime. Prints its port once it is ready. The
methods of the service `peer` take and return JSON: `Ask` {"delta": 0, "text": "…"} returns the logits; `Load`
{"folder": F, "text": "…"} loads an adapter's folder, switches to it and returns the logits; `Forget` {} removes it; `Save`
{"folder": F} writes an adapter to F/0. The end of stdin ends it. One call computes at a time, with all cores, as
set_adapter changes the model for all.
"""

import argparse
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy

LORA_RANK = 8
CALLERS = 64


class Peft:
    def __init__(self, folder, adapters):
        import peft
        import torch
        import transformers
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self.torch = torch
        torch.set_num_threads(os.cpu_count())
        torch.manual_seed(0)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        base = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
        layers = base.config.num_hidden_layers
        mpnet = base.config.model_type == "mpnet"
        config = peft.LoraConfig(
            task_type="SEQ_CLS",
            r=LORA_RANK,
            lora_alpha=16,
            target_modules=["attn.q", "attn.v"] if mpnet else ["query", "value"],
            layers_to_transform=list(range(layers // 2, layers)),
            layers_pattern="layer",
            init_lora_weights=False,
        )
        self.model = peft.get_peft_model(base, config, "0").eval()
        for i in range(1, adapters):
            self.model.add_adapter(str(i), config)
        self.model.eval()

    def logits(self, text):
        with self.torch.inference_mode():
            return self.model(**self.tokenizer(text, return_tensors="pt")).logits[0].tolist()

    def ask(self, delta, text):
        self.model.set_adapter(str(delta))
        return self.logits(text)

    def save(self, folder):
        self.model.save_pretrained(folder, selected_adapters=["0"])

    def load(self, folder, text):
        self.model.load_adapter(folder, "loaded")
        self.model.set_adapter("loaded")
        return self.logits(text)

    def forget(self):
        self.model.set_adapter("0")
        self.model.delete_adapter("loaded")


class Onnx:
    def __init__(self, folders):
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count()
        if len(folders) > 1:
            # The threads of one session must not spin while another computes.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.tokenizer = Tokenizer.from_file(os.path.join(folders[0], "tokenizer.json"))
        self.tokenizer.no_padding()
        files = [os.path.join(folder, "onnx", "model.onnx") for folder in folders]
        self.sessions = [onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"]) for file in files]
        self.inputs = {each.name for each in self.sessions[0].get_inputs()}

    def ask(self, delta, text):
        encoded = self.tokenizer.encode(text)
        given = {
            "input_ids": encoded.ids,
            "attention_mask": encoded.attention_mask,
            "token_type_ids": encoded.type_ids,
        }
        feeds = {name: numpy.array([ids], numpy.int64) for name, ids in given.items() if name in self.inputs}
        return self.sessions[delta].run(None, feeds)[0][0].tolist()


def method(work, lock):
    def handle(request, _):
        with lock:
            return json.dumps(work(**json.loads(request))).encode()

    return grpc.unary_unary_rpc_method_handler(handle)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["peft", "onnx"])
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--adapters", type=int, default=8)
    asked = parser.parse_args()
    peer = Peft(asked.folders[0], asked.adapters) if asked.kind == "peft" else Onnx(asked.folders)
    names = [name for name in ("ask", "save", "load", "forget") if hasattr(peer, name)]
    lock = threading.Lock()
    server = grpc.server(ThreadPoolExecutor(CALLERS))
    methods = {name.capitalize(): method(getattr(peer, name), lock) for name in names}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("peer", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0)


main()
