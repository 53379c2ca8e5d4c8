//! What can be said of a command before it runs.

use super::syntax::{Command, Item, Kind, Part, Pipeline, Word};

/// The text of a word that is all there as it is written.
pub(super) fn literal(word: &Word) -> Option<String> {
    let mut text = String::new();
    for part in &word.parts {
        match part {
            Part::Bare(one) | Part::Plain(one) => text.push_str(one),
            Part::Double(inner) => match inner.as_slice() {
                [] => {}
                [Part::Bare(one)] => text.push_str(one),
                _ => return None,
            },
            _ => return None,
        }
    }
    Some(text)
}

fn first(command: &Command) -> Option<String> {
    match &command.kind {
        Kind::Simple { words, .. } => literal(words.first()?),
        _ => None,
    }
}

/// Whether a pipeline only says something, or nothing at all.
pub(super) fn says_only(pipeline: &Pipeline) -> bool {
    match pipeline.commands.as_slice() {
        [command] => first(command).is_some_and(|name| {
            matches!(
                name.as_str(),
                "true" | ":" | "echo" | "printf" | "log" | "log_error" | "warn" | "info"
            )
        }),
        _ => false,
    }
}

/// Whether a command names the tool as its first word.
pub(super) fn calls_tool(command: &Command) -> bool {
    first(command).is_some_and(|name| name == "nats" || name.ends_with("/nats"))
}

/// `true` and `:`.
pub(super) fn is_true(item: &Item) -> bool {
    match (item.first.commands.as_slice(), item.rest.as_slice()) {
        ([command], []) => first(command).is_some_and(|name| name == "true" || name == ":"),
        _ => false,
    }
}
