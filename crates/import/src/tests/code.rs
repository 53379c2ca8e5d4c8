//! Programs that make streams and consumers.

use super::*;

/// A program's files: what they come to, and everything that is said about them.
fn check_all(files: &[(&str, &str)]) -> String {
    let mut sources = SourceMap::default();
    let ids: Vec<FileId> = files.iter().map(|(name, text)| sources.add(name, text)).collect();
    let (imported, _) = import(&sources, &ids);
    let mut out = render(&imported.topology, &comments(&sources, &imported));
    let mut out = out.split_off(out.find("\n\n").map_or(out.len(), |head| head + 2));
    let (found, _) = lint(&sources, &ids, &imported, None);
    for found in found.iter().filter(|found| found.severity > Severity::Info) {
        let _ = writeln!(out, "{}", found.plain(&sources).lines().next().unwrap_or_default());
    }
    out
}

/// One file in Python.
fn check_python(text: &str) -> String {
    check_all(&[("services/orders/bus.py", text)])
}

#[test]
fn a_document_with_python_is_read() {
    let text = "# Streams\n\n```python\nawait js.add_stream(name=\"PLANS\", subjects=[\"plans.>\"], storage=StorageType.FILE, max_age=86400)\n```\n\nfrom a table:\n\n```python\nawait js.add_stream(\n    name=definition[\"name\"],\n    subjects=definition[\"subjects\"],\n)\n```\n\n```bash\nnats consumer add PLANS shown --pull --filter plans.x --defaults\n```\n\n```py\nawait self.js.subscribe(\n    subject=\"plans.approved\",\n    stream=\"PLANS\",\n    durable=\"context-plans\",\n    cb=self._handle,\n    manual_ack=True,\n)\nawait js.pull_subscribe(\"gone.>\", durable=\"x\", stream=\"GONE\")\n```\n";
    insta::assert_snapshot!(check_all(&[("streams.md", text)]), @r#"
    streams:
      PLANS:
        subjects: [plans.>]
        max_age: 1d
        consumers:
          shown: { filter_subject: plans.x }
          context-plans: { filter_subject: plans.approved, deliver_subject: _INBOX.context-plans }

      # not read: these files have no stream `GONE`, only consumers of it
      GONE:
        consumers:
          x: { filter_subject: gone.> }
    streams.md:11:10: warning[I002]: the name of a stream is `definition["name"]`, which is not known here: it was not read
    streams.md:21:1: warning[I001]: the library makes up where this consumer delivers: `_INBOX.` and its name was taken, which it uses if the consumer is there
    streams.md:28:43: warning[I002]: these files have no stream `GONE`, only consumers of it
    "#);
}

#[test]
fn what_comes_from_outside_is_said() {
    insta::assert_snapshot!(check_python(r#"import os
from nats.js.api import StreamConfig
async def start(js, tenant):
    await js.add_stream(StreamConfig(
        name="ORDERS",
        subjects=["orders.>", f"{tenant}.>"],
        max_age=int(os.environ["DAYS"]) * 86400,
        max_msgs=int(os.getenv("MSGS", "1000")),
        placement=pick(),
    ))
    await js.add_stream(name=os.environ["NAME"], subjects=["x"])
    await js.pull_subscribe("orders.paid", durable="billing")
    await js.pull_subscribe("elsewhere.*", durable="c")
    await js.pull_subscribe("orders.*", durable=f"view-{tenant}", stream="ORDERS")
    await js.publish(tenant, b"")
    await js.publish(f"orders.{tenant}.created", b"")
"#), @r#"
    streams:
      # not read: `subjects` is `tenant`, which is not known here
      # not read: `max_age` is `int(os.environ["DAYS"]) * 86400`, which is not known here
      # not read: `placement` is `pick()`, which is not known here
      ORDERS:
        subjects: [orders.>]
        max_msgs: 1000
        consumers:
          billing: { filter_subject: orders.paid }

    services:
      orders: { publishes: [orders.*.created], consumes: [ORDERS/billing] }
    services/orders/bus.py:6:31: warning[I002]: `subjects` is `tenant`, which is not known here
    services/orders/bus.py:7:17: warning[I002]: `max_age` is `int(os.environ["DAYS"]) * 86400`, which is not known here
    services/orders/bus.py:9:19: warning[I002]: `placement` is `pick()`, which is not known here
    services/orders/bus.py:11:30: warning[I002]: the name of a stream is `os.environ["NAME"]`, which is not known here: it was not read
    services/orders/bus.py:13:5: warning[I002]: which stream stores `elsewhere.*` is not known here: the consumer was not read
    services/orders/bus.py:14:49: warning[I002]: the name of a consumer is `f"view-{tenant}"`, which is not known here: it was not read
    services/orders/bus.py:14:49: warning[I022]: a durable consumer of `ORDERS` for each name, and none of them ever goes: the server keeps them all
    services/orders/bus.py:15:22: warning[I002]: which subject this publishes is not known here: it was not read
    services/orders/bus.py:16:22: warning[I001]: parts of this subject are not known here: each was taken for one token, `*`
    "#);
}

#[test]
fn wrong_units_and_calls_that_fail_are_found() {
    insta::assert_snapshot!(check_python(r#"
from nats.js.api import *
from datetime import timedelta
async def start(js):
    await js.add_stream(name="A", subjects=["a.>"], max_age=604800000000000, max_msgs=5)
    await js.add_stream(name="B", subjects=["b"], max_age=604800000, retention="work_queue")
    await js.add_stream(name="C", subjects=["c"], max_age=timedelta(days=7), replicas=3)
    await js.add_consumer("B", durable_name="workers")
    await js.subscribe("b", durable="workers")
    await js.subscribe("a.x", queue="both", cb=on)
    await js.subscribe("a.y", queue="both", cb=on)
    await js.subscribe("a.z", queue="group", durable="name", cb=on)
    await js.subscribe("a.>", cb=on)
    await js.subscribe("a.>", cb=on, ordered_consumer=True)
    await js.update_stream(name="A", subjects=["a.>", "d"])
"#), @r"
    streams:
      # not read: `max_age` is `604800000000000`, which is not a duration there
      A:
        subjects: [a.>]
        max_msgs: 5
        consumers:
          # services/orders/bus.py:10:5: the library makes up where this consumer delivers: `_INBOX.` and its name was taken, which it uses if the consumer is there
          both: { filter_subject: a.x, deliver_subject: _INBOX.both, deliver_group: both }

      B:
        subjects: [b]
        retention: workqueue
        max_age: 7000d
        consumers:
          workers: {}

      # not read: `max_age` is `timedelta(days=7)`, which is not a duration there
      # not read: unknown field `replicas` of nats-py: the call raises an error
      C:
        subjects: [c]

    services:
      orders: { consumes: [B/workers, A/both] }
    services/orders/bus.py:5:61: error[I017]: `max_age` of nats-py counts seconds: 604800000000000 of them are 19178082 years; as nanoseconds it would be 7d
    services/orders/bus.py:6:59: error[I017]: `max_age` of nats-py counts seconds: 604800000 of them are 19 years; as milliseconds it would be 7d
    services/orders/bus.py:7:59: error[I017]: `max_age` of nats-py is a number of seconds: a timedelta raises an error
    services/orders/bus.py:7:78: error[I004]: unknown field `replicas` of nats-py: the call raises an error
    services/orders/bus.py:9:5: error[I018]: `workers` is a pull consumer, and nats-py wants to be pushed to by it here: the call fails
    services/orders/bus.py:10:5: warning[I001]: the library makes up where this consumer delivers: `_INBOX.` and its name was taken, which it uses if the consumer is there
    services/orders/bus.py:11:5: error[I020]: `A/both` takes `a.x`, and is used as it is: `a.y` is not delivered here
    services/orders/bus.py:12:5: error[I020]: nats-py takes the queue group `group` for the durable name too, and refuses another one beside it: `name`
    services/orders/bus.py:13:5: warning[I019]: a consumer of `A` without a durable name: its position is lost with its client, which gets every message again
    services/orders/bus.py:15:5: error[I021]: an update says all of a stream: `max_msgs` of `A`, not given here, go back to their defaults
    services/orders/bus.py:15:33: error[I005]: stream `A` is defined twice, and not alike: `subjects` is [a.>] there and [a.>, d] here
    ");
}

#[test]
fn programs_and_scripts_are_compared_field_by_field() {
    let script = "nats stream add ORDERS --subjects 'orders.>' --max-age 30d --max-msgs 1000 --defaults\nnats consumer add ORDERS billing --pull --filter orders.paid --max-deliver 5 --defaults\n";
    let program = r#"
from nats.js.api import ConsumerConfig
async def start(js):
    await js.add_stream(name="ORDERS", subjects=["orders.>"], max_age=7 * 86400, max_msgs=LIMIT, allow_direct=True)
    await js.add_consumer("ORDERS", ConsumerConfig(durable_name="billing", filter_subject="orders.paid", max_deliver=3))
"#;
    insta::assert_snapshot!(check_all(&[("init.sh", script), ("bus.py", program)]), @r"
    streams:
      ORDERS:
        subjects: [orders.>]
        max_age: 30d
        max_msgs: 1000
        allow_direct: true
        consumers:
          billing: { filter_subject: orders.paid, max_deliver: 5 }
    bus.py:4:30: error[I005]: stream `ORDERS` is defined twice, and not alike: `max_age` is 30d there and 7d here
    bus.py:4:91: warning[I002]: `max_msgs` is `LIMIT`, which is not known here
    bus.py:5:5: warning[I005]: consumer `ORDERS/billing` is defined twice, and not alike: `max_deliver` is 5 there and 3 here
    ");
}

#[test]
fn modules_see_what_others_define() {
    let table = "class Subjects:\n    PAID = 'orders.paid'\n\nSTREAMS = {'ORDERS': {'subjects': ['orders.>'], 'max_age': 60 * 60}}\n";
    let setup = "from .topology import STREAMS as ALL\nimport app.topology as t\nasync def ensure(js):\n    for name, config in ALL.items():\n        await js.add_stream(name=name, **config)\n    await js.pull_subscribe(t.Subjects.PAID, durable='billing')\n";
    let client = "from app.topology import Subjects\nclass Shop:\n    async def pay(self, bus):\n        await bus.send(Subjects.PAID)\n";
    let bus = "class Bus:\n    async def send(self, subject):\n        await self._js.publish(subject, b'')\n";
    insta::assert_snapshot!(check_all(&[
        ("app/topology.py", table),
        ("app/setup.py", setup),
        ("services/shop/client.py", client),
        ("services/common/bus.py", bus),
    ]), @r"
    streams:
      ORDERS:
        subjects: [orders.>]
        max_age: 1h
        consumers:
          billing: { filter_subject: orders.paid }

    services:
      setup: { consumes: [ORDERS/billing] }
      shop: { publishes: [orders.paid] }
    ");
}

#[test]
fn programs_in_manifests_are_read() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: init }\ndata:\n  init.py: |\n    import asyncio, nats\n    async def main():\n        nc = await nats.connect('nats://nats')\n        js = nc.jetstream()\n        await js.add_stream(name='A', subjects=['a.*'], max_age=3600000000000)\n    asyncio.run(main())\n";
    insta::assert_snapshot!(check_all(&[("map.yaml", text)]), @r"
    streams:
      # not read: `max_age` is `3600000000000`, which is not a duration there
      A:
        subjects: [a.*]
    map.yaml:10:65: error[I017]: `max_age` of nats-py counts seconds: 3600000000000 of them are 114155 years; as nanoseconds it would be 1h
    ");
}

/// One system in several languages, which do not agree.
const SCRIPT: &str =
    "nats stream add ORDERS --subjects 'orders.>' --max-age 7d --no-allow-direct --defaults\n";
const GO: &str = r#"package main

import ("context"; "os"; "time"; "github.com/nats-io/nats.go/jetstream")

func setup(ctx context.Context, js jetstream.JetStream) error {
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: "ORDERS", Subjects: []string{"orders.>"}, MaxAge: 30 * 24 * time.Hour,
		Replicas: replicas(os.Args),
	})
	if err != nil {
		return err
	}
	_, err = stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{Durable: "billing", FilterSubject: "orders.paid", AckWait: 30})
	return err
}
"#;
const TYPESCRIPT: &str = r#"import { jetstream } from "@nats-io/jetstream";
export class Shop {
  constructor(private readonly js: JetStreamClient, private readonly jsm: JetStreamManager) {}
  async pay(id: string) { await this.js.publish(`orders.${id}.paid`, id); }
  async start() {
    await this.jsm.consumers.add("ORDERS", { durable_name: process.env.NAME, ack_policy: "explicit" });
    await this.jsm.streams.add({ name: "CARTS", subjects: ["carts.*"], max_age: 86400 });
  }
}
"#;
const RUST: &str = r#"
pub async fn listen(js: async_nats::jetstream::Context) -> Result<(), Error> {
    let stream = js.get_stream("ORDERS").await?;
    let consumer: PullConsumer = stream
        .get_or_create_consumer("shipping", pull::Config { durable_name: Some("shipping".into()), filter_subject: "orders.*.paid".into(), ..Default::default() })
        .await?;
    Ok(())
}
"#;
const JAVA: &str = r#"class Mailer {
    void start(JetStream js) throws Exception {
        js.subscribe("orders.>", PushSubscribeOptions.builder().stream("ORDERS").durable("billing").build());
    }
}
"#;

#[test]
fn a_folder_of_several_languages_is_one_system() {
    insta::assert_snapshot!(check_all(&[
        ("init.sh", SCRIPT),
        ("services/setup/main.go", GO),
        ("services/shop/src/shop.ts", TYPESCRIPT),
        ("services/shipping/src/main.rs", RUST),
        ("services/mail/src/main/java/Mailer.java", JAVA),
    ]), @r"
    streams:
      ORDERS:
        subjects: [orders.>]
        max_age: 7d
        consumers:
          billing: { filter_subject: orders.paid, ack_wait: 30ns }
          shipping: { filter_subject: orders.*.paid }

      CARTS:
        subjects: [carts.*]
        max_age: 86µs400ns

    services:
      mail: { consumes: [ORDERS/billing] }
      setup: { consumes: [ORDERS/billing] }
      shipping: { consumes: [ORDERS/shipping] }
      shop: { publishes: [orders.*.paid] }
    services/setup/main.go:7:9: error[I005]: stream `ORDERS` is defined twice, and not alike: `max_age` is 7d there and 30d here
    services/setup/main.go:8:13: warning[I002]: `num_replicas` is `replicas(os.Args)`, which is not known here
    services/setup/main.go:13:130: warning[C005]: one slow write takes longer than 30ns
    services/setup/main.go:13:130: error[I017]: `ack_wait` of nats.go counts nanoseconds: 30 of them are 30ns; as seconds it would be 30s
    services/shop/src/shop.ts:4:49: warning[I001]: parts of this subject are not known here: each was taken for one token, `*`
    services/shop/src/shop.ts:6:60: warning[I002]: the name of a consumer is `process.env.NAME`, which is not known here: it was not read
    services/shop/src/shop.ts:7:81: error[C000]: stream `CARTS`: max age needs to be >= 100ms
    services/shop/src/shop.ts:7:81: error[I017]: `max_age` of nats.js counts nanoseconds: 86400 of them are 86µs400ns; as seconds it would be 1d
    services/mail/src/main/java/Mailer.java:3:9: error[I018]: `billing` is a pull consumer, and jnats wants to be pushed to by it here: the call fails
    ");
}

#[test]
fn branches_make_what_differs_unknown() {
    insta::assert_snapshot!(check_python(r#"
async def start(js, production):
    replicas = 1
    if production:
        replicas = 3
    config = {"name": "A", "subjects": ["a"]}
    if production:
        config["max_age"] = 3600
    await js.add_stream(num_replicas=replicas, **config)
    if production:
        await js.add_stream(name="B", subjects=["b"], max_age=60)
    else:
        await js.add_stream(name="B", subjects=["b"], max_age=30)
    subjects = ["c.x"] if production else ["c.y"]
    await js.add_stream(name="C", subjects=subjects, max_age=1 or 2)
"#), @r#"
    streams:
      # not read: `num_replicas` is `replicas`, which is not known here
      # not read: `max_age` is `config["max_age"]`, which is not known here
      A:
        subjects: [a]

      B:
        subjects: [b]
        max_age: 1m

      # not read: `subjects` is `subjects`, which is not known here
      C:
        max_age: 1s
    services/orders/bus.py:8:9: warning[I002]: `max_age` is `config["max_age"]`, which is not known here
    services/orders/bus.py:9:38: warning[I002]: `num_replicas` is `replicas`, which is not known here
    services/orders/bus.py:13:34: warning[I001]: `B` becomes another in another branch, by `max_age`: what an empty server gets was taken
    services/orders/bus.py:15:44: warning[I002]: `subjects` is `subjects`, which is not known here
    "#);
}

#[test]
fn other_peoples_publish_and_wild_texts_are_passed_over() {
    for (name, text) in [
        ("a.go", "package a\nfunc f() { redis.Publish(ctx, \"a.b\", 1) }\n"),
        ("a.go", &format!("package a\nvar x = {}1", "-(".repeat(20_000))),
        (
            "a.go",
            "package a\ntype T struct { a *T }\nvar t = T{T{T{}}}\nfunc f() { f(); js.CreateStream() }\n",
        ),
        ("a.ts", "emitter.publish('a'); client.subscribe('x', () => {});\n"),
        ("a.ts", &format!("const x = {};", "[".repeat(20_000))),
        ("a.ts", &format!("const x = `{}`;", "${`".repeat(5_000))),
        ("a.js", "const f = () => f(f); f(f); jsm.streams.add(); jsm.consumers.add('x');\n"),
        (
            "a.tsx",
            "const A = () => <div onClick={() => publish('x')}>{items.map(i => <A/>)}</div>;\n",
        ),
        ("a.rs", "fn f() { format!(\"{\", {}); vec![vec![vec![vec![]]]]; js.publish(); }\n"),
        ("a.rs", &format!("fn f() {{ {} }}", "vec![".repeat(5_000))),
        ("a.rs", &format!("fn f() {{ let x = {}1; }}", "&".repeat(20_000))),
        ("A.java", &format!("class A {{ int x = {}1; }}", "(".repeat(20_000))),
        ("a.go", &format!("package a\nfunc f() {{ if a {{}}{} }}", " else if a {}".repeat(20_000))),
        ("a.go", &format!("package a\nfunc f() {{ {} }}", "for { ".repeat(20_000))),
        ("a.js", &format!("if (a) {{}}{}", " else if (a) {}".repeat(20_000))),
        ("a.rs", &format!("fn f() {{ if a {{}}{} }}", " else if a {}".repeat(20_000))),
        (
            "A.java",
            &format!(
                "class A {{ void f() {{ if (a) {{}}{} }} }}",
                " else if (a) {}".repeat(20_000)
            ),
        ),
        ("A.java", &"class A { ".repeat(20_000)),
        ("A.java", "class A { A a = new A(a); void f() { f(); js.subscribe(); } }\n"),
    ] {
        check_nothing(name, text);
    }
    for text in [
        "redis.publish('a.b', 1)\nclient.subscribe('topic')\n",
        "def f(:\n  js.add_stream(name=\n",
        "x = x + x\nwhile True:\n    x += x\n",
        "def f(a): return f(a)\nf(f)\n",
        &"(".repeat(20_000),
        &format!("js.add_stream(name={})", "[".repeat(5_000)),
        &format!("x = {}1", "-".repeat(50_000)),
        &"@a\n".repeat(20_000),
        &(0..900).fold(String::new(), |text, level| text + &" ".repeat(level) + "if a:\n"),
        "a = 'x' * 10\nb = 2 ** 2 ** 2 ** 2 ** 200\nc = 1 << 1 << 1000000\nd = 1 / 0\n",
        "def f(n):\n    for a in [1]*9:\n        f(n+1); f(n+2)\nl = [0,1,2,3,4,5,6,7,8,9]\nl = [l for i in l]\nfor a in l:\n    for b in l:\n        for c in l:\n            for d in l:\n                for e in l:\n                    for g in l:\n                        for h in l:\n                            js.add_stream(name=str(a))\n",
    ] {
        check_nothing("a.py", text);
    }
}

/// A program that declares nothing, or of which it is said that it was not read.
fn check_nothing(name: &str, text: &str) {
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    let (imported, others) = import(&sources, &[file]);
    assert!(imported.topology.streams.is_empty(), "{name}: {text:.60}");
    assert!(imported.incomplete || others == [file], "{name}: {text:.60}");
}

#[test]
fn packages_of_go_are_those_that_a_file_imports() {
    let shared = "package nats\nimport (\n\t\"context\"\n\t\"github.com/nats-io/nats.go/jetstream\"\n)\ntype StreamConfig = jetstream.StreamConfig\nfunc Provision(ctx context.Context, js jetstream.JetStream, all []StreamConfig) error {\n\tfor _, cfg := range all {\n\t\tif _, err := js.CreateOrUpdateStream(ctx, cfg); err != nil { return err }\n\t}\n\treturn nil\n}\nfunc Attach(ctx context.Context, js jetstream.JetStream, stream string, cfg jetstream.ConsumerConfig) {\n\tjs.CreateOrUpdateConsumer(ctx, stream, cfg)\n}\nfunc Usual(durable, subject string) jetstream.ConsumerConfig {\n\treturn jetstream.ConsumerConfig{Durable: durable, FilterSubject: subject, MaxDeliver: 5}\n}\n";
    let own = |stream: &str, subject: &str| {
        format!(
            "package nats\nimport sharedjs \"example.org/shop/shared/pkg/nats\"\nconst Stream = \"{stream}\"\nfunc Streams() []sharedjs.StreamConfig {{\n\treturn []sharedjs.StreamConfig{{{{Name: Stream, Subjects: []string{{\"{subject}\"}}}}}}\n}}\n"
        )
    };
    let main = |service: &str, subject: &str| {
        format!(
            "package main\nimport (\n\tmynats \"example.org/shop/services/{service}/nats\"\n\tshared \"example.org/shop/shared/pkg/nats\"\n)\nfunc main() {{\n\tctx, stop := signal.NotifyContext(context.Background())\n\tshared.Provision(ctx, js, mynats.Streams())\n\tshared.Attach(ctx, js, mynats.Stream, shared.Usual(\"{service}-in\", \"{subject}\"))\n}}\n"
        )
    };
    insta::assert_snapshot!(check_all(&[
        ("./shared/pkg/nats/nats.go", shared),
        ("./services/auth/nats/streams.go", &own("AUTH", "auth.>")),
        ("./services/room/nats/streams.go", &own("ROOM", "room.>")),
        ("./services/auth/main.go", &main("auth", "auth.user")),
        ("./services/room/main.go", &main("room", "room.open")),
    ]), @r"
    streams:
      AUTH:
        subjects: [auth.>]
        max_age: unlimited
        consumers:
          auth-in: { filter_subject: auth.user, max_deliver: 5 }

      ROOM:
        subjects: [room.>]
        max_age: unlimited
        consumers:
          room-in: { filter_subject: room.open, max_deliver: 5 }

    services:
      auth: { consumes: [AUTH/auth-in] }
      room: { consumes: [ROOM/room-in] }
    ./services/auth/nats/streams.go:3:16: warning[S030]: `AUTH` is unlimited and grows forever
    ./services/room/nats/streams.go:3:16: warning[S030]: `ROOM` is unlimited and grows forever
    ");
}

#[test]
fn methods_are_those_of_the_same_package() {
    let consumer = |service: &str| {
        format!(
            "package in\nimport \"github.com/nats-io/nats.go/jetstream\"\ntype In struct {{ js jetstream.JetStream }}\nfunc (c *In) Start(ctx context.Context) {{\n\tstream, err := c.ensure(ctx)\n\tstream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{{Durable: \"{service}-in\"}})\n}}\nfunc (c *In) ensure(ctx context.Context) (jetstream.Stream, error) {{\n\treturn c.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{{Name: \"{service}\", Subjects: []string{{\"{service}.>\"}}}})\n}}\n"
        )
    };
    insta::assert_snapshot!(check_all(&[
        ("./audit/in/in.go", &consumer("audit")),
        ("./mail/in/in.go", &consumer("mail")),
    ]), @r"
    streams:
      audit:
        subjects: [audit.>]
        max_age: unlimited
        consumers:
          audit-in: {}

      mail:
        subjects: [mail.>]
        max_age: unlimited
        consumers:
          mail-in: {}

    services:
      in: { consumes: [audit/audit-in, mail/mail-in] }
    ./audit/in/in.go:9:69: warning[S030]: `audit` is unlimited and grows forever
    ./mail/in/in.go:9:69: warning[S030]: `mail` is unlimited and grows forever
    ");
}

#[test]
fn structures_without_a_name_say_their_fields() {
    insta::assert_snapshot!(check_all(&[("cmd/main.go", r#"package main
import "github.com/nats-io/nats.go"
func setup(js nats.JetStreamContext) {
	for _, s := range []struct {
		name     string
		subjects []string
		age      time.Duration
	}{
		{"A", []string{"a.>"}, time.Hour},
		{"B", []string{"b.>"}, 2 * time.Hour},
	} {
		js.AddStream(&nats.StreamConfig{Name: s.name, Subjects: s.subjects, MaxAge: s.age})
	}
	js.Publish(fmt.Sprintf("a.%x.%04d", id, 7), nil)
	js.Publish(fmt.Sprintf("b.%s", "one"), nil)
}
"#)]), @r"
    streams:
      A:
        subjects: [a.>]
        max_age: 1h

      B:
        subjects: [b.>]
        max_age: 2h

    services:
      cmd: { publishes: [a.*.*, b.one] }
    cmd/main.go:14:13: warning[I001]: parts of this subject are not known here: each was taken for one token, `*`
    ");
}

#[test]
fn what_is_like_a_call_of_a_client_is_none() {
    let text = "import { connect } from \"nats\";\nexport async function copy(prisma, nc, objm) {\n  await prisma.learningObject.create({ data: { tenant: 1 } });\n  await objm.create(\"FILES\");\n}\n";
    insta::assert_snapshot!(check_all(&[("src/copy.ts", text)]), @r"
    object_stores:
      FILES: {}
    ");
    // Another library, in a file that says nothing of NATS.
    let other =
        "package net\nfunc (s *scope) Open(dir int) error {\n\treturn s.rc.AddStream(dir)\n}\n";
    assert_eq!(check_all(&[("net/scope.go", other)]), "");
    // A method that many types have is not this one's.
    insta::assert_snapshot!(check_all(&[("src/bus.rs", "use async_nats::jetstream;\nimpl Clone for Failure { fn clone(&self) -> Self { Self { a: self.a.clone() } } }\nasync fn start(js: jetstream::Context, name: String) {\n    js.create_stream(jetstream::stream::Config { name: name.clone(), ..Default::default() }).await;\n}\n")]), @r"src/bus.rs:4:56: warning[I002]: the name of a stream is `name.clone()`, which is not known here: it was not read");
}

#[test]
fn subscribers_of_faststream_are_consumers() {
    insta::assert_snapshot!(check_python(r#"
from faststream.nats import NatsBroker, JStream
from nats.js.api import ConsumerConfig
broker = NatsBroker()

async def start(js):
    await js.add_stream(name="CMD", subjects=["cmd.>"])

@broker.subscriber("cmd.update", stream="CMD", durable="update")
async def update(body): ...

@broker.subscriber("cmd.delete", stream=JStream("CMD"), config=ConsumerConfig(durable_name="delete"), pull_sub=True)
async def delete(body): ...

@broker.subscriber("plain", queue="all")
async def plain(body): ...
"#), @r"
    streams:
      CMD:
        subjects: [cmd.>]
        max_age: unlimited
        consumers:
          # services/orders/bus.py:9:2: the library makes up where this consumer delivers: `_INBOX.` and its name was taken, which it uses if the consumer is there
          update: { filter_subject: cmd.update, deliver_subject: _INBOX.update }
          delete: { filter_subject: cmd.delete }

    services:
      orders: { consumes: [CMD/update, CMD/delete] }
    services/orders/bus.py:7:30: warning[S030]: `CMD` is unlimited and grows forever
    services/orders/bus.py:9:2: warning[I001]: the library makes up where this consumer delivers: `_INBOX.` and its name was taken, which it uses if the consumer is there
    ");
}

#[test]
fn conditions_over_what_is_known_are_decided() {
    insta::assert_snapshot!(check_all(&[("cmd/main.go", r#"package main
import "github.com/nats-io/nats.go/jetstream"
type Options struct { Name string; Age time.Duration; Copies int }
func ensure(ctx context.Context, js jetstream.JetStream, o Options) {
	if o.Copies == 0 {
		o.Copies = 3
	}
	cfg := jetstream.StreamConfig{Name: o.Name, Subjects: []string{o.Name + ".>"}, Replicas: o.Copies}
	if o.Age > 0 {
		cfg.MaxAge = o.Age
	}
	if o.Name != "" && o.Age <= 0 {
		cfg.MaxMsgs = 5
	}
	js.CreateStream(ctx, cfg)
}
func main() {
	ensure(ctx, js, Options{Name: "A", Age: time.Hour})
	ensure(ctx, js, Options{Name: "B", Copies: 1})
}
"#)]), @r"
    streams:
      A:
        subjects: [A.>]
        max_age: 1h
        num_replicas: 3

      B:
        subjects: [B.>]
        max_msgs: 5
    ");
}
