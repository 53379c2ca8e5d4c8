//! Configurations of nats-server: any text is one, alone and in parts that include each other; every finding has a place in
//! one of them, and what they come to can be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_import::{comments, import, includes, lint};
use watershed_topology::SourceMap;
use watershed_topology::render::render_checked;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What stands behind a line of its own is a file that the first may include.
    let (first, second) = text.split_once("\n---\n").unwrap_or((text, ""));
    let mut sources = SourceMap::default();
    let files = [sources.add("nats.conf", first), sources.add("part.conf", second)];
    includes(first);
    let (imported, _) = import(&sources, &files);
    let (found, _) = lint(&sources, &files, &imported, None);
    for diagnostic in &found {
        let span = diagnostic.place.span;
        let text = &sources.file(span.file).text;
        let place = text.get(span.start as usize..span.end as usize);
        assert!(place.is_some(), "{diagnostic:?}");
        diagnostic.plain(&sources);
    }
    let comments = comments(&sources, &imported);
    render_checked(&imported.topology, &comments);
    for account in &imported.accounts {
        render_checked(account, &comments);
    }
});
