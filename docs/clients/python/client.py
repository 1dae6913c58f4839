"""Creates a job, follows it and asks its result for a label: client.py [GATEWAY ANALYZER]"""

import sys

import grpc
from hifi.v1 import gateway_pb2 as hifi, gateway_pb2_grpc, inference_pb2 as inference, inference_pb2_grpc

gateway_at, analyzer_at = sys.argv[1:] or ("127.0.0.1:7070", "127.0.0.1:7071")


def rows(*texts):
    return {"inline": {"texts": texts, "labels": ["kitchen", "sport"] * (len(texts) // 2)}}


train = rows("Fry the onions.", "The striker scored.", "Whisk the eggs.", "She won the race.")
dev = rows("Salt the water.", "They lost the final.")
model, name = "all-MiniLM-L6-v2", "kitchen-or-sport"
spec = {"model": model, "train": train, "dev": dev, "training": {"epochs": 2}, "register_as": name}

with grpc.insecure_channel(gateway_at) as channel:
    gateway = gateway_pb2_grpc.GatewayServiceStub(channel)
    job_id = gateway.CreateJob(hifi.CreateJobRequest(spec=spec)).job.job_id
    for answer in gateway.WatchJob(hifi.WatchJobRequest(job_id=job_id)):
        event, kind = answer.event, answer.event.WhichOneof("event")
        text = hifi.JobState.Name(event.state) if kind == "state" else " ".join(str(getattr(event, kind)).split())
        print(event.sequence, kind, text)
    metrics = gateway.GetJob(hifi.GetJobRequest(job_id=job_id)).job.metrics
    print(f"best {metrics.metric}: {metrics.best.value:.4f} in epoch {metrics.best.epoch}")

with grpc.insecure_channel(analyzer_at) as channel:
    texts = ["Whisk the butter.", "They scored."]
    request = inference.ClassifyRequest(model=model, deltas=[{"name": name}], texts=texts)
    [result] = inference_pb2_grpc.InferenceServiceStub(channel).Classify(request).results
    for text, row in zip(texts, result.rows):
        print(f"{text} {row.labels[0].label} {row.labels[0].score:.2f}")
