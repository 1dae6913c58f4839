"""Makes distances.golden.json: transformers' own ranges of distances (query's place minus the key's).

    python test/model/make_distances_golden.py

    mpnet       range of each distance from -511 to 511
    deberta     for [position_buckets, max_relative_positions] the bucket of each distance from -511 to 511
"""

import json
from pathlib import Path

import torch
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

distances = torch.arange(-511, 512)
settings = [(256, 512), (8, 45), (32, 128), (7, 40), (2, 30)]
golden = {
    "mpnet": MPNetEncoder.relative_position_bucket(-distances).tolist(),
    "deberta": [[*each, make_log_bucket_position(distances, *each).to(torch.long).tolist()] for each in settings],
}
(Path(__file__).parent / "distances.golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
