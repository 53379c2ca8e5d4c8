//! A stream under the name of a bucket.

use crate::diagnostic::{ServerSays, Severity};
use crate::lint::{Report, Rule};
use crate::model::{StreamKind, Topology};

pub(super) static RULE: Rule = Rule {
    code: "N009",
    name: "stream-named-like-bucket",
    severity: Severity::Warning,
    server: ServerSays::Accepts,
    about: "Clients take a stream `KV_x` for the key-value bucket `x`, and `OBJ_x` for an object \
            store, and rely on fields that such streams have. Declare them under `key_values` and \
            `object_stores`, where those fields are filled in.",
    bad: "streams: { KV_settings: { subjects: [a], max_age: 1d } }\n",
    good: "key_values: { settings: { history: 5 } }\n",
    check,
};

fn check(topology: &Topology, report: &mut Report<'_>) {
    for stream in topology.streams.iter().filter(|stream| stream.kind == StreamKind::Stream) {
        let name = &stream.name.value;
        for (prefix, key) in [("KV_", "key_values"), ("OBJ_", "object_stores")] {
            let Some(bucket) = name.strip_prefix(prefix) else { continue };
            report
                .at(stream.name.span, format!("clients take `{name}` for the bucket `{bucket}`"))
                .fix(format!("declare `{bucket}` under `{key}`, or choose another name"));
        }
    }
}
