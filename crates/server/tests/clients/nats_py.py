"""What users do with nats-py, against the server whose URL is the only argument."""

import asyncio
import sys

import nats
from nats.errors import NoRespondersError, TimeoutError
from nats.js.errors import APIError, KeyNotFoundError


async def core(nc):
    async def answer(message):
        await message.respond(b"re: " + message.data)

    await nc.subscribe("service", queue="workers", cb=answer)
    assert (await nc.request("service", b"hi", timeout=2)).data == b"re: hi"
    try:
        await nc.request("nobody", b"", timeout=2)
        raise AssertionError("somebody answered")
    except NoRespondersError:
        pass


async def publish(js):
    await js.add_stream(name="ORDERS", subjects=["orders.>"])
    first = await js.publish("orders.new", b"1", headers={"Nats-Msg-Id": "one"})
    again = await js.publish("orders.new", b"1", headers={"Nats-Msg-Id": "one"})
    assert (first.seq, again.seq, again.duplicate) == (1, 1, True)
    assert (await js.get_msg("ORDERS", 1)).data == b"1"
    try:
        await js.add_stream(name="OTHER", subjects=["orders.new"])
        raise AssertionError("an overlap was accepted")
    except APIError as error:
        assert error.err_code == 10065, error


async def work_queue(js):
    await js.add_stream(name="WORK", subjects=["work.>"], retention="workqueue")
    for number in range(10):
        await js.publish("work.job", b"%d" % number)
    worker = await js.pull_subscribe("work.>", "worker")
    jobs = await worker.fetch(5)
    assert [job.data for job in jobs] == [b"0", b"1", b"2", b"3", b"4"]
    for job in jobs[:3]:
        await job.ack_sync()
    assert (await js.stream_info("WORK")).state.messages == 7
    await jobs[3].nak()
    await jobs[4].term()
    (again,) = await worker.fetch(1)
    assert (again.data, again.metadata.num_delivered) == (b"3", 2)
    await again.ack_sync()
    rest = await worker.fetch(10, timeout=1)
    assert len(rest) == 5, len(rest)
    for job in rest:
        await job.ack_sync()
    assert (await js.stream_info("WORK")).state.messages == 0
    try:
        await worker.fetch(1, timeout=0.2)
        raise AssertionError("a job came from nowhere")
    except TimeoutError:
        pass


async def push(nc, js, url):
    await js.add_stream(name="EVENTS", subjects=["events.>"])
    for number in range(20):
        await js.publish("events.%d" % number, b"x" * 1000)
    ordered = await js.subscribe("events.>", ordered_consumer=True)
    for number in range(20):
        assert (await ordered.next_msg(timeout=2)).subject == "events.%d" % number
    await ordered.unsubscribe()
    taken = asyncio.Queue()

    def member(name):
        async def take(message):
            await message.ack()
            await taken.put(name)

        return take

    other = await nats.connect(url)
    await js.subscribe("events.>", queue="group", cb=member(1))
    await other.jetstream().subscribe("events.>", queue="group", cb=member(2))
    for _ in range(200):
        await js.publish("events.more", b"")
    names = [await asyncio.wait_for(taken.get(), 5) for _ in range(220)]
    assert set(names) == {1, 2}, "one member got everything"
    await other.close()


async def buckets(js):
    kv = await js.create_key_value(bucket="config", history=5)
    await kv.put("a", b"1")
    second = await kv.put("a", b"2")
    await kv.put("b", b"3")
    await kv.delete("b")
    assert (await kv.get("a")).value == b"2"
    await kv.update("a", b"3", last=second)
    assert [entry.value for entry in await kv.history("a")] == [b"1", b"2", b"3"]
    watcher = await kv.watchall()
    seen = {}
    while (update := await watcher.updates(timeout=2)) is not None:
        seen[update.key] = update.operation
    assert seen == {"a": None, "b": "DEL"}, seen
    await kv.purge("a")
    try:
        await kv.get("a")
        raise AssertionError("a purged key is there")
    except KeyNotFoundError:
        pass
    store = await js.create_object_store("files")
    await store.put("large", b"z" * 300_000)
    assert (await store.get("large")).data == b"z" * 300_000


async def main(url):
    nc = await nats.connect(url)
    js = nc.jetstream()
    await core(nc)
    await publish(js)
    await work_queue(js)
    await push(nc, js, url)
    await buckets(js)
    await nc.close()


asyncio.run(main(sys.argv[1]))
