//! What follows from a topology for others: the configuration of a nats-server with its users, the calls of the `nats` tool,
//! drawings, documents.
//!
//! Pure: topologies in, text out. One file for each target. What a target cannot say is said in the text or
//! refused; a secret is never in it, because a topology has none.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::iter_over_hash_type,
    clippy::indexing_slicing
)]

mod compose;
mod deploy;
mod dot;
mod graph;
mod json;
mod kubernetes;
mod markdown;
mod mermaid;
mod nats_conf;
mod natscli;
mod secrets;
mod yaml;

use watershed_topology::Topology;

pub use deploy::Deployed;

/// What to make of topologies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The configuration of a nats-server: accounts, users, permissions, exports, JetStream.
    NatsConf,
    /// A compose project: server, topology, services.
    Compose,
    /// Manifests for Kubernetes: server, topology, services, Jobs.
    Kubernetes,
    /// A shell script of calls of the `nats` tool.
    Natscli,
    /// Configurations in the JSON of the API.
    Json,
    /// A drawing for Mermaid.
    Mermaid,
    /// A drawing for Graphviz.
    Dot,
    /// A page in Markdown.
    Markdown,
}

/// The text of `target` for topologies that run together.
pub fn render(target: Target, deployed: &[Deployed<'_>]) -> Result<String, String> {
    let topologies: Vec<&Topology> = deployed.iter().map(|one| one.topology).collect();
    match target {
        Target::NatsConf => nats_conf::render(&topologies),
        Target::Compose => compose::render(deployed),
        Target::Kubernetes => kubernetes::render(deployed),
        Target::Natscli => Ok(natscli::render(&topologies)),
        Target::Json => Ok(json::render(&topologies)),
        Target::Mermaid => Ok(mermaid::render(&graph::Graph::new(&topologies))),
        Target::Dot => Ok(dot::render(&graph::Graph::new(&topologies))),
        Target::Markdown => Ok(markdown::render(&topologies)),
    }
}

#[cfg(test)]
mod tests {
    use watershed_topology::SourceMap;
    use watershed_topology::read::{Document, read};

    use super::*;

    fn render(target: Target, topologies: &[&Topology]) -> Result<String, String> {
        let deployed: Vec<Deployed<'_>> =
            topologies.iter().map(|one| Deployed { topology: one, files: Vec::new() }).collect();
        super::render(target, &deployed)
    }

    fn topology(text: &str) -> Topology {
        let mut sources = SourceMap::default();
        let file = sources.add("watershed.yaml", text);
        let document = Document::new(&sources, file);
        read(&sources, vec![document], Vec::new(), None).topology
    }

    const FILE: &str = "\
watershed: 1
name: shop
streams:
  ORDERS: { subjects: [orders.>, a.1, a.2, a.3], max_age: 1d, description: 'a | b', consumers: { billing: { filter_subject: orders.*.paid, max_deliver: 3, dead_letter: DEAD } } }
  DEAD: { max_age: 1d }
  COPY: { max_age: 1d, sources: [{ name: ORDERS }] }
key_values: { settings: {} }
services:
  'a \"quoted\" <b>': { publishes: [orders.eu.new], writes: [settings], requests: [price] }
  billing: { consumes: [ORDERS/billing], reads: [settings], replicas: 2, replies: [price] }
";

    #[test]
    fn drawings_escape_what_they_would_take_for_their_own() {
        let topology = topology(FILE);
        insta::assert_snapshot!(render(Target::Mermaid, &[&topology]).unwrap(), @r#"
        flowchart LR
          n0["a #quot;quoted#quot; #lt;b#gt;"]
          n1["billing<br/>2 replicas"]
          n2[("ORDERS<br/>orders.#gt;, a.1, a.2 and 1 more")]
          n3(["billing<br/>orders.#42;.paid"])
          n4[("DEAD<br/>$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.ORDERS.#42;, $JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.ORDERS.#42;, dead.ORDERS.#42;.#42;.#42;")]
          n5[("COPY")]
          n6[["settings"]]
          n0 -->|"orders.eu.new"| n2
          n0 -->|"writes"| n6
          n0 -->|"asks price"| n1
          n3 --> n1
          n6 -->|"reads"| n1
          n2 --> n3
          n3 -.->|"dead letters"| n4
          n2 -.->|"source"| n5
        "#);
        insta::assert_snapshot!(render(Target::Dot, &[&topology]).unwrap(), @r#"
        digraph topology {
          rankdir=LR;
          node [fontname="sans-serif"];
          edge [fontname="sans-serif", fontsize=10];
          subgraph cluster_0 {
            label="shop";
            n0 [shape=box, label="a \"quoted\" <b>"];
            n1 [shape=box, label="billing\n2 replicas"];
            n2 [shape=cylinder, label="ORDERS\norders.>, a.1, a.2 and 1 more"];
            n3 [shape=ellipse, label="billing\norders.*.paid"];
            n4 [shape=cylinder, label="DEAD\n$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.ORDERS.*, $JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.ORDERS.*, dead.ORDERS.*.*.*"];
            n5 [shape=cylinder, label="COPY"];
            n6 [shape=folder, label="settings"];
          }
          n0 -> n2 [label="orders.eu.new"];
          n0 -> n6 [label="writes"];
          n0 -> n1 [label="asks price"];
          n3 -> n1 [label=""];
          n6 -> n1 [label="reads"];
          n2 -> n3 [label=""];
          n3 -> n4 [label="dead letters", style=dashed];
          n2 -> n5 [label="source", style=dashed];
        }
        "#);
    }

    #[test]
    fn a_page_has_a_table_of_each() {
        let page = render(Target::Markdown, &[&topology(FILE)]).unwrap();
        let tables = page.split_once("## ").unwrap().1;
        insta::assert_snapshot!(tables, @r#"
        Streams

        | stream | subjects | keeps | until |  |
        |---|---|---|---|---|
        | `ORDERS` | `orders.>`, `a.1`, `a.2`, `a.3` | limits, file | 1d | a \| b |
        | `DEAD` | `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.ORDERS.*`, `$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.ORDERS.*`, `dead.ORDERS.*.*.*` | limits, file | 1d |  |
        | `COPY` |  | limits, file | 1d |  |

        ## Buckets and object stores

        | name | kind | until |  |
        |---|---|---|---|
        | `settings` | key-value | 1 of each subject |  |

        ## Consumers

        | consumer | takes | delivery | gives up | read by |
        |---|---|---|---|---|
        | `ORDERS/billing` | `orders.*.paid` | pull, ack within 30s | after 3 deliveries, to `DEAD` | `billing` |

        ## Services

        | service | publishes | consumes | asks | answers |
        |---|---|---|---|---|
        | `a "quoted" <b>` | `orders.eu.new` |  | `price` |  |
        | `billing` |  | `ORDERS/billing` |  | `price` |
        "#);
    }

    #[test]
    fn names_that_become_the_same_are_refused() {
        let file = |name: &str, service: &str| {
            topology(&format!(
                "watershed: 1\nname: {name}\nservices: {{ {service}: {{ publishes: [a] }} }}\n\
                 users: {{ {name}: {{ password: {{ env: OF_{service} }}, role: admin }} }}\n"
            ))
        };
        let (one, two) = (file("a_b", "x"), file("a-b", "y"));
        for target in [Target::Compose, Target::Kubernetes] {
            let refused = |all: &[&Topology]| {
                let error = render(target, all).unwrap_err();
                error.replace("compose", "PLACE").replace("Kubernetes", "PLACE")
            };
            assert_eq!(refused(&[&one, &two]), "two topologies would be called `a-b` in PLACE");
            for (service, expected) in [
                ("nats", "two services would be called `nats` in PLACE"),
                ("X", "two services would be called `x` in PLACE"),
                ("apply_a_b", "two services would be called `apply-a-b` in PLACE"),
                ("__", "`__` is without a letter or digit for a name in PLACE"),
            ] {
                assert_eq!(refused(&[&one, &file("c", service)]), expected);
            }
        }
    }

    #[test]
    fn what_one_server_cannot_be_is_refused() {
        let file =
            |name: &str, more: &str| topology(&format!("watershed: 1\nname: {name}\n{more}"));
        let refused =
            |one: &Topology, two: &Topology| render(Target::NatsConf, &[one, two]).unwrap_err();
        let one = file("a", "server: { listen: '127.0.0.1:1', jetstream: { store_dir: /x } }\n");
        let two = file("b", "server: { listen: '127.0.0.1:2', jetstream: { store_dir: /y } }\n");
        insta::assert_snapshot!(refused(&one, &two), @"the topologies disagree on `listen`: 127.0.0.1:1, 127.0.0.1:2");
        let two = file("b", "server: { jetstream: { store_dir: /y } }\n");
        insta::assert_snapshot!(refused(&one, &two), @"the topologies disagree on `store_dir`: /x, /y");
        let same = file("c", "users: { u: { role: admin }, 'U': { role: admin } }\n");
        insta::assert_snapshot!(render(Target::NatsConf, &[&same]).unwrap_err(), @"two users would take their password from NATS_U_PASS (password of u, in c): name a variable with `password: { env: … }`");
        let odd = file("d", "users: { u: { password: { env: 'A-B' }, role: admin } }\n");
        insta::assert_snapshot!(render(Target::NatsConf, &[&odd]).unwrap_err(), @"invalid name of a variable in nats.conf: `A-B`, the password of u");
        let limits = file("e", "server: { jetstream: { max_streams: 3 } }\n");
        insta::assert_snapshot!(render(Target::NatsConf, &[&limits]).unwrap_err(), @"limits of an account need an account: declare `users`");
    }
}
