"""The two services of the example, on nats-py 2.6 and later: `python services.py context`, `python services.py orchestrator`.

Several of each may run: they share their durables, and each message goes to one of them. They read with
`pull_subscribe_bind`; `js.subscribe(…, durable=…)` is for push consumers. What a graph database would hold is a table of SQLite.

A message is acknowledged when its effect is stored. What fails is handed back with a delay, because without one it comes
again at once; what cannot be read is terminated, because it would be the same next time.
"""
import argparse
import asyncio
import json
import os
import sqlite3

import nats

RETRY_AFTER = 5

CONTEXT = {
    "context-planning-story-transitions": "PLANNING_EVENTS",
    "context-planning-plan-approved": "PLANNING_EVENTS",
    "context-orch-deliberation-completed": "ORCHESTRATOR_EVENTS",
    "context-orch-task-dispatched": "ORCHESTRATOR_EVENTS",
}
ORCHESTRATOR = {
    "orch-planning-story-transitions": "PLANNING_EVENTS",
    "orch-planning-plan-approved": "PLANNING_EVENTS",
    "orch-context-updated": "CONTEXT_EVENTS",
    "orch-context-milestone": "CONTEXT_EVENTS",
    "orch-context-decision": "CONTEXT_EVENTS",
}


class Graph:
    """Stored once, however often it is said: a node is what identifies it."""

    def __init__(self, path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.db = sqlite3.connect(path)
        self.db.execute("CREATE TABLE IF NOT EXISTS PlanApproval (story_id TEXT, plan_id TEXT, timestamp TEXT, PRIMARY KEY (plan_id, timestamp))")

    def merge(self, plan):
        with self.db:
            row = (plan["story_id"], plan["plan_id"], plan["timestamp"])
            self.db.execute("INSERT OR IGNORE INTO PlanApproval VALUES (?, ?, ?)", row)


def handler(service, graph):
    def handle(message):
        content = json.loads(message.data)
        if message.subject == "planning.plan.approved":
            if service == "context":
                graph.merge(content)
            print(f"Plan approved: {content['plan_id']} (story {content['story_id']})", flush=True)
        else:
            print(f"{message.subject}: {message.data.decode()}", flush=True)

    return handle


async def read(js, durable, stream, handle):
    subscription = await js.pull_subscribe_bind(durable, stream)
    while True:
        try:
            messages = await subscription.fetch(10, timeout=5)
        except (nats.errors.Error, asyncio.TimeoutError):
            continue  # nothing came, or the server is away: the client connects again by itself
        for message in messages:
            try:
                handle(message)
                await message.ack()
            except (ValueError, KeyError) as error:
                print(f"rejected: {error!r}", flush=True)
                await message.term()
            except Exception as error:
                print(f"again in {RETRY_AFTER} s: {error!r}", flush=True)
                await message.nak(delay=RETRY_AFTER)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("service", choices=["context", "orchestrator"])
    parser.add_argument("--graph", default="graph.db")
    options = parser.parse_args()
    nc = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), max_reconnect_attempts=-1, reconnect_time_wait=0.2)
    js = nc.jetstream()
    handle = handler(options.service, Graph(options.graph))
    durables = CONTEXT if options.service == "context" else ORCHESTRATOR
    for durable, stream in durables.items():
        await js.consumer_info(stream, durable)
        print(f"reads {durable} of {stream} (DURABLE)", flush=True)
    await asyncio.gather(*(read(js, durable, stream, handle) for durable, stream in durables.items()))


asyncio.run(main())
