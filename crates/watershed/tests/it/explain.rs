//! What follows from a file: what a user may do, what becomes of a subject.

use crate::server::{run, succeed, write};

const FILE: &str = "\
watershed: 1
name: shop
streams:
  ORDERS:
    subjects: [orders.>]
    max_age: 7d
    num_replicas: 3
    consumers:
      billing: { filter_subject: orders.*.paid, max_deliver: 5, backoff: [30s, 1m], dead_letter: DEAD }
  DEAD: { max_age: 30d }
services:
  shop: { publishes: [orders.eu.paid] }
  billing: { consumes: [ORDERS/billing], replicas: 2 }
users:
  shop: { service: shop, inbox_prefix: _INBOX_shop }
  billing: { service: billing, permissions: { publish: { deny: [secret.>] } } }
  admin: { role: admin }
";

#[test]
fn what_a_user_may_do_is_explained_with_the_lines_it_follows_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    let shown = |name: &str| succeed(&["explain", "user", name, &file]).replace(&file, "FILE");
    insta::assert_snapshot!(shown("shop"), @"
    user `shop` may do what service `shop` does (FILE:15)

    may publish to
      $JS.API.INFO
          client libraries ask this at their start (FILE:15)
      $JS.API.STREAM.INFO.ORDERS
          whether `ORDERS`, which stores `orders.eu.paid`, is there (FILE:12)
      $JS.API.STREAM.NAMES
          client libraries ask this at their start (FILE:15)
      orders.eu.paid
          `shop` publishes it (FILE:12)

    may subscribe to
      _INBOX_shop.>
          answers to what it asks (FILE:15)
    ");
    insta::assert_snapshot!(shown("billing"), @"
    user `billing` may do what service `billing` does (FILE:16)

    may publish to
      $JS.ACK.ORDERS.billing.>
          acknowledges messages of `ORDERS/billing` (FILE:13)
      $JS.API.CONSUMER.INFO.ORDERS.billing
          looks at `ORDERS/billing` (FILE:13)
      $JS.API.CONSUMER.MSG.NEXT.ORDERS.billing
          takes messages of `ORDERS/billing` (FILE:13)
      $JS.API.INFO
          client libraries ask this at their start (FILE:16)
      $JS.API.STREAM.INFO.ORDERS
          looks at `ORDERS/billing` (FILE:13)
      $JS.API.STREAM.NAMES
          client libraries ask this at their start (FILE:16)
      dead.ORDERS.billing.*.*
          keeps dead letters of `ORDERS/billing` (FILE:9)
    may not publish to
      secret.>
          listed under `permissions` (FILE:16)

    may subscribe to
      _INBOX.>
          answers to what it asks (FILE:16)
    ");
    insta::assert_snapshot!(shown("admin"), @"
    user `admin` may do everything in the account (FILE:17)

    may publish to everything

    may subscribe to everything
    ");
    let json = succeed(&["explain", "user", "shop", &file, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let publish = &json["publish"]["allow"];
    assert!(publish.as_array().unwrap().iter().any(|one| one["subject"] == "orders.eu.paid"));
    let missing = run(&["explain", "user", "nobody", &file]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("unknown user `nobody`: the topology has shop, billing, admin"));
}

#[test]
fn what_becomes_of_a_subject_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, FILE);
    let shown = |name: &str| succeed(&["explain", "subject", name, &file]).replace(&file, "FILE");
    insta::assert_snapshot!(shown("orders.eu.paid"), @"
    subject `orders.eu.paid`

    service `shop` publishes `orders.eu.paid` (FILE:12)

    stream `ORDERS` stores it by `orders.>` (FILE:5), in 3 copies
      consumer `billing` takes `orders.*.paid` (FILE:9)
        for `billing` (2 of it share them)
        what is given up goes to `DEAD`

    a message is stored in 3 copies, delivered to 1 consumer
    ");
    insta::assert_snapshot!(shown("orders.eu.sent"), @"
    subject `orders.eu.sent`

    no service publishes it

    stream `ORDERS` stores it by `orders.>` (FILE:5), in 3 copies
      no consumer takes it

    a message is stored in 3 copies, delivered to no consumer
    ");
    insta::assert_snapshot!(shown("other"), @"
    subject `other`

    no service publishes it

    no stream stores it

    a message is not stored, delivered to no consumer
    ");
    let json = succeed(&["explain", "subject", "orders.eu.paid", &file, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["streams"][0]["consumers"][0]["readers"][0]["replicas"], 2);
    assert_eq!((&json["copies"], &json["deliveries"]), (&3.into(), &1.into()));
    assert!(run(&["explain", "subject", "a..b", &file]).err.contains("invalid subject"));
}
