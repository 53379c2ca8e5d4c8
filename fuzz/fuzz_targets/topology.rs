//! Topology files, and nats.conf: any text is read, every finding has a place in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_topology::observe::{Observed, ServerFacts};
use watershed_topology::plan::plan;
use watershed_topology::SourceMap;
use watershed_topology::read::{Document, read};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = watershed_wire::conf::parse(text);
    // Most texts are no topology by themselves.
    for text in [text.to_owned(), format!("watershed: 1\nname: x\nstreams:\n{text}")] {
        let mut sources = SourceMap::default();
        let file = sources.add("fuzz", &text);
        // Its own overlay, too: that changes where things stand, and must not change what they are.
        let documents = || vec![Document::new(&sources, file)];
        let overlays = if data.first() == Some(&b'#') { documents() } else { Vec::new() };
        let found = read(&sources, documents(), overlays, None);
        let server = ServerFacts { version: "2.14.6".into(), clustered: false };
        plan(&found.topology, &Observed { server, ..Observed::default() });
        for diagnostic in &found.diagnostics {
            let edit = diagnostic.edit.as_ref().map(|edit| edit.span);
            for span in [diagnostic.place.span].into_iter().chain(edit) {
                let place = text.get(span.start as usize..span.end as usize);
                assert!(place.is_some(), "{diagnostic:?}");
            }
            diagnostic.plain(&sources);
        }
    }
});
