"""Compares JSON bodies with binary messages by Python's protobuf.

Reads a JSON list of {"type": "WatchJobResponse", "json": …, "binary": base64, "without": [field, …]} from stdin; the messages may differ in
the fields of `without`. Prints how many were compared."""

import base64
import json
import sys

from google.protobuf import json_format
from hifi.v1 import analyzer_pb2, gateway_pb2

TYPES = {"AnalyzeResponse": analyzer_pb2.AnalyzeResponse, "WatchJobResponse": gateway_pb2.WatchJobResponse}

pairs = json.load(sys.stdin)
for pair in pairs:
    message = TYPES[pair["type"]]
    told = json_format.Parse(json.dumps(pair["json"]), message())
    sent = message.FromString(base64.b64decode(pair["binary"]))
    for path in pair.get("without", []):
        for each in (told, sent):
            *outer, field = path.split(".")
            for name in outer:
                each = getattr(each, name)
            each.ClearField(field)
    if told != sent:
        sys.exit(f"{pair['type']} differs:\n{told}\n{sent}")
print(len(pairs))
