//! Topology files, and nats.conf: any text is read, every finding has a place in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_topology::lower::{Lowered, lower};
use watershed_topology::observe::{Observed, ServerFacts};
use watershed_topology::plan::plan;
use watershed_topology::{SourceMap, lint};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = watershed_wire::conf::parse(text);
    // Most texts are no topology by themselves.
    for text in [text.to_owned(), format!("watershed: 1\nname: x\nstreams:\n{text}")] {
        let mut sources = SourceMap::default();
        let file = sources.add("fuzz", &text);
        let (lowered, mut found) = lower(&sources, file);
        if let Lowered::Topology(topology) = lowered {
            found.extend(lint::run(&topology));
            let server = ServerFacts { version: "2.14.6".into(), clustered: false };
            plan(&topology, &Observed { server, ..Observed::default() });
        }
        for diagnostic in &found {
            let span = diagnostic.place.span;
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{diagnostic:?}");
            diagnostic.plain(&sources);
        }
    }
});
