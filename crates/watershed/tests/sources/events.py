"""The streams and subscriptions of two services, as their code has them."""
import logging

from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType

logger = logging.getLogger(__name__)

DAY = 24 * 60 * 60 * 1_000_000_000

STREAMS = [
    {"name": "PLANNING_EVENTS", "subjects": ["planning.>"], "max_age": 30 * DAY, "max_msgs": 1_000_000},
    {"name": "CONTEXT", "subjects": ["context.>"], "max_age": 7 * DAY, "max_msgs": 100_000},
    {"name": "ORCHESTRATOR_EVENTS", "subjects": ["orchestration.>"], "max_age": 7 * DAY, "max_msgs": 50_000},
]


async def ensure_streams(js):
    for definition in STREAMS:
        try:
            await js.add_stream(
                name=definition["name"],
                subjects=definition["subjects"],
                storage=StorageType.FILE,
                retention=RetentionPolicy.LIMITS,
                discard=DiscardPolicy.OLD,
                max_age=definition["max_age"],
                max_msgs=definition["max_msgs"],
                num_replicas=1,
            )
        except Exception as error:
            logger.warning("stream %s exists already? %s", definition["name"], error)


class PlanningConsumer:
    def __init__(self, js):
        self.js = js

    async def start(self):
        await self.js.subscribe(
            "planning.story.transitioned", queue="context-workers", cb=self.on_story, manual_ack=True
        )
        await self.js.subscribe(
            "planning.plan.approved", queue="context-workers", cb=self.on_plan, manual_ack=True
        )

    async def on_story(self, msg):
        await msg.ack()

    async def on_plan(self, msg):
        await self.js.publish("context.events.updated", msg.data)
        await msg.ack()


class Collector:
    def __init__(self, js):
        self.js = js

    async def start(self):
        await self.js.subscribe(
            "agent.response.completed",
            queue="deliberation-collector",
            durable="deliberation-collector-completed",
            cb=self.on_response,
        )

    async def on_response(self, msg):
        await self.js.publish("deliberation.completed", msg.data)
