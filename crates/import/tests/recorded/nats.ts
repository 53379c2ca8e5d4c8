import { connect } from "@nats-io/transport-node";
import {
  AckPolicy, DeliverPolicy, DiscardPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType,
} from "@nats-io/jetstream";
import type { JetStreamClient, JetStreamManager, StreamConfig } from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";

const DAY = 24 * 60 * 60 * 1000;

enum Streams {
  Orders = "ORDERS",
  Events = "EVENTS",
}

const base: Partial<StreamConfig> = { storage: StorageType.File, num_replicas: 1, max_age: nanos(7 * DAY) };

const STREAMS: Array<Partial<StreamConfig>> = [
  { ...base, name: Streams.Events, subjects: [`events.>`, "audit.*"] },
  { name: "SMALL", subjects: ["small"], max_msgs: 1_000, max_bytes: 10 * 1024 ** 2, storage: StorageType.Memory },
];

class Topology {
  private readonly prefix = "orders";
  constructor(private readonly jsm: JetStreamManager) {}

  async setup(): Promise<void> {
    await this.jsm.streams.add({
      name: Streams.Orders,
      description: "all orders",
      subjects: [`${this.prefix}.>`],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      discard_new_per_subject: true,
      max_msgs_per_subject: 1,
      duplicate_window: nanos(30_000),
      allow_direct: true,
      metadata: { team: "shop" },
      max_age: 3_600_000_000_000,
    });
    for (const config of STREAMS) {
      await this.jsm.streams.add(config as StreamConfig);
    }
    await this.jsm.streams.update("SMALL", { max_msgs: 2_000 });
    await this.consumer(Streams.Orders, "billing", "orders.paid");
    await this.jsm.consumers.add(Streams.Events, { durable_name: "careless" });
    await this.jsm.consumers.add(Streams.Events, {
      name: "pushed",
      durable_name: "pushed",
      ack_policy: AckPolicy.None,
      deliver_subject: "to.pushed",
      deliver_group: "group",
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: 5,
      filter_subjects: ["events.a", "events.b"],
    });
  }

  private async consumer(stream: string, name: string, filter: string, options = {}) {
    return await this.jsm.consumers.add(stream, {
      durable_name: name,
      filter_subject: filter,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(60 * 1000),
      max_deliver: 5,
      backoff: [1000, 5000].map((one) => nanos(one)),
      ...options,
    });
  }
}

async function main() {
  const nc = await connect({ servers: process.env.NATS_URL ?? "localhost:4222" });
  const jsm = await jetstreamManager(nc);
  const js: JetStreamClient = jetstream(nc);
  await new Topology(jsm).setup();
  const kvm = new Kvm(nc);
  await kvm.create("settings", { history: 5, ttl: DAY, replicas: 1 });
  const objm = new Objm(nc);
  await objm.create("files", { ttl: nanos(60_000), storage: StorageType.Memory });
  const consumer = await js.consumers.get(Streams.Orders, "billing");
  await js.publish("orders.paid", "{}");
  await nc.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
