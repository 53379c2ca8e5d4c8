use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let out = format(text).unwrap();
    assert_eq!(out, expected, "\n{out}");
    assert_eq!(format(&out).unwrap(), out, "formatted twice");
}

#[test]
fn indentation_and_spaces_are_the_same_everywhere() {
    check(
        "\n\nwatershed:   1\nname :  x\n\n\n\nstreams:\n    A:\n        subjects: [ a.> ,b ]\n        consumers:\n            c: {filter_subject:   a.x,max_deliver: 3 }\n    B: {}\nservices:\n- x\n-   y: 1\n    z: 2\n",
        "watershed: 1\nname: x\n\nstreams:\n  A:\n    subjects: [a.>, b]\n    consumers:\n      c: { filter_subject: a.x, max_deliver: 3 }\n  B: {}\nservices:\n  - x\n  - y: 1\n    z: 2\n",
    );
    check(
        "a: [\n b,\n   {c: d,\n e: f}\n]\nb: { }\nc: [ ]",
        "a: [\n  b,\n  { c: d,\n    e: f }\n]\nb: {}\nc: []\n",
    );
    check("a:\n- - b\n  - c\n-\n  d: e\n", "a:\n  - - b\n    - c\n  -\n    d: e\n");
}

#[test]
fn comments_stay_where_they_belong() {
    check(
        "# top\n\na: # of a\n     # of b\n     b: 1   # one\n     # of nothing\n# of c\nc: 2 #two\n\n# end\n",
        "# top\n\na: # of a\n  # of b\n  b: 1 # one\n  # of nothing\n# of c\nc: 2 #two\n\n# end\n",
    );
    check(
        "a: [ # first\n  b, # second\n  # third\n  c ]\n",
        "a: [ # first\n  b, # second\n  # third\n  c]\n",
    );
    check("a: 'x # y'  # allow S028: why\n", "a: 'x # y' # allow S028: why\n");
}

#[test]
fn what_stands_below_each_other_stays_so() {
    check(
        "defaults:\n    stream:   {a: b}   # one\n    consumer: { c: d } # two\nx:    1\n",
        "defaults:\n  stream:   { a: b }   # one\n  consumer: { c: d }   # two\nx: 1\n",
    );
    check(
        "a: 1           # one\nb: [ 1,2 ]     # two\n",
        "a: 1           # one\nb: [1, 2]      # two\n",
    );
}

#[test]
fn texts_of_several_lines_move_with_their_key() {
    check(
        "a:\n     b: |\n        one\n          two\n\n        three\n     c: >-  # folded\n       x\n     d: \"one\n      two\n\n      three\"\n     e: one\n       two\n",
        "a:\n  b: |\n    one\n      two\n\n    three\n  c: >-  # folded\n    x\n  d: \"one\n    two\n\n    three\"\n  e: one\n    two\n",
    );
    check("a:\n    b: |2\n        x\n", "a:\n  b: |2\n      x\n");
}

#[test]
fn what_cannot_be_formatted_is_left_alone() {
    assert_eq!(format("a: [b\n"), Err(NotFormatted::Invalid));
    assert_eq!(format("? a\n: b\n"), Err(NotFormatted::Unsupported("keys behind `?`")));
}

#[test]
fn anchors_and_line_ends_stay() {
    check(
        "x:   &d\n    a: 1\ny:\n    <<:   *d\n    b:  *d\n",
        "x: &d\n  a: 1\ny:\n  <<: *d\n  b: *d\n",
    );
    assert_eq!(format("a:  1\r\nb:\r\n    c:  2\r\n").unwrap(), "a: 1\r\nb:\r\n  c: 2\r\n");
    check("---\na:  1\n", "---\na: 1\n");
}

proptest::proptest! {
    /// Whatever the text: it is left alone, or says the same, has the same comments, and stays as it is when it is
    /// formatted again.
    #[test]
    fn any_text_keeps_what_it_says(text in "[-a*&>|:{}\\[\\], \"'\n\té#!0]{0,60}") {
        if let Ok(out) = format(&text) {
            let comments = |text: &str| -> Vec<String> {
                let all = tokens(text).unwrap().into_iter();
                all.filter(|token| token.kind == Kind::Comment).map(|token| text[token.at].to_owned()).collect()
            };
            assert!(same(&text, &out));
            assert_eq!(comments(&text), comments(&out));
            assert_eq!(format(&out).as_ref(), Ok(&out));
        }
    }
}

/// What a text is read as, but for places.
fn read(text: &str) -> (String, Vec<(&'static str, String)>) {
    let mut sources = SourceMap::default();
    let file = sources.add("f", text);
    let document = crate::read::Document::new(&sources, file);
    let read = crate::read::read(&sources, vec![document], Vec::new(), None);
    let rendered = crate::render::render(&read.topology, &crate::render::Comments::new());
    let found = read.diagnostics.iter().map(|one| (one.code, one.message.clone()));
    (rendered, found.collect())
}

#[test]
fn every_rule_finds_the_same_in_what_was_formatted() {
    for rule in crate::lint::RULES {
        for part in [rule.bad, rule.good] {
            let text = format!("watershed: 1\nname:   x\n{part}");
            let Ok(out) = format(&text) else { panic!("{}: {part}", rule.code) };
            assert_eq!(read(&out), read(&text), "{}", rule.code);
            assert_eq!(format(&out).as_ref(), Ok(&out), "{}", rule.code);
        }
    }
}
