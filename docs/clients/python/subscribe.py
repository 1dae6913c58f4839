"""Prints the states of all jobs that the stream of events has: subscribe.py [nats://HOST:PORT]"""

import asyncio
import sys

import nats
from google.protobuf import json_format
from hifi.v1 import gateway_pb2 as hifi


async def main(url):
    connection = await nats.connect(url)
    events = await connection.jetstream().subscribe("hifi.v1.jobs.*.state", ordered_consumer=True)
    try:
        while True:
            message = await events.next_msg(timeout=1)
            event = json_format.Parse(message.data, hifi.JobEvent(), ignore_unknown_fields=True)
            print(message.header["Nats-Msg-Id"], hifi.JobState.Name(event.state))
    except nats.errors.TimeoutError:
        await connection.close()


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "nats://127.0.0.1:4222"))
