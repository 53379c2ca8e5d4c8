"""What an agent of the observability system does with its streams when it starts."""
from nats.js.api import ConsumerConfig, StorageType

ALERTS = {"name": "ALERTS", "subjects": ["alerts.>"], "storage": "memory", "max_age": 7 * 24 * 3600}


class Agent:
    def __init__(self, js):
        self.js = js

    async def start(self):
        await self.js.add_stream(**ALERTS)
        await self.js.update_stream(name="ALERTS", subjects=["alerts.>", "alert"])
        await self.js.subscribe(
            "alerts.metrics",
            queue="metric_agents",
            config=ConsumerConfig(durable_name="metric_agent", max_deliver=5, ack_wait=60),
            cb=self.on_alert,
        )

    async def on_alert(self, msg):
        alert = msg.subject
        await self.js.subscribe(
            "alerts.answers", durable=f"answers_{alert}", stream="ALERTS", cb=self.on_answer
        )

    async def on_answer(self, msg):
        await msg.ack()
