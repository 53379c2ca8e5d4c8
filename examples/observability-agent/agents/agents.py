"""The agents of the example, on nats-py: `python agents.py metric_agent`, or `python agents.py` for all of them.

NATS_URL says where the server is. Where the topology has users, an agent is the user of its name, and its password
is in METRIC_AGENT_PASS and so on. At its start it looks for its streams, and creates those that are missing, as
streams.json has them (`watershed render json .. -o streams.json`). What a language model would say is a line of text here.

An agent acknowledges a message when what follows from it is stored. If that fails it hands the message back with a
delay: without one, all attempts are gone within milliseconds.
"""
import asyncio
import json
import os
import pathlib
import sys
import time

import nats
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError

CONFIGS = {one["name"]: one for one in json.loads(pathlib.Path(__file__).with_name("streams.json").read_text())["streams"]}
RETRY_AFTER = 5
PROGRESS_EVERY = 10


class Agent:
    """A connection, and what all agents do."""

    name = ""
    ensures: list = []
    consumes: dict = {}  # durable -> (stream, method)

    async def run(self):
        password = os.environ.get(f"{self.name.upper()}_PASS")
        login = {"user": self.name, "password": password} if password else {}
        self.nc = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), **login)
        self.js = self.nc.jetstream()
        for stream in self.ensures:
            await self.ensure(stream)
        print(f"{self.name}: ready", flush=True)
        await asyncio.gather(*(self.work(durable, *of) for durable, of in self.consumes.items()))

    async def ensure(self, name):
        try:
            await self.js.stream_info(name)
        except NotFoundError:
            await self.js.add_stream(StreamConfig.from_response(dict(CONFIGS[name])))
            print(f"{self.name}: created {name}", flush=True)

    async def work(self, durable, stream, method):
        while True:  # durables are made by `watershed apply`
            try:
                await self.js.consumer_info(stream, durable)
                break
            except NotFoundError:
                await asyncio.sleep(0.2)
        subscription = await self.js.pull_subscribe_bind(durable, stream)
        while True:
            try:
                messages = await subscription.fetch(1, timeout=30)
            except (nats.errors.Error, asyncio.TimeoutError):  # nothing came, or the server is away
                continue
            for message in messages:
                await self.handle(message, getattr(self, method))

    async def handle(self, message, method):
        progress = asyncio.create_task(self.progress(message))
        try:
            content = json.loads(message.data)
            if await method(content, message) is not False:
                await message.ack_sync()
        except (ValueError, KeyError) as error:
            print(f"{self.name}: rejected: {error!r}", flush=True)
            await message.term()  # it would be the same next time
        except Exception as error:
            print(f"{self.name}: again in {RETRY_AFTER} s: {error!r}", flush=True)
            await message.nak(delay=RETRY_AFTER)
        finally:
            progress.cancel()

    @staticmethod
    async def progress(message):
        while True:
            await asyncio.sleep(PROGRESS_EVERY)
            await message.in_progress()

    async def publish(self, subject, content, key):
        """Stores it once: what is said again within the stream's duplicate window is not stored again."""
        await self.js.publish(subject, json.dumps(content).encode(), headers={"Nats-Msg-Id": f"{self.name} {key}"})


class Orchestrator(Agent):
    name = "orchestrator"
    ensures = ["ALERTS", "AGENT_TASKS", "RESPONSES", "ALERT_DATA", "ROOT_CAUSE", "NOTIFICATIONS"]
    consumes = {
        "orchestrator_alerts": ("ALERTS", "on_alert"),
        "orchestrator_responses": ("RESPONSES", "on_response"),
        "orchestrator_root_cause": ("RESPONSES", "on_root_cause"),
        "orchestrator_alert_data": ("ALERT_DATA", "on_request"),
    }
    asked = ["metric_agent", "log_agent", "deployment_agent", "tracing_agent"]

    def __init__(self):
        self.alerts = {}
        self.answers = {}

    async def on_alert(self, alert, _message):
        self.alerts[alert["id"]] = alert
        await self.publish(f"alerts.{alert['id']}", {**alert, "seen": time.time()}, alert["id"])
        for agent in self.asked:
            await self.publish(agent, {"alert": alert}, f"{agent} {alert['id']}")

    async def on_response(self, answer, message):
        """An answer is acknowledged when all four are there. If this program ends before, they come again."""
        held = self.answers.setdefault(answer["alert_id"], {})
        held[answer["agent"]] = (answer, message)
        if len(held) < len(self.asked):
            return False
        answers = [held[agent][0] for agent in self.asked]
        await self.publish("root_cause_analysis", {"alert_id": answer["alert_id"], "answers": answers}, answer["alert_id"])
        for _, one in held.values():
            await one.ack_sync()
        del self.answers[answer["alert_id"]]
        return False

    async def on_root_cause(self, result, _message):
        await self.publish("notification_requests", {"alert_id": result["alert_id"], "text": result["root_cause"]}, result["alert_id"])
        await self.publish("postmortem_agent", result, f"postmortem {result['alert_id']}")

    async def on_request(self, request, _message):
        alert = self.alerts.get(request["alert_id"], {"id": request["alert_id"]})
        await self.publish(f"alert_data_response.{request['request_id']}", alert, request["request_id"])


class Analyst(Agent):
    """Looks at one kind of data, says what it saw, and stores the data."""

    def __init__(self, name, data, durable=None):
        self.name, self.data = name, data
        self.ensures = ["AGENT_TASKS", data.upper(), "RESPONSES"]
        self.consumes = {durable or name: ("AGENT_TASKS", "on_task")}

    async def on_task(self, task, _message):
        alert = task["alert"]
        service = alert["labels"]["service"]
        await self.publish(f"{self.data}.{service}", {"service": service, "alert_id": alert["id"]}, f"data {alert['id']}")
        answer = {"agent": self.name, "alert_id": alert["id"], "analysis": f"{self.data} of {service}"}
        await self.publish("orchestrator_response", answer, alert["id"])


class RootCause(Agent):
    name = "root_cause_agent"
    ensures = ["ROOT_CAUSE"]
    consumes = {"root_cause_agent": ("ROOT_CAUSE", "on_analysis")}

    async def on_analysis(self, analysis, _message):
        seen = ", ".join(answer["analysis"] for answer in analysis["answers"])
        result = {"alert_id": analysis["alert_id"], "root_cause": f"after a look at {seen}: the disk is full"}
        await self.publish(f"rootcause.{result['alert_id']}", result, f"kept {result['alert_id']}")
        await self.publish("root_cause_result", result, result["alert_id"])


class Notification(Agent):
    name = "notification_agent"
    ensures = ["NOTIFICATIONS"]
    consumes = {"notification_agent": ("NOTIFICATIONS", "on_request")}

    async def on_request(self, request, _message):
        await self.publish(f"notifications.{request['alert_id']}", request, request["alert_id"])


class WithAlertData(Agent):
    async def alert_data(self, alert_id):
        """A request through two streams: the answer comes on a subject of its own."""
        request_id = f"{self.name}-{alert_id}"
        answers = await self.nc.subscribe(f"alert_data_response.{request_id}", max_msgs=1)
        await self.nc.flush()
        request = {"alert_id": alert_id, "request_id": request_id, "attempt": time.time()}
        await self.publish("alert_data_request", request, f"{request_id} {request['attempt']}")
        try:
            return json.loads((await answers.next_msg(timeout=5)).data)
        finally:
            await answers.unsubscribe()


class Postmortem(WithAlertData):
    name = "postmortem_agent"
    ensures = ["POSTMORTEMS", "ALERT_DATA", "ROOT_CAUSE", "AGENT_TASKS"]
    consumes = {"postmortem_direct": ("AGENT_TASKS", "on_result"), "postmortem_root_cause": ("ROOT_CAUSE", "on_result")}

    async def on_result(self, result, _message):
        # It hears of a cause twice; one report is stored, and data are asked for once at a time.
        alert = await self.alert_data(result["alert_id"]) if "alert" not in result else result["alert"]
        report = {"alert_id": result["alert_id"], "summary": result["root_cause"], "alert": alert}
        await self.publish(f"postmortems.{result['alert_id']}", report, result["alert_id"])

    def __init__(self):
        self.one = asyncio.Lock()

    async def handle(self, message, method):
        async with self.one:
            await super().handle(message, method)


class Runbook(WithAlertData):
    name = "runbook_agent"
    ensures = ["RUNBOOKS", "RUNBOOK_EXECUTIONS", "ALERT_DATA", "ROOT_CAUSE"]
    consumes = {"runbook_agent": ("ROOT_CAUSE", "on_result"), "runbook_fetch": ("RUNBOOKS", "on_runbook")}

    def __init__(self):
        self.known = {}

    async def on_result(self, result, _message):
        alert = await self.alert_data(result["alert_id"])
        name = alert.get("labels", {}).get("alertname", "unknown")
        runbook = {"runbook": name, "alert_id": result["alert_id"], "steps": ["free space", "restart the service"]}
        await self.publish(f"runbooks.{result['alert_id']}", runbook, result["alert_id"])

    async def on_runbook(self, runbook, _message):
        self.known[runbook["runbook"]] = runbook


class Executor(Agent):
    name = "runbook_executor"
    ensures = ["RUNBOOK_EXECUTIONS"]
    consumes = {"runbook_executor": ("RUNBOOK_EXECUTIONS", "on_execute")}

    async def on_execute(self, execution, _message):
        own = execution["executionId"]
        for number, step in enumerate(execution["runbook"]["steps"], 1):
            await self.publish(f"runbook.status.{own}", {"step": number, "done": step}, f"{own} {number}")
        await self.publish(f"runbook.status.{own}", {"status": "completed"}, f"{own} completed")


class Notebook(Agent):
    name = "notebook_agent"
    ensures = ["NOTEBOOKS"]

    async def run(self):
        await super().run()
        await self.publish("notebooks.created", {"title": "what the agents know"}, "first")


ALL = [
    Orchestrator(),
    Analyst("metric_agent", "metrics"),
    Analyst("log_agent", "logs", "log_agent_consumer"),
    Analyst("deployment_agent", "deployments"),
    Analyst("tracing_agent", "traces"),
    RootCause(),
    Notification(),
    Postmortem(),
    Runbook(),
    Executor(),
    Notebook(),
]


async def main():
    chosen = [agent for agent in ALL if len(sys.argv) < 2 or agent.name in sys.argv[1:]]
    await asyncio.gather(*(agent.run() for agent in chosen))


asyncio.run(main())
