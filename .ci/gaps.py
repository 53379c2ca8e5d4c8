"""How long publishers and workers wait while a stream is migrated: `gaps.py WATERSHED SERVER...`, where each SERVER is a
nats-server or `embedded`. Prints a table as Markdown; ends with 3 if something was lost or came twice where it must not.

A stream in memory of 20,000 messages (LONG_STORED) goes to disk under its name (two hand-overs). Meanwhile a publisher sends a message as
soon as the one before is stored, and tries again for as long as nobody stores it; a worker pulls and acknowledges. A gap
is the longest time between two messages that were stored, or delivered."""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import nats
from nats.errors import NoRespondersError, TimeoutError as TimedOut

STORED = int(os.environ.get("LONG_STORED", "20000"))
FILE = """watershed: 1
name: gaps
streams:
  S: {{ subjects: [s.>], max_age: 1d, storage: {storage}, consumers: {{ c: {{ ack_wait: 30s, max_ack_pending: 5000 }} }} }}
"""


class Load:
    """Who uses the stream."""

    def __init__(self, nc):
        self.nc, self.stop = nc, False
        self.stored, self.refused = [], 0
        self.delivered, self.got = [], {}

    async def publish(self):
        number = 0
        while not self.stop:
            body = f"live {number}".encode()
            while True:
                try:
                    # Whoever gives up sooner may store it twice.
                    answer = await self.nc.request("s.live", body, timeout=30)
                except NoRespondersError:
                    self.refused += 1
                    await asyncio.sleep(0.001)
                    continue
                except TimedOut:
                    continue
                if b'"seq"' in answer.data:
                    break
            self.stored.append(time.monotonic())
            number += 1
        self.published = number

    async def work(self):
        inbox = self.nc.new_inbox()
        answers = await self.nc.subscribe(inbox)
        body = json.dumps({"batch": 100, "expires": 200_000_000}).encode()
        quiet = None
        while True:
            await self.nc.publish("$JS.API.CONSUMER.MSG.NEXT.S.c", body, reply=inbox)
            left = 100
            while left:
                try:
                    message = await answers.next_msg(timeout=0.3)
                except TimedOut:
                    break
                if message.headers and "Status" in message.headers and not message.data:
                    if message.headers["Status"] != "100":
                        if message.headers["Status"] == "503":
                            await asyncio.sleep(0.001)
                        break
                    continue
                left -= 1
                self.delivered.append(time.monotonic())
                said = message.data.decode()
                self.got[said] = self.got.get(said, 0) + 1
                await message.respond(b"+ACK")
            if self.stop:
                now = time.monotonic()
                quiet = quiet or now
                if self.delivered and self.delivered[-1] > quiet:
                    quiet = now
                if now - quiet > 1:
                    return


def longest(times, begin, end):
    inside = [t for t in times if begin - 0.5 <= t <= end + 0.5]
    return max((b - a for a, b in zip(inside, inside[1:])), default=0) * 1000


def start(program, watershed, folder):
    ports = folder / "ports"
    ports.mkdir()
    command = [program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(folder / "store"), "--ports_file_dir", str(ports)]
    if program == "embedded":
        command[:1] = [watershed, "serve"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        for path in ports.iterdir():
            try:
                return process, json.loads(path.read_text())["nats"][0]
            except (ValueError, KeyError):
                pass
        if process.poll() is not None:
            raise SystemExit(f"{program} did not start")
        time.sleep(0.02)


async def measure(program, watershed, folder):
    process, url = start(program, watershed, folder)
    try:
        file = folder / "watershed.yaml"
        file.write_text(FILE.format(storage="memory"))
        subprocess.run([watershed, "apply", "--yes", "-s", url, str(file)], check=True, capture_output=True)
        nc = await nats.connect(url)
        for number in range(STORED):
            if number % 500 == 499:
                await nc.request("s.old", f"old {number}".encode())
            else:
                await nc.publish("s.old", f"old {number}".encode())
        load = Load(nc)
        working = asyncio.create_task(load.work())
        while len(load.got) < STORED:
            await asyncio.sleep(0.05)
        publishing = asyncio.create_task(load.publish())
        await asyncio.sleep(1)
        file.write_text(FILE.format(storage="file"))
        begin = time.monotonic()
        apply = await asyncio.create_subprocess_exec(
            watershed, "apply", "--yes", "--migrate", "S", "-s", url, str(file),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = await apply.communicate()
        end = time.monotonic()
        if apply.returncode != 0:
            raise SystemExit(f"{program}: {said.decode()}")
        await asyncio.sleep(0.5)
        load.stop = True
        await publishing
        await working
        everything = [f"live {number}" for number in range(load.published)] + [f"old {number}" for number in range(STORED)]
        lost = sum(one not in load.got for one in everything)
        again = sum(count - 1 for count in load.got.values())
        rate = load.published / (end - begin + 1.5)
        await nc.close()
        version = nc.connected_server_version
        return {
            "server": "embedded" if program == "embedded" else f"nats-server {str(version).strip('<>').split('v')[-1]}",
            "publishing": longest(load.stored, begin, end), "delivery": longest(load.delivered, begin, end),
            "took": end - begin, "rate": rate, "refused": load.refused, "lost": lost, "again": again,
        }
    finally:
        process.terminate()
        process.wait()


def main():
    watershed, *programs = sys.argv[1:]
    runs = int(os.environ.get("LONG_RUNS", "3"))
    print("| server | publishing gap, worst | delivery gap, worst | whole migration | load | tries in vain | lost | again |")
    print("|---|---|---|---|---|---|---|---|")
    bad = False
    for program in programs:
        all_runs = []
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                all_runs.append(asyncio.run(measure(program, watershed, pathlib.Path(folder))))
        worst = {key: max(run[key] for run in all_runs) for key in all_runs[0] if key != "server"}
        # A server that pauses no consumer delivers again what was acknowledged while it ended.
        bad |= worst["lost"] > 0 or worst["again"] > 0 and "2.10" not in all_runs[0]["server"]
        print(f"| {all_runs[0]['server']} | {worst['publishing']:.0f} ms | {worst['delivery'] / 1000:.2f} s | {worst['took']:.1f} s "
              f"| {min(run['rate'] for run in all_runs):.0f}/s | {worst['refused']} | {worst['lost']} | {worst['again']} |", flush=True)
    sys.exit(3 if bad else 0)


main()
