//! Programs against a topology.

use std::fmt::Write as _;

use watershed_topology::read::{Document, read};
use watershed_topology::source::SourceMap;

const FILE: &str = "\
watershed: 1
name: shop
streams:
  ORDERS:
    subjects: [orders.>]
    max_age: 7d
    consumers:
      billing: { filter_subject: orders.paid, max_deliver: 5 }
key_values: { settings: {} }
";

#[track_caller]
fn check(programs: &[(&str, &str)]) -> String {
    let mut sources = SourceMap::default();
    let file = sources.add("watershed.yaml", FILE);
    let document = Document::new(&sources, file);
    let topology = read(&sources, vec![document], Vec::new(), None).topology;
    let files: Vec<_> = programs.iter().map(|(name, text)| sources.add(name, text)).collect();
    let mut out = String::new();
    for found in crate::against(&sources, &topology, &files) {
        let _ = writeln!(out, "{}", found.plain(&sources).lines().next().unwrap_or_default());
    }
    out
}

#[test]
fn what_programs_do_and_the_topology_does_not_say_is_found() {
    let python = "\
import asyncio, nats
async def main():
    nc = await nats.connect('nats://nats')
    js = nc.jetstream()
    await js.add_stream(name='ORDERS', subjects=['orders.>'], max_age=30 * 24 * 3600)
    await js.add_stream(name='AUDIT', subjects=['audit.>'])
    await js.publish('orders.paid', b'1')
    await js.publish('invoices.sent', b'1')
    await js.pull_subscribe('orders.paid', durable='billing', stream='ORDERS')
    await js.pull_subscribe('orders.sent', durable='shipping', stream='ORDERS')
    await js.subscribe('orders.paid', durable='billing', stream='ORDERS', cb=print)
    await js.pull_subscribe('x.y', durable='worker', stream='ELSEWHERE')
asyncio.run(main())
";
    insta::assert_snapshot!(check(&[("services/billing/main.py", python)]), @r"
    services/billing/main.py:5:30: error[I005]: stream `ORDERS` is defined twice, and not alike: `max_age` is 7d there and 30d here
    services/billing/main.py:6:30: warning[I023]: stream `AUDIT` is made here, and the topology does not declare it
    services/billing/main.py:8:22: warning[I024]: no stream stores `invoices.sent`: whoever publishes it is told that it failed
    services/billing/main.py:10:52: warning[I023]: consumer `ORDERS/shipping` is used here, and the topology does not declare it
    services/billing/main.py:11:5: error[I018]: `billing` is a pull consumer, and nats-py wants to be pushed to by it here: the call fails
    services/billing/main.py:12:44: warning[I023]: stream `ELSEWHERE` is used here, and the topology does not declare it
    ");
}

#[test]
fn programs_as_declared_say_nothing() {
    let go = "\
package main

import (
\t\"context\"
\t\"github.com/nats-io/nats.go\"
\t\"github.com/nats-io/nats.go/jetstream\"
)

func main() {
\tctx := context.Background()
\tnc, _ := nats.Connect(nats.DefaultURL)
\tjs, _ := jetstream.New(nc)
\tcons, _ := js.Consumer(ctx, \"ORDERS\", \"billing\")
\tcons.Consume(func(msg jetstream.Msg) { msg.Ack() })
\tjs.Publish(ctx, \"orders.eu\", nil)
}
";
    let python = "\
import nats
async def run(subject):
    nc = await nats.connect('nats://nats')
    js = nc.jetstream()
    kv = await js.key_value('settings')
    await js.publish(f'orders.{subject}', b'1')
    await nc.publish('core.only', b'1')
";
    assert_eq!(check(&[("main.go", go), ("run.py", python), ("c.c", "int main;")]), "");
}

/// A program whose callback this is, with more words in the call.
fn python(handler: &str, call: &str) -> String {
    format!(
        "import nats\n{handler}\nasync def main():\n    nc = await nats.connect('x')\n    js = nc.jetstream()\n    await js.subscribe('orders.sent', durable='c', stream='ORDERS', cb=handle{call})\n"
    )
}

fn go(handler: &str) -> String {
    format!(
        "package main\nimport \"github.com/nats-io/nats.go/jetstream\"\nfunc main() {{\n\tjs, _ := jetstream.New(nc)\n\tcons, _ := js.Consumer(ctx, \"ORDERS\", \"billing\")\n\tcons.Consume({handler})\n}}\n"
    )
}

/// The library acknowledges nothing by itself.
const MANUAL: &str = ", manual_ack=True";

#[test]
fn handlers_that_never_acknowledge_are_found() {
    let silent = [
        (
            "a.py",
            python(
                "async def handle(msg):\n    print(msg.data)\n    await store(msg.subject, 1)\n",
                MANUAL,
            ),
        ),
        (
            "a.py",
            python("async def handle(m):\n    if m.data:\n        total = len(m.data)\n", MANUAL),
        ),
        ("a.go", go("func(msg jetstream.Msg) {\n\t\tlog.Println(string(msg.Data()))\n\t}")),
    ];
    for (name, text) in &silent {
        let found = check(&[(name, text)]);
        assert!(found.contains("error[I025]"), "{text}\n{found}");
    }
}

/// Something acknowledges, or may.
#[test]
fn handlers_that_may_acknowledge_are_left_alone() {
    let fine = [
        ("a.py", python("async def handle(msg):\n    print(msg.data)\n", "")),
        ("a.py", python("async def handle(msg):\n    await msg.ack()\n", MANUAL)),
        (
            "a.py",
            python(
                "async def handle(msg):\n    try:\n        work(msg.data)\n    finally:\n        await msg.ack_sync()\n",
                MANUAL,
            ),
        ),
        ("a.py", python("async def handle(msg):\n    await work(msg)\n", MANUAL)),
        ("a.py", python("async def handle(msg):\n    queue.append(msg)\n", MANUAL)),
        (
            "a.py",
            python("async def handle(msg):\n    other = msg\n    print(other.data)\n", MANUAL),
        ),
        ("a.py", python("@done\nasync def handle(msg):\n    print(msg.data)\n", MANUAL)),
        (
            "a.py",
            python(
                "async def handle(msg):\n    async with done(msg):\n        print(msg.data)\n",
                MANUAL,
            ),
        ),
        (
            "a.py",
            python(
                "async def handle(msg):\n    for one in [msg]:\n        print(one.data)\n",
                MANUAL,
            ),
        ),
        (
            "a.py",
            python("async def handle(msg):\n    await nc.publish(msg.reply, b'+ACK')\n", MANUAL),
        ),
        (
            "a.py",
            python(
                "async def handle(msg):\n    def inner():\n        return msg\n    print(msg.data)\n",
                MANUAL,
            ),
        ),
        (
            "a.go",
            go(
                "func(msg jetstream.Msg) {\n\t\tif err := work(msg.Data()); err != nil {\n\t\t\tmsg.Nak()\n\t\t\treturn\n\t\t}\n\t\tmsg.Ack()\n\t}",
            ),
        ),
        (
            "a.go",
            go("func(msg jetstream.Msg) {\n\t\tdefer msg.Ack()\n\t\tlog.Println(msg.Data())\n\t}"),
        ),
        ("a.go", go("func(msg jetstream.Msg) {\n\t\tjobs <- msg\n\t}")),
        ("a.go", go("handle")),
    ];
    for (name, text) in &fine {
        let found = check(&[(name, text)]);
        assert!(!found.contains("I025"), "{text}\n{found}");
    }
}
