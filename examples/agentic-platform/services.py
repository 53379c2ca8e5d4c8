"""The services of the example, on nats-py: `python services.py worker`.

NATS_URL says where the server is; each service is the user of whom the file says that it consumes what it takes, and the
password is in NATS_TEMPORAL_PASS and so on. With `--count N` a service ends after so many messages.

  worker [--workers 3]   takes workflows from the work queue; each goes to one of them
  executor               carries each command out once in effect: what it did and that it did it are one transaction
  dispatcher             is sent notifications as they come
  logger                 is sent events, and looks at no more than the file's `max_ack_pending` at once
  analytics              takes metrics in batches
"""
import argparse
import asyncio
import os
import sqlite3

import nats

RETRY_AFTER = 5


async def connect(user):
    password = os.environ.get(f"NATS_{user.upper()}_PASS", "")
    return await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), user=user, password=password)


class Count:
    """Ends a service after so many messages."""

    def __init__(self, limit):
        self.limit, self.seen, self.over = limit, 0, asyncio.Event()

    def one(self):
        self.seen += 1
        if self.seen == self.limit:
            self.over.set()


async def pull(user, stream, durable, batch, handle, count):
    """Asks for messages, `batch` at a time. What fails is handed back with a delay: without one it comes at once."""
    nc = await connect(user)
    subscription = await nc.jetstream().pull_subscribe_bind(durable, stream)
    while not count.over.is_set():
        try:
            messages = await subscription.fetch(batch, timeout=1)
        except asyncio.TimeoutError:  # which nats.errors.TimeoutError is, too
            continue
        for message in messages:
            try:
                handle(message)
                await message.ack_sync()
                count.one()
            except Exception as error:
                print(f"again in {RETRY_AFTER} s: {error!r}", flush=True)
                await message.nak(delay=RETRY_AFTER)
    await nc.close()


async def pushed(user, stream, durable, handle, count):
    """Is sent messages; of all that listen for the same consumer, one gets each."""
    nc = await connect(user)
    js = nc.jetstream()

    async def take(message):
        handle(message)
        await message.ack_sync()
        count.one()

    info = await js.consumer_info(stream, durable)
    await js.subscribe_bind(stream, info.config, durable, cb=take, manual_ack=True)
    print("ready", flush=True)
    await count.over.wait()
    await nc.close()


async def worker(options, count):
    taken = {}

    def take(number):
        def handle(message):
            taken.setdefault(number, []).append(message.data)

        return handle

    workers = range(options.workers)
    await asyncio.gather(*(pull("temporal", "WORKFLOWS", "workflow-processor", 1, take(one), count) for one in workers))
    every = [data for own in taken.values() for data in own]
    print(f"{len(every)} workflows, {len(set(every))} different ones, shared by {len(taken)}")


async def executor(options, count):
    done = sqlite3.connect(options.store)
    done.execute("CREATE TABLE IF NOT EXISTS done (id TEXT PRIMARY KEY, effect TEXT)")

    def handle(message):
        command = message.headers["Nats-Msg-Id"]
        with done:  # one transaction
            if done.execute("SELECT 1 FROM done WHERE id = ?", (command,)).fetchone():
                print(f"{command}: was done before")
                return
            done.execute("INSERT INTO done VALUES (?, ?)", (command, message.data.decode()))
        print(f"{command}: done", flush=True)
        if options.die:
            os._exit(1)  # before it has acknowledged

    await pull("agixt", "COMMANDS", "command-executor", 1, handle, count)


async def dispatcher(_options, count):
    await pushed("n8n", "NOTIFICATIONS", "notification-dispatcher", lambda one: print("sent:", one.data.decode(), flush=True), count)


async def logger(_options, count):
    await pushed("n8n", "EVENTS", "event-logger", lambda one: print(one.subject, one.data.decode(), flush=True), count)


async def analytics(_options, count):
    values = []
    await pull("n8n", "EVENTS", "event-analytics", 100, lambda one: values.append(float(one.data)), count)
    print(f"{len(values)} metrics, on average {sum(values) / len(values)}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("service", choices=["worker", "executor", "dispatcher", "logger", "analytics"])
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--store", default="commands.db")
    parser.add_argument("--die", action="store_true", help="end before the acknowledgement, to see what comes of it")
    options = parser.parse_args()
    await globals()[options.service](options, Count(options.count))


asyncio.run(main())
