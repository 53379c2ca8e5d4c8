"""nats-py, unmodified, on every example that `up` runs.

Usage: examples.py URL SECRETS.JSON
"""
import asyncio
import json
import sys

import nats
from nats.errors import TimeoutError as NoMessage
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy
from nats.js.errors import APIError

URL = sys.argv[1]
with open(sys.argv[2]) as file:
    SECRETS = json.load(file)


async def connect(account, user, **options):
    password = SECRETS[account][user]
    return await nats.connect(URL, user=user, password=password, **options)


async def request_reply(nc):
    async def answer(message):
        await message.respond(b"answer to " + message.data)

    subscription = await nc.subscribe("test.question", cb=answer)
    reply = await nc.request("test.question", b"question", timeout=2)
    assert reply.data == b"answer to question"
    await subscription.unsubscribe()


async def ordered(js, subject, payloads):
    """An ordered consumer reads everything that is stored under a subject."""
    subscription = await js.subscribe(subject, ordered_consumer=True)
    seen = [(await subscription.next_msg(timeout=2)).data for _ in payloads]
    assert seen == payloads, seen
    await subscription.unsubscribe()


async def key_value(js):
    bucket = await js.create_key_value(bucket="settings", history=3)
    watcher = await bucket.watchall()
    assert await watcher.updates(timeout=2) is None
    await bucket.put("a", b"1")
    entry = await bucket.get("a")
    await bucket.update("a", b"2", last=entry.revision)
    assert (await bucket.get("a")).value == b"2"
    assert (await watcher.updates(timeout=2)).value == b"1"
    await js.delete_key_value("settings")


async def streams_20():
    nc = await connect("20-streams", "20-streams")
    js = nc.jetstream()
    await request_reply(nc)
    for number in range(3):
        ack = await js.publish("planning.story.created", str(number).encode())
        assert (ack.stream, ack.seq) == ("planning-events", number + 1)
    await ordered(js, "planning.story.>", [b"0", b"1", b"2"])
    await key_value(js)
    await nc.close()


async def persistent_events():
    nc = await connect("persistent-events", "persistent-events")
    js = nc.jetstream()
    await request_reply(nc)
    for number in range(4):
        await js.publish("planning.plan.approved", str(number).encode())
    # Two replicas share the durable: together they get each message once.
    durable, stream = "context-planning-plan-approved", "PLANNING_EVENTS"
    replicas = [await js.pull_subscribe_bind(durable, stream) for _ in range(2)]
    seen = []
    for replica in replicas:
        for message in await replica.fetch(2, timeout=2):
            seen.append(message.data)
            await message.ack_sync()
    assert sorted(seen) == [b"0", b"1", b"2", b"3"], seen
    # The other service has its own position; what it refuses comes again.
    other = await js.pull_subscribe_bind("orch-planning-plan-approved", stream)
    [message] = await other.fetch(1, timeout=2)
    assert message.metadata.num_delivered == 1
    await message.nak()
    [message] = await other.fetch(1, timeout=2)
    assert (message.data, message.metadata.num_delivered) == (b"0", 2)
    await message.ack_sync()
    await key_value(js)
    await nc.close()


async def observability_agent():
    nc = await connect("observability-agent", "observability-agent")
    js = nc.jetstream()
    await request_reply(nc)
    ack = await js.publish("root_cause_result", b"disk full")
    assert ack.stream == "ROOT_CAUSE"
    # Both streams hold it, as the document wants.
    for stream, durable in [("ROOT_CAUSE", "runbook_agent"), ("RESPONSES", "orchestrator_root_cause")]:
        reader = await js.pull_subscribe_bind(durable, stream)
        [message] = await reader.fetch(1, timeout=2)
        assert (message.subject, message.data) == ("root_cause_result", b"disk full")
        await message.ack_sync()
    # A durable push consumer, shared by a queue group.
    got = []
    for _ in range(2):
        async def handle(message):
            got.append(message.data)
            await message.ack()

        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT)
        await js.subscribe("alerts", queue="responders", stream="ALERTS", config=config, cb=handle, manual_ack=True)
    for number in range(10):
        await js.publish("alerts", str(number).encode())
    for _ in range(40):
        if len(got) == 10:
            break
        await asyncio.sleep(0.05)
    assert sorted(got) == [str(n).encode() for n in range(10)], got
    await key_value(js)
    await nc.close()


async def refused(errors, attempt):
    """An attempt that the user's permissions do not cover."""
    errors.clear()
    try:
        await attempt
    except (NoMessage, nats.errors.Error, asyncio.TimeoutError):
        pass
    for _ in range(40):
        if errors:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nothing was refused")


async def agentic_platform():
    account = "agentic-platform"
    errors = []

    async def note(error):
        errors.append(str(error))

    temporal = await connect(account, "temporal", error_cb=note)
    agixt = await connect(account, "agixt", error_cb=note)
    admin = await connect(account, "admin")
    await request_reply(admin)
    # The work queue: published with an id, executed once, gone when it is acknowledged.
    js = temporal.jetstream()
    ack = await js.publish("commands.agent.restart", b"go", headers={"Nats-Msg-Id": "c1"})
    again = await js.publish("commands.agent.restart", b"go", headers={"Nats-Msg-Id": "c1"})
    assert again.duplicate and again.seq == ack.seq
    executor = await agixt.jetstream().pull_subscribe_bind("command-executor", "COMMANDS")
    [command] = await executor.fetch(1, timeout=2)
    await command.in_progress()
    await command.ack_sync()
    info = await admin.jetstream().stream_info("COMMANDS")
    assert info.state.messages == 0 and info.config.retention == RetentionPolicy.WORK_QUEUE
    # workflows.execution.start is delivered, not stranded.
    await js.publish("workflows.execution.start", b"w")
    processor = await js.pull_subscribe_bind("workflow-processor", "WORKFLOWS")
    [workflow] = await processor.fetch(1, timeout=2)
    await workflow.ack_sync()
    # Nobody does what is another's.
    await refused(errors, agixt.jetstream().publish("commands.x", b"", timeout=0.3))
    await refused(errors, temporal.jetstream(timeout=0.3).delete_stream("EVENTS"))
    await refused(errors, agixt.subscribe("workflows.>"))
    try:
        await admin.jetstream().add_stream(name="THIEF", subjects=["events.x"])
        raise AssertionError("an overlap was accepted")
    except APIError as error:
        assert error.err_code == 10065
    await key_value(admin.jetstream())
    for nc in (temporal, agixt, admin):
        await nc.close()


async def main():
    await streams_20()
    await persistent_events()
    await observability_agent()
    await agentic_platform()


asyncio.run(asyncio.wait_for(main(), 30))
