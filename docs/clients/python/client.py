"""Creates a job of a few rows, follows it and prints its best metric: client.py [HOST:PORT]"""

import sys

import grpc
from hifi.v1 import gateway_pb2 as hifi, gateway_pb2_grpc


def rows(*texts):
    return {"inline": {"texts": texts, "labels": ["kitchen", "sport"] * (len(texts) // 2)}}


train = rows("Fry the onions.", "The striker scored.", "Whisk the eggs.", "She won the race.")
dev = rows("Salt the water.", "They lost the final.")
spec = {"model": "all-MiniLM-L6-v2", "train": train, "dev": dev, "training": {"epochs": 2}}

with grpc.insecure_channel(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7070") as channel:
    gateway = gateway_pb2_grpc.GatewayServiceStub(channel)
    job_id = gateway.CreateJob(hifi.CreateJobRequest(spec=spec)).job.job_id
    for answer in gateway.WatchJob(hifi.WatchJobRequest(job_id=job_id)):
        event, kind = answer.event, answer.event.WhichOneof("event")
        text = hifi.JobState.Name(event.state) if kind == "state" else " ".join(str(getattr(event, kind)).split())
        print(event.sequence, kind, text)
    metrics = gateway.GetJob(hifi.GetJobRequest(job_id=job_id)).job.metrics
    print(f"best {metrics.metric}: {metrics.best.value:.4f} in epoch {metrics.best.epoch}")
