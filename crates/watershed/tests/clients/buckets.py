"""Users of services on buckets: what they may do works with nats-py, and nothing else does."""

import asyncio
import json
import sys

import nats

URL, SECRETS = sys.argv[1:]


VIOLATIONS = asyncio.Queue()


async def refused(attempt):
    """The server says that it is not allowed, and nothing answers."""
    task = asyncio.ensure_future(attempt)
    told = asyncio.ensure_future(VIOLATIONS.get())
    done, _ = await asyncio.wait({task, told}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert told in done and task not in done, "it was answered"
    assert "ermissions violation" in str(told.result()), told.result()
    task.cancel()


async def main():
    with open(SECRETS) as file:
        kept = json.load(file)["buckets"]

    async def connect(user):
        client = await nats.connect(
            URL, user=user, password=kept[user], error_cb=VIOLATIONS.put
        )
        return client, client.jetstream()

    writer, w = await connect("writer")
    reader, r = await connect("reader")

    settings = await w.key_value("settings")
    assert await settings.put("a.b", b"1") == 1
    assert await settings.update("a.b", b"2", 1) == 2
    files = await w.object_store("files")
    await files.put("note", b"x" * 300_000)
    await files.put("note", b"y" * 300_000)

    seen = await r.key_value("settings")
    assert (await seen.get("a.b")).value == b"2"
    assert await seen.keys() == ["a.b"]
    watcher = await seen.watch("a.>")
    assert (await watcher.updates(timeout=2)).value == b"2"
    await settings.put("a.c", b"3")
    update = await watcher.updates(timeout=2)
    while update is None:
        update = await watcher.updates(timeout=2)
    assert update.key == "a.c"
    assert len((await (await r.object_store("files")).get("note")).data) == 300_000

    # Who only writes may replace, delete and create again; a list is for those who read.
    filler, f = await connect("filler")
    keys = await f.key_value("settings")
    assert await keys.create("lock", b"1") == 4
    await keys.delete("lock")
    assert await keys.create("lock", b"2") == 6
    await keys.purge("lock")
    notes = await f.object_store("files")
    for content in (b"1" * 300_000, b"2" * 300_000):
        await notes.put("other", content)
    await notes.delete("other")
    assert VIOLATIONS.empty(), VIOLATIONS.get_nowait()
    await refused(keys.keys())
    await refused(notes.get("note"))
    await filler.close()

    # Who reads does not write; nobody sees what is not theirs, or makes and deletes buckets.
    await refused(seen.put("a.b", b"mine"))
    assert (await settings.get("a.b")).value == b"2"
    for js in (w, r):
        await refused(js.key_value("secrets"))
        await refused(js.delete_key_value("settings"))
        await refused(js.create_key_value(bucket="new"))
    await writer.close()
    await reader.close()


asyncio.run(main())
