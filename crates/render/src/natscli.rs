//! A shell script of calls of the `nats` tool that makes what a topology says.
//!
//! Each definition is given whole, as the JSON of the API, so that no default of the tool gets in between. What is
//! there is updated; nothing is deleted. It stays the topology's own, or becomes it.

use std::fmt::Write as _;

use serde::Serialize;
use watershed_topology::Topology;

use crate::json::{owned_consumer, owned_stream};

pub(crate) fn render(topologies: &[&Topology]) -> String {
    let mut out = String::from(
        "#!/bin/sh\n# Written by `watershed render natscli`. Server and credentials: a context of the `nats` tool, or NATS_URL and\n\
         # its like. Ends at the first call that fails.\nset -eu\n\n\
         nats() { command \"${NATS:-nats}\" \"$@\"; }\n\n\
         # Creates a stream, or updates it.\nstream() {\n  config=$(mktemp)\n  cat > \"$config\"\n\
         \x20 if nats stream info \"$1\" > /dev/null 2>&1; then\n    nats stream edit \"$1\" --config \"$config\" --force\n\
         \x20 else\n    nats stream add \"$1\" --config \"$config\"\n  fi\n  rm -f \"$config\"\n}\n\n\
         # Creates a consumer, or updates it.\nconsumer() {\n  config=$(mktemp)\n  cat > \"$config\"\n\
         \x20 if nats consumer info \"$1\" \"$2\" > /dev/null 2>&1; then\n    nats consumer edit \"$1\" \"$2\" --config \"$config\" --force\n\
         \x20 else\n    nats consumer add \"$1\" \"$2\" --config \"$config\"\n  fi\n  rm -f \"$config\"\n}\n",
    );
    for topology in topologies {
        for stream in topology.streams.iter().filter(|stream| !stream.is_placeholder()) {
            let name = &stream.name.value;
            call(&mut out, &format!("stream {}", word(name)), &owned_stream(stream, topology));
        }
        for stream in &topology.streams {
            for consumer in &stream.consumers {
                let (stream, name) = (&stream.name.value, &consumer.name.value);
                let call_of = format!("consumer {} {}", word(stream), word(name));
                call(&mut out, &call_of, &owned_consumer(consumer, topology));
            }
        }
    }
    out
}

fn call(out: &mut String, call: &str, config: &impl Serialize) {
    let text = serde_json::to_string_pretty(config).unwrap_or_default();
    let _ = writeln!(out, "\n{call} <<'JSON'\n{text}\nJSON");
}

/// A word of a shell.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
