const { connect, consumerOpts, createInbox, nanos, StorageType, AckPolicy } = require("nats");

const SUBJECTS = { created: "orders.created", paid: "orders.paid", all: "orders.>" };
const defaults = { storage: StorageType.File, max_age: nanos(24 * 60 * 60 * 1000) };

const ensure = async (jsm, { name, subjects, ...rest }) => {
  try {
    await jsm.streams.info(name);
  } catch (_) {
    await jsm.streams.add({ name, subjects });
  }
};

(async () => {
  const nc = await connect({ servers: process.env.NATS_URL });
  const jsm = await nc.jetstreamManager();
  const js = nc.jetstream();
  await jsm.streams.add({ name: "ORDERS", subjects: [SUBJECTS.all], ...defaults });
  await Promise.all(["A", "B"].map(async (name) => ensure(jsm, { name, subjects: [name.toLowerCase()] })));
  Object.entries({ C: { max_msgs: 1 } }).forEach(([name, config]) => jsm.streams.add({ name, subjects: ["c"], ...config }));

  const opts = consumerOpts();
  opts.durable("mailer");
  opts.manualAck();
  opts.ackExplicit();
  opts.ackWait(10_000);
  opts.maxDeliver(3);
  opts.deliverTo(createInbox());
  opts.queue("mailers");
  await js.subscribe(SUBJECTS.created, opts);

  await js.pullSubscribe("orders.paid", {
    stream: "ORDERS",
    mack: true,
    config: { durable_name: "billing", ack_policy: AckPolicy.Explicit, max_ack_pending: 7 },
  });
  await js.pullSubscribe(SUBJECTS.paid, consumerOpts().durable("chained").ackExplicit().maxAckPending(9).deliverNew());
  await js.views.kv("settings", { history: 2, ttl: 60 * 1000, maxValueSize: 100 });
  await js.views.os("files", { ttl: nanos(60_000) });
  process.exit(0);
})();
