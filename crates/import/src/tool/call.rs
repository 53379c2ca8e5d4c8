//! One call of the tool: which it is, and what becomes of it.

use watershed_topology::source::{Span, Spanned};

use super::about::{Call, Outcome};
use super::given::{Given, sort};
use super::table::{
    ACTIONS, ADD, Action, CONSUMER, CONSUMER_NEW, EDIT, FORCE, Flag, GLOBAL, GROUPS, KEY_VALUE,
    OBJECT_STORE, SHORT, STREAM, STREAM_NEW, Takes, What,
};
use super::{bucket, consumer, request, stream};
use crate::importer::Importer;
use crate::word::Word;

/// The parts of a call.
struct Head<'w> {
    what: Option<What>,
    group: &'w str,
    action: Action,
    verb: &'w str,
    rest: &'w [Word],
    globals: &'w [Word],
}

/// Whether these words are a call of the tool: its name, flags, and a group of commands.
pub(crate) fn is_call(words: &[Word]) -> bool {
    head(words).is_some()
}

/// `nats [flags] stream add [rest]`.
fn head(words: &[Word]) -> Option<Head<'_>> {
    let mut at = 1;
    let mut found: Vec<&Word> = Vec::new();
    let mut globals = at;
    while found.len() < 2 {
        let Some(word) = words.get(at) else { break };
        at += 1;
        if found.is_empty() {
            globals = at - 1;
        }
        if word.many && word.text.is_empty() {
            continue;
        }
        if word.text.starts_with('-') {
            let name = word.text.trim_start_matches('-');
            let letter = name.chars().next().unwrap_or('-');
            let short = SHORT.iter().find(|(short, _)| *short == letter && name.len() == 1);
            let name = short.map_or(name, |(_, long)| *long);
            let valued = GLOBAL.iter().any(|flag| flag.name == name && flag.takes == Takes::Text);
            at += usize::from(valued && !word.text.contains('='));
        } else {
            found.push(word);
        }
    }
    let group = found.first()?.get()?;
    let (_, what) = GROUPS.iter().find(|(names, _)| names.contains(&group))?;
    let verb = found.get(1).and_then(|word| word.get()).unwrap_or_default();
    let action = match (group, what) {
        ("pub" | "publish", _) => Action::Publish,
        ("req" | "request", _) => Action::Request,
        ("server" | "srv", _) => Action::Server,
        (_, Some(what)) => {
            let all = ACTIONS.iter().find(|(of, names, _)| of == what && names.contains(&verb));
            all.map_or(Action::Other, |(_, _, action)| *action)
        }
        _ => Action::Other,
    };
    // What is behind the name of a group that has no second one.
    let single = matches!(action, Action::Publish | Action::Request);
    let at = if single { at - found.len().saturating_sub(1) } else { at };
    let globals = words.get(1..globals.max(1)).unwrap_or_default();
    Some(Head {
        what: *what,
        group,
        action,
        verb,
        rest: words.get(at..).unwrap_or_default(),
        globals,
    })
}

/// The word behind `--config`.
pub(crate) fn config(words: &[Word]) -> Option<&Word> {
    let at = words.iter().position(|word| word.text == "--config")?;
    words.get(at + 1)
}

/// Takes in a call of the tool.
pub(crate) fn call(importer: &mut Importer, call: &Call<'_>) -> Outcome {
    hide(importer, call.words);
    let unquoted = std::mem::take(&mut importer.tool.unquoted);
    let Some(head) = head(call.words) else { return Outcome::default() };
    let span = call.words.first().map(|word| word.span).unwrap_or_default();
    let changes = matches!(
        head.action,
        Action::Add | Action::Edit | Action::Remove | Action::Copy | Action::Pause
    );
    if changes {
        failures(importer, call, span);
        for span in unquoted {
            let message = "`>` is not quoted: the shell writes a file, and the tool gets what stands before it";
            let found = importer.findings.wrong(span, message.into());
            found.fix = Some("put the subject into single quotes".into());
            importer.incomplete = true;
        }
    }
    let status = match (head.what, head.action) {
        (_, Action::Server) => asks_system(importer, &head, span),
        (_, Action::Publish) => return publishes(importer, head.rest),
        (_, Action::Request) => return request::request(importer, head.rest, call),
        (Some(what), Action::Info) => {
            return Outcome { status: there(importer, what, head.rest), found: false };
        }
        (Some(_), Action::Purge) => deletes(importer, &head, span),
        (Some(what), action) if changes => change(importer, call, &head, what, action, span),
        _ => return Outcome::default(),
    };
    Outcome { status, found: true }
}

fn change(
    importer: &mut Importer,
    call: &Call<'_>,
    head: &Head<'_>,
    what: What,
    action: Action,
    span: Span,
) -> Option<bool> {
    let (tables, shown): (&[&'static [Flag]], &'static str) = match (what, action) {
        (What::Stream, Action::Add) => (&[STREAM, STREAM_NEW, ADD], "stream add"),
        (What::Stream, Action::Edit) => (&[STREAM, EDIT], "stream edit"),
        (What::Stream, Action::Copy) => (&[STREAM, STREAM_NEW], "stream copy"),
        (What::Consumer, Action::Add) => (&[CONSUMER, CONSUMER_NEW, ADD], "consumer add"),
        (What::Consumer, Action::Edit) => (&[CONSUMER, EDIT], "consumer edit"),
        (What::Consumer, Action::Copy) => (&[CONSUMER, CONSUMER_NEW], "consumer copy"),
        (What::Consumer, Action::Pause) => (&[FORCE], "consumer pause"),
        (What::Consumer, _) => (&[FORCE], "consumer rm"),
        (What::KeyValue, Action::Add | Action::Edit) => (&[KEY_VALUE], "kv add"),
        (What::KeyValue, _) => (&[FORCE], "kv del"),
        (What::ObjectStore, Action::Add | Action::Edit) => (&[OBJECT_STORE], "object add"),
        (What::ObjectStore, _) => (&[FORCE], "object rm"),
        (What::Stream, _) => (&[FORCE], "stream rm"),
    };
    let mut given = sort(importer, head.rest, tables, shown, span);
    if action == Action::Remove {
        return removes(importer, call, head, what, &given, span);
    }
    let unknown = given.names.iter().find_map(|word| Some((word.span, word.unknown.clone()?)));
    if let Some((span, why)) = unknown {
        importer.incomplete = true;
        importer.findings.skipped(span, format!("{why}: this command was not read"));
        return None;
    }
    if action == Action::Edit
        && matches!(what, What::Stream | What::Consumer)
        && !given.has("force")
        && !given.has("dry-run")
    {
        let message = format!(
            "without `--force`, `nats {shown}` asks before it changes something, and fails where nobody answers"
        );
        given.refuse(importer, span, message, Some("add `--force`".into()));
    }
    match what {
        What::Stream => stream::stream(importer, call, action, &mut given),
        What::Consumer => consumer::consumer(importer, call, action, &mut given),
        What::KeyValue | What::ObjectStore => {
            bucket::bucket(importer, call, action, what == What::KeyValue, &mut given)
        }
    }
}

/// What keeps people from seeing that a command failed: said once a file, and counted.
fn failures(importer: &mut Importer, call: &Call<'_>, span: Span) {
    if importer.tool.waits > 0 {
        return;
    }
    let (place, hidden) = match call.thrown {
        _ if importer.tool.hidden => (span, true),
        Some(thrown) if !call.tried => (thrown, false),
        _ => return,
    };
    let entry = importer.tool.hides.entry((span.file, hidden)).or_insert((place, 0));
    entry.1 += 1;
}

/// Whether something is there where the script ran up to here.
fn there(importer: &mut Importer, what: What, words: &[Word]) -> Option<bool> {
    let names: Vec<&Word> = words.iter().filter(|word| !word.text.starts_with('-')).collect();
    let first = names.first()?.get()?;
    let name = match what {
        What::KeyValue => format!("KV_{first}"),
        What::ObjectStore => format!("OBJ_{first}"),
        _ => first.to_owned(),
    };
    let consumer = names.get(1).filter(|_| what == What::Consumer);
    let found = match (importer.known(&name), consumer) {
        (None, _) => Some(false),
        (Some(stream), Some(word)) => Some(stream.consumer(word.get()?).is_some()),
        (Some(stream), None) => (!stream.is_placeholder()).then_some(true),
    };
    // What was made in a branch that is not decided may not be there.
    found.filter(|there| {
        (*there || !importer.incomplete) && importer.tool.arms.get(&name).is_none_or(Vec::is_empty)
    })
}

/// What only the system account is answered: as a check of readiness, it waits forever.
fn asks_system(importer: &mut Importer, head: &Head<'_>, span: Span) -> Option<bool> {
    let credentials = head.globals.iter().chain(head.rest).any(|word| {
        ["--creds", "--nkey", "--context", "--user", "--seed", "--jwt"]
            .iter()
            .any(|flag| word.text.starts_with(flag))
            || word.many
    });
    if !credentials && matches!(head.verb, "ping" | "info" | "list" | "ls" | "report") {
        let message =
            format!("`nats server {}` is answered to the system account alone", head.verb);
        let found = importer.findings.wrong(span, message);
        found.fix =
            Some("ask for what is needed: `nats account info` says that JetStream is there".into());
    }
    None
}

/// Streams that are emptied whenever the script runs.
fn deletes(importer: &mut Importer, head: &Head<'_>, span: Span) -> Option<bool> {
    let name = head.rest.iter().find(|word| !word.text.starts_with('-'));
    let which = match name.and_then(|word| word.get()) {
        Some(text) => format!("`{text}`"),
        None => "streams that are not named here".to_owned(),
    };
    importer.findings.deleted(span, format!("this empties {which}, whenever the script runs"));
    None
}

/// What goes whenever the script runs.
fn removes(
    importer: &mut Importer,
    call: &Call<'_>,
    head: &Head<'_>,
    what: What,
    given: &Given,
    span: Span,
) -> Option<bool> {
    let names: Vec<Option<&str>> = given.names.iter().map(Word::get).collect();
    let (shown, stream, consumer) = match (what, names.as_slice()) {
        (What::Stream, [Some(name)]) => (format!("`{name}`"), (*name).to_owned(), None),
        (What::Consumer, [Some(stream), Some(name)]) => {
            (format!("`{stream}/{name}`"), (*stream).to_owned(), Some((*name).to_owned()))
        }
        (What::KeyValue, [Some(name)]) => (format!("`{name}`"), format!("KV_{name}"), None),
        (What::ObjectStore, [Some(name)]) => (format!("`{name}`"), format!("OBJ_{name}"), None),
        // A key or an object.
        (What::KeyValue | What::ObjectStore, [_, _]) => return None,
        _ => {
            let message = match what {
                What::Stream => {
                    "this deletes streams that are not named here with messages and consumers, \
                     whenever the script runs"
                        .to_owned()
                }
                _ => format!(
                    "`{} {}` deletes what is not named here, whenever the script runs",
                    head.group, head.verb
                ),
            };
            importer.findings.deleted(span, message);
            return None;
        }
    };
    let with = if consumer.is_some() { "where it stands" } else { "messages and consumers" };
    let message = format!("this deletes {shown} with {with}, whenever the script runs");
    importer.findings.deleted(span, message);
    if call.when.never {
        return None;
    }
    let undecided = !call.when.arms.is_empty();
    let found = importer.known(&stream).is_some();
    if undecided || !found {
        return (!undecided).then_some(false);
    }
    match consumer {
        None => importer.remove(&stream),
        Some(consumer) => {
            let of = importer.known(&stream)?;
            of.consumers.retain(|one| one.name.value != consumer);
        }
    }
    Some(true)
}

/// A message that is published to try something out.
fn publishes(importer: &mut Importer, rest: &[Word]) -> Outcome {
    let subject = rest.iter().find(|word| !word.text.starts_with('-'));
    if let Some(subject) = subject
        && let Some(text) = subject.get()
    {
        importer.tried.push(Spanned::new(text.to_owned(), subject.span));
    }
    Outcome { status: None, found: subject.is_some() }
}

/// Hides what a command line holds of secrets: the value of a password flag, and what stands before
/// the host of an URL.
fn hide(importer: &mut Importer, words: &[Word]) {
    const SECRET: &[&str] = &["--password", "--token", "--seed", "--jwt"];
    for (index, word) in words.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| words.get(before));
        let flag = before.is_some_and(|before| SECRET.contains(&before.text.as_str()));
        let inline = SECRET
            .iter()
            .any(|flag| word.text.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')));
        let url = word.text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
        if flag || inline || url {
            importer.secrets.push(word.span);
        }
    }
}
