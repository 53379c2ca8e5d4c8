use std::fmt::Write as _;

use super::*;

/// All findings about some files; those whose name has two dots are overlays.
fn check(files: &[(&str, &str)]) -> (Topology, String) {
    let mut sources = SourceMap::default();
    let (mut base, mut overlays) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let file = sources.add(name, text);
        let to = if name.matches('.').count() > 1 { &mut overlays } else { &mut base };
        to.push(Document::new(&sources, file));
    }
    let read = read(&sources, base, overlays, None);
    let mut text = String::new();
    for diagnostic in &read.diagnostics {
        let _ = writeln!(text, "{}", diagnostic.plain(&sources));
    }
    if read.allowed > 0 {
        let _ = writeln!(text, "{} allowed", read.allowed);
    }
    (read.topology, text)
}

const HEAD: &str = "watershed: 1\nname: x\n";

#[test]
fn files_of_a_folder_are_one_topology() {
    let (topology, text) = check(&[
        ("a.yaml", "watershed: 1\nname: x\nstreams:\n  A: { subjects: [a], max_age: 1d }\n"),
        ("b.yaml", "watershed: 1\nstreams:\n  B: { subjects: [b], max_age: 1d }\n"),
    ]);
    assert_eq!((topology.streams.len(), text.as_str()), (2, ""));
    let (_, text) = check(&[
        ("a.yaml", "watershed: 1\nname: x\nstreams:\n  A: { subjects: [a], max_age: 1d }\n"),
        ("b.yaml", "watershed: 1\nname: y\nstreams:\n  A: { subjects: [a.>], max_age: 1d }\n"),
    ]);
    insta::assert_snapshot!(text, @r"
    b.yaml:2:1: error[F002]: `name` is given twice
      a.yaml:2:1: first given here
    b.yaml:4:3: error[F002]: `A` is given twice
      a.yaml:4:3: first given here
    ");
}

#[test]
fn an_environment_says_what_is_otherwise() {
    let base = "watershed: 1\nname: x\nstreams:\n  A:\n    subjects: [a, b]\n    max_age: 1d\n    consumers: { c: { ack_wait: 5s, max_deliver: 3 }, d: {} }\n";
    let over = "streams:\n  A:\n    subjects: [a]\n    max_age: 50ms\n    consumers: { c: { ack_wait: 6s }, d: null }\n";
    let (topology, text) = check(&[("w.yaml", base), ("w.prod.yaml", over)]);
    let stream = &topology.streams[0];
    assert_eq!(stream.config.subjects, ["a"]);
    assert_eq!(stream.consumers.len(), 1);
    assert_eq!(stream.consumers[0].config.ack_wait, 6_000_000_000);
    insta::assert_snapshot!(text, @r"
    w.prod.yaml:4:14: error[C000]: stream `A`: max age needs to be >= 100ms
      note: the server refuses this with error 10052
    ");
}

#[test]
fn what_is_allowed_is_not_found() {
    let check = |body: &str| check(&[("w.yaml", &format!("{HEAD}{body}"))]).1;
    assert_eq!(
        check("streams:\n  A: { subjects: [a] } # allow S030: pruned by hand\n"),
        "1 allowed\n"
    );
    assert_eq!(
        check(
            "streams:\n  # allow S030, S025: for the record\n\n  # a word\n  A: { subjects: [a] }\n"
        ),
        "w.yaml:4:17: warning[F012]: S025 finds nothing here any more\n  help: remove the allowance\n1 allowed\n"
    );
    insta::assert_snapshot!(check(
        "streams:\n  A: { subjects: [a] } # allow S030\n  B: { subjects: [b], max_age: 1d } # allow Z030: no\n  C: { subjects: [c], max_age: 1d, description: \"x # allow S030: in a text\" } # allow me\n"
    ), @r"
    w.yaml:4:32: warning[F012]: S030 is allowed without a reason
      help: write it as in `# allow S030: the reason`
    w.yaml:5:45: warning[F012]: unknown rule `Z030`
      help: did you mean `S030`?
    1 allowed
    ");
}

#[test]
fn levels_are_the_authors() {
    let check = |body: &str| check(&[("w.yaml", &format!("{HEAD}{body}"))]).1;
    let stream = "streams: { A: { subjects: [a] } }\n";
    assert_eq!(check(&format!("lint: {{ levels: {{ S030: off }} }}\n{stream}")), "");
    let text = check(&format!("lint: {{ levels: {{ S030: error }} }}\n{stream}"));
    assert!(text.starts_with("w.yaml:4:12: error[S030]"), "{text}");
    insta::assert_snapshot!(
        check("lint: { target_version: two, levels: { S999: off, S030: loud, S003: info } }\n"), @r"
    w.yaml:3:25: error[F004]: invalid version of nats-server `two`: write it as in `2.14` or `2.14.6`
    w.yaml:3:40: error[F003]: unknown rule `S999`
    w.yaml:3:57: error[F004]: a level is `error`, `warning`, `info` or `off`, and this is `loud`
    ");
}

#[test]
fn what_an_import_could_not_read_is_completed_by_somebody_first() {
    let (_, text) = check(&[(
        "a.yaml",
        "watershed: 1\nname: x\nstreams:\n  # not read: `$AGE` is not known here\n  A: { subjects: [a], max_age: 1d, description: \"# not read: this\" } # not read: this\n",
    )]);
    insta::assert_snapshot!(text, @"
    a.yaml:4:5: error[F013]: what this was made from was not read whole: `$AGE` is not known here
      help: complete it, and remove this comment
    ");
}
