//! Files of other formats: any text is read, every finding has a place in it, and what they come to
//! can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_import::{comments, import, lint};
use watershed_topology::SourceMap;
use watershed_topology::render::render_checked;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for name in [
        "f.yaml",
        "f.sh",
        "nats.conf",
        "f.tf",
        "Makefile",
        "Dockerfile",
        "f.md",
        "f.py",
        "f.go",
        "f.java",
        "f.ts",
        "f.rs",
    ] {
        let mut sources = SourceMap::default();
        let file = sources.add(name, text);
        let (imported, _) = import(&sources, &[file]);
        let (found, _) = lint(&sources, &[file], &imported, None);
        for diagnostic in &found {
            let span = diagnostic.place.span;
            let place = text.get(span.start as usize..span.end as usize);
            assert!(place.is_some(), "{diagnostic:?}");
            diagnostic.plain(&sources);
        }
        render_checked(&imported.topology, &comments(&sources, &imported));
    }
});
