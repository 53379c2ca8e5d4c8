use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{pull, push, AckPolicy, DeliverPolicy};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, kv, object_store};

const ORDERS: &str = "ORDERS";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

mod subjects {
    pub const PAID: &str = "orders.paid";
}

struct Definition {
    name: &'static str,
    subjects: Vec<String>,
    max_messages: i64,
}

struct Bus {
    js: jetstream::Context,
    prefix: String,
}

impl Bus {
    const LIMIT: i64 = 1_000;

    async fn ensure(&self, one: Definition) -> Result<stream::Stream, async_nats::Error> {
        Ok(self
            .js
            .get_or_create_stream(stream::Config {
                name: one.name.to_string(),
                subjects: one.subjects,
                max_messages: one.max_messages,
                ..Default::default()
            })
            .await?)
    }

    async fn setup(&self) -> Result<(), async_nats::Error> {
        let orders = self
            .js
            .create_stream(stream::Config {
                name: ORDERS.into(),
                description: Some("all orders".to_owned()),
                subjects: vec!["orders.>".to_string(), format!("{}.*", "returns")],
                retention: RetentionPolicy::WorkQueue,
                max_age: 7 * DAY,
                storage: StorageType::Memory,
                discard: DiscardPolicy::New,
                max_messages: Self::LIMIT,
                max_bytes: 1 << 20,
                duplicate_window: Duration::from_millis(30_000),
                allow_rollup: true,
                deny_delete: true,
                metadata: HashMap::from([("team".to_string(), "shop".to_string())]),
                num_replicas: 1,
                ..Default::default()
            })
            .await?;
        orders
            .create_consumer(pull::Config {
                durable_name: Some("billing".to_string()),
                filter_subject: subjects::PAID.to_string(),
                ack_policy: AckPolicy::Explicit,
                max_deliver: 5,
                backoff: vec![Duration::from_secs(1), Duration::from_secs(5)],
                max_ack_pending: 10,
                ..Default::default()
            })
            .await?;
        let events = self.ensure(Definition { name: "EVENTS", subjects: vec!["events.>".into()], max_messages: 5 }).await?;
        let name = format!("{name}-{n}", name = "reader", n = 1);
        events
            .get_or_create_consumer(
                &name,
                pull::Config {
                    durable_name: Some(name.clone()),
                    filter_subjects: vec!["events.a".to_string(), "events.b".to_string()],
                    deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: 7 },
                    ack_wait: Duration::from_secs(60),
                    headers_only: true,
                    ..Default::default()
                },
            )
            .await?;
        self.js
            .create_consumer_on_stream(
                push::Config {
                    name: Some("pushed".to_string()),
                    durable_name: Some("pushed".to_string()),
                    deliver_subject: format!("to.{prefix}", prefix = "pushed"),
                    deliver_group: Some("group".to_string()),
                    ack_policy: AckPolicy::None,
                    flow_control: true,
                    idle_heartbeat: Duration::from_secs(5),
                    ..Default::default()
                },
                "EVENTS",
            )
            .await?;
        for (name, subject) in [("A", "a"), ("B", "b")] {
            self.js.create_stream(stream::Config { name: name.to_string(), subjects: vec![subject.to_string()], ..Default::default() }).await?;
        }
        self.js.create_key_value(kv::Config { bucket: "settings".into(), history: 5, max_age: Duration::from_secs(3600), ..Default::default() }).await?;
        self.js.create_object_store(object_store::Config { bucket: "files".into(), max_age: Duration::from_secs(60), ..Default::default() }).await?;
        Ok(())
    }

    async fn paid(&self) -> Result<(), async_nats::Error> {
        self.js.publish(subjects::PAID, "{}".into()).await?.await?;
        self.js.publish(format!("{}.other", self.prefix), "{}".into()).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), async_nats::Error> {
    let client = async_nats::connect(std::env::var("NATS_URL")?).await?;
    let bus = Bus { js: jetstream::new(client), prefix: "orders".to_string() };
    bus.setup().await?;
    tokio::spawn(async move {
        if let Err(error) = bus.paid().await {
            eprintln!("{error}");
        }
    });
    Ok(())
}
