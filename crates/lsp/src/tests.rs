//! Answers, asked for at a `‸` in one of several texts.

use std::fmt::Write as _;

use lsp_types::{DocumentChanges, HoverContents, Location, OneOf, Position, TextEdit};

use crate::lines::Lines;
use crate::{Documents, Folder};

const BASE: &str = "\
watershed: 1
name: shop
streams:
  ORDERS:
    subjects: [orders.>]
    max_age: 7d
    consumers:
      billing: { filter_subject: orders.*.paid, dead_letter: DEAD }
  DEAD: { max_age: 30d }
key_values: { prices: {} }
services:
  shop: { publishes: [orders.eu.paid], reads: [prices] }
  billing: { consumes: [ORDERS/billing] }
users:
  b: { service: billing }
";

const OVERLAY: &str =
    "streams: { ORDERS: { max_age: 1d, consumers: { billing: { max_deliver: 3 } } } }\n";

const STORY: &str = "\
stories:
  s:
    - publish: orders.eu.paid
    - worker: ORDERS/billing
    - expect: { delivered: { ORDERS/billing: 1 }, messages: { ORDERS: 1 } }
";

/// The folder with `text` as its topology, and where the cursor is.
fn folder(text: &str) -> (Folder, Position) {
    let cursor = text.find('‸').unwrap_or_default();
    let text = text.replace('‸', "");
    let mut documents = Documents::default();
    let position = Lines::new(&text).position(cursor);
    documents.set("file:///f/w.yaml", text);
    documents.set("file:///f/w.prod.yaml", OVERLAY.to_owned());
    documents.set("file:///f/w.story.yaml", STORY.to_owned());
    documents.set("file:///g/other.yaml", BASE.to_owned());
    (documents.folder("file:///f/w.yaml"), position)
}

const URI: &str = "file:///f/w.yaml";

/// The base with the cursor in the first `place`, at the `|` of it.
fn at(place: &str) -> String {
    let plain = place.replace('|', "");
    assert!(BASE.contains(&plain), "{plain}");
    BASE.replacen(&plain, &place.replace('|', "‸"), 1)
}

fn name(uri: &str) -> &str {
    uri.rsplit('/').next().unwrap()
}

fn shown(all: &[Location]) -> String {
    let place = |one: &Location| {
        let (start, end) = (one.range.start, one.range.end);
        format!("{} {}:{}-{}", name(one.uri.as_str()), start.line, start.character, end.character)
    };
    all.iter().map(place).collect::<Vec<_>>().join("\n")
}

fn labels(text: &str) -> Vec<String> {
    let (folder, position) = folder(text);
    folder.completion(URI, position).into_iter().map(|item| item.label).collect()
}

fn hover(text: &str) -> String {
    let (folder, position) = folder(text);
    match folder.hover(URI, position).map(|hover| hover.contents) {
        Some(HoverContents::Markup(content)) => content.value,
        _ => String::new(),
    }
}

#[test]
fn findings_are_the_linters_with_places_and_codes() {
    let (folder, _) = folder(&BASE.replace("max_age: 7d", "max_age: 7"));
    let mut out = String::new();
    for (uri, found) in folder.diagnostics(Some("https://x/rules#")) {
        for one in found {
            let at = one.range;
            let _ = writeln!(
                out,
                "{} {}:{}-{} {:?} {}",
                name(uri),
                at.start.line,
                at.start.character,
                at.end.character,
                one.code_description.unwrap().href.as_str(),
                one.message.lines().next().unwrap()
            );
            for other in one.related_information.into_iter().flatten() {
                let _ = writeln!(out, "  {}: {}", shown(&[other.location]), other.message);
            }
        }
    }
    insta::assert_snapshot!(out, @r#"
    w.yaml 3:2-8 "https://x/rules#S030" `ORDERS` is unlimited and grows forever
    w.yaml 5:13-14 "https://x/rules#F005" missing unit in `7`: the API would take it for nanoseconds (7ns), nats-py for seconds (7s)
    w.yaml 7:6-13 "https://x/rules#C023" `billing` tries a bad message forever
    w.yaml 7:61-65 "https://x/rules#R002" `DEAD` drops its records after 30d, while messages in `ORDERS` are kept forever
      w.yaml 8:19-22: goes first
    w.yaml 8:2-6 "https://x/rules#R003" nobody reads the dead letters in `DEAD`
      w.yaml 7:61-65: kept there
    w.yaml 11:2-6 "https://x/rules#A012" no user for service `shop`: it cannot connect
    "#);
}

#[test]
fn names_lead_to_their_declaration() {
    let check = |place: &str| {
        let (folder, position) = folder(&at(place));
        shown(&folder.definition(URI, position))
    };
    assert_eq!(check("[OR|DERS/billing]"), "w.yaml 3:2-8");
    assert_eq!(check("[ORDERS/bill|ing]"), "w.yaml 7:6-13");
    assert_eq!(check("dead_letter: |DEAD"), "w.yaml 8:2-6");
    assert_eq!(check("reads: [prices|]"), "w.yaml 9:14-20");
    assert_eq!(check("service: bil|ling"), "w.yaml 12:2-9");
    // A subject, to the stream that stores it.
    assert_eq!(check("[orders.eu|.paid]"), "w.yaml 4:15-23");
    assert_eq!(check("max|_age"), "");
}

#[test]
fn names_are_found_in_overlays_and_stories() {
    let check = |place: &str, declarations: bool| {
        let (folder, position) = folder(&at(place));
        shown(&folder.references(URI, position, declarations))
    };
    insta::assert_snapshot!(check("|ORDERS:", true), @"
    w.prod.yaml 0:11-17
    w.story.yaml 3:14-20
    w.story.yaml 4:29-35
    w.story.yaml 4:62-68
    w.yaml 3:2-8
    w.yaml 12:24-30
    ");
    insta::assert_snapshot!(check("|orders.>", false), @"
    w.story.yaml 2:15-29
    w.yaml 7:33-46
    w.yaml 11:22-36
    ");
}

#[test]
fn a_new_name_is_written_everywhere() {
    let check = |place: &str, new: &str| {
        let (folder, position) = folder(&at(place));
        let changes = folder.rename(URI, position, new)?.document_changes;
        let Some(DocumentChanges::Edits(edits)) = changes else { panic!() };
        let mut out = String::new();
        for edit in edits {
            let uri = edit.text_document.uri.as_str();
            let file = folder.file(uri).unwrap().id;
            let changes = edit.edits.into_iter().map(|one| match one {
                OneOf::Left(edit) => edit,
                OneOf::Right(_) => panic!(),
            });
            let _ = writeln!(out, "# {}", name(uri));
            let old = folder.text(file);
            let new = applied(old, changes.collect());
            for (old, new) in old.lines().zip(new.lines()).filter(|(old, new)| old != new) {
                assert_ne!(old, new);
                let _ = writeln!(out, "{new}");
            }
        }
        Ok::<_, String>(out)
    };
    insta::assert_snapshot!(check("|billing: { filter", "invoices").unwrap(), @"
    # w.prod.yaml
    streams: { ORDERS: { max_age: 1d, consumers: { invoices: { max_deliver: 3 } } } }
    # w.story.yaml
        - worker: ORDERS/invoices
        - expect: { delivered: { ORDERS/invoices: 1 }, messages: { ORDERS: 1 } }
    # w.yaml
          invoices: { filter_subject: orders.*.paid, dead_letter: DEAD }
      billing: { consumes: [ORDERS/invoices] }
    ");
    insta::assert_snapshot!(check("  |billing: { consumes", "b2").unwrap(), @"
    # w.yaml
      b2: { consumes: [ORDERS/billing] }
      b: { service: b2 }
    ");
    insta::assert_snapshot!(check("|DEAD: {", "GONE").unwrap(), @"
    # w.yaml
          billing: { filter_subject: orders.*.paid, dead_letter: GONE }
      GONE: { max_age: 30d }
    ");
    assert_eq!(check("|DEAD: {", "ORDERS").unwrap_err(), "`ORDERS` is declared already");
    assert_eq!(
        check("|DEAD: {", "a.b").unwrap_err(),
        "invalid name `a.b`: use letters, digits, `-` and `_`"
    );
    assert_eq!(
        check("|orders.>", "x").unwrap_err(),
        "a subject cannot be renamed here: programs publish it"
    );
}

/// A text with edits carried out.
fn applied(text: &str, mut edits: Vec<TextEdit>) -> String {
    let lines = Lines::new(text);
    edits.sort_by_key(|edit| edit.range.start);
    let mut out = text.to_owned();
    for edit in edits.into_iter().rev() {
        out.replace_range(lines.byte(edit.range.start)..lines.byte(edit.range.end), &edit.new_text);
    }
    out
}

#[test]
fn fields_rules_and_names_are_explained() {
    insta::assert_snapshot!(hover(&at("max|_age: 7d")), @"
    **max_age**: age at which messages go

    `unlimited` for no limit

    Default: `unlimited`

    On a server: may change; a stricter value deletes stored messages at once
    ");
    insta::assert_snapshot!(hover(&at("max_age: 7|d")), @"
    **max_age**: age at which messages go

    `unlimited` for no limit

    Default: `unlimited`

    On a server: may change; a stricter value deletes stored messages at once
    ");
    insta::assert_snapshot!(hover(&at("[ORDERS/|billing]")), @"consumer `billing` of `ORDERS`, takes `orders.*.paid`");
    insta::assert_snapshot!(hover(&BASE.replace("max_age: 7d", "storage‸: file")), @"
    **storage**: where messages are kept

    One of `file`, `memory`

    Default: `file`

    On a server: cannot change: it takes `--migrate` or `--recreate`
    ");
    assert!(
        hover(&BASE.replace("max_age: 7d", "max_age: 7d # allow S0‸28: why"))
            .starts_with("**S028 ")
    );
    assert_eq!(hover(&at("wa|tershed: 1")), "**watershed**: version of the format");
}

#[test]
fn what_may_come_next_is_offered() {
    let check = |text: &str| labels(text).join(" ");
    let stream = |line: &str| BASE.replace("    max_age: 7d\n", &format!("    {line}\n"));
    assert_eq!(check(&stream("storage: ‸")), "file memory");
    assert_eq!(check(&stream("storage: f‸")), "file memory");
    assert_eq!(check(&stream("allow_direct: ‸")), "true false");
    let keys = check(&stream("ma‸"));
    assert!(keys.contains("max_age max_bytes") && !keys.contains("subjects "), "{keys}");
    assert!(check(&BASE.replace("{ max_age: 30d }", "{ max_age: 30d, st‸ }")).contains("storage"));
    assert!(check(&BASE.replace("{ max_age: 30d }", "\n    ‸")).contains("storage"));
    assert_eq!(check(&at("[ORDERS/|billing]")), "ORDERS/billing");
    assert_eq!(check(&BASE.replace("dead_letter: DEAD", "dead_letter: ‸")), "DEAD ORDERS");
    assert_eq!(
        check(&BASE.replace("{ consumes: [ORDERS/billing] }", "\n    consumes:\n      - ‸")),
        "ORDERS/billing"
    );
    assert_eq!(check(&BASE.replace("reads: [prices]", "reads: [‸]")), "prices");
    assert_eq!(check(&BASE.replace("service: billing", "service: ‸")), "billing shop");
    assert!(check(&format!("{BASE}‸")).starts_with("account "));
    assert!(check(&at("max_age: 7d|").replace('‸', " # allow ‸")).contains("S028"));
}

#[test]
fn fixes_are_the_linters() {
    let text = BASE.replace("max_age: 7d", "maxAge: 7d");
    let (folder, _) = folder(&text);
    let all = Lines::new(&text).range(0..text.len());
    let actions = folder.actions(URI, all);
    let titles: Vec<&str> = actions.iter().map(|action| action.title.as_str()).collect();
    insta::assert_snapshot!(titles.join("\n"), @"
    Explain S030
    write `max_age`
    Explain F003
    Explain C023
    Explain R002
    Explain R003
    Explain A012
    ");
    let changes = actions.iter().find_map(|action| action.edit.clone()).unwrap().document_changes;
    let Some(DocumentChanges::Edits(edits)) = changes else { panic!() };
    let OneOf::Left(edit) = edits[0].edits[0].clone() else { panic!() };
    assert_eq!(applied(&text, vec![edit]), BASE);
}

#[test]
fn a_file_is_formatted_as_a_whole() {
    let text = BASE.replace("    subjects: [orders.>]", "    subjects:  [ orders.> ]");
    let (folder, _) = folder(&text);
    assert_eq!(applied(&text, folder.formatting(URI).unwrap()), BASE);
}

/// YAML that has nothing to do with a topology belongs to others.
#[test]
fn other_files_are_left_alone() {
    let mut documents = Documents::default();
    documents.set("file:///f/compose.yaml", "services:\n   ORDERS:  1 # S028\n".to_owned());
    documents.set("file:///f/watershed.yaml", String::new());
    let uri = "file:///f/compose.yaml";
    let folder = documents.folder(uri);
    assert_eq!(folder.diagnostics(None), []);
    assert_eq!(folder.formatting(uri), Ok(Vec::new()));
    assert_eq!(folder.outline(uri), []);
    for character in 0..24 {
        let position = Position { line: 1, character };
        assert_eq!(folder.hover(uri, position), None);
        assert_eq!(folder.completion(uri, position), []);
        assert_eq!(folder.definition(uri, position), []);
    }
    let start = folder.completion("file:///f/watershed.yaml", Position::default());
    assert!(start.iter().any(|item| item.label == "watershed"));
}

#[test]
fn an_outline_has_what_is_declared() {
    fn lines(all: &[lsp_types::DocumentSymbol], depth: usize, out: &mut String) {
        for one in all {
            let _ = writeln!(out, "{}{}", "  ".repeat(depth), one.name);
            lines(one.children.as_deref().unwrap_or_default(), depth + 1, out);
        }
    }
    let mut out = String::new();
    lines(&folder(BASE).0.outline(URI), 0, &mut out);
    insta::assert_snapshot!(out, @"
    streams
      ORDERS
        billing
      DEAD
    key_values
      prices
    services
      shop
      billing
    users
      b
    ");
}

/// Wherever the cursor is, and whatever is missing behind it, there is an answer.
#[test]
fn every_place_of_a_text_that_is_being_typed_is_answered() {
    for end in (0..=BASE.len()).step_by(29) {
        let text = format!("{}‸", &BASE[..end]);
        let (folder, position) = folder(&text);
        folder.completion(URI, position);
        folder.hover(URI, position);
        folder.definition(URI, position);
        folder.outline(URI);
        folder.actions(URI, lsp_types::Range { start: position, end: position });
        let _ = folder.formatting(URI);
    }
}
