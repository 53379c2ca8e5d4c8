//! `nats req '$JS.API.STREAM.CREATE.X' '{…}'`: the API, called by hand.

use crate::api;
use crate::importer::Importer;
use crate::word::Word;

use super::about::{Call, Outcome};

/// Takes in a request, if it is one to the API.
pub(super) fn request(importer: &mut Importer, rest: &[Word], call: &Call<'_>) -> Outcome {
    let mut words = rest.iter().filter(|word| !word.text.starts_with('-') || word.text == "-");
    let Some(subject) = words.next() else { return Outcome::default() };
    let Some(text) = subject.get() else {
        if subject.text.contains("JS.API") {
            importer.incomplete = true;
            let why = subject.unknown.clone().unwrap_or_default();
            importer.findings.skipped(subject.span, format!("{why}: this request was not read"));
            return Outcome { status: None, found: true };
        }
        return Outcome::default();
    };
    let Some(method) = text.split_once("JS.API.").map(|(_, method)| method) else {
        return Outcome::default();
    };
    let tokens: Vec<&str> = method.split('.').collect();
    let payload = words.next().or(call.config);
    let (stream, consumer) = match tokens.as_slice() {
        ["STREAM", "CREATE", name] => (*name, false),
        ["CONSUMER", "CREATE", stream, ..] | ["CONSUMER", "DURABLE", "CREATE", stream, ..] => {
            (*stream, true)
        }
        ["STREAM", "UPDATE" | "DELETE", name] => {
            importer.incomplete = true;
            let message = format!("this request changes `{name}`, and was not read");
            importer.findings.skipped(subject.span, message);
            return Outcome { status: None, found: true };
        }
        _ => return Outcome::default(),
    };
    if call.when.never {
        return Outcome { status: None, found: true };
    }
    let mut names = vec![Word::known(stream, subject.span)];
    if consumer && let Some(name) = tokens.get(3).or(tokens.get(4)) {
        names.push(Word::known(*name, subject.span));
    }
    let status = api::configured(importer, payload, &names, subject.span, consumer);
    Outcome { status, found: true }
}
