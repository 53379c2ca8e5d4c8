//! What a store holds, and what is wrong with it.

use std::path::Path;

use watershed_server::offline::StoreReport;

use super::path::shown;
use super::table::{bytes, table};
use super::{count, out};

/// What the store in `folder` holds.
pub(crate) fn holds(folder: &Path, report: &StoreReport) {
    let StoreReport { format, rounds, checkpoint, sizes, .. } = report;
    out(&format!(
        "{}: format {format}, {rounds} rounds, {checkpoint} of them in a checkpoint",
        shown(folder)
    ));
    out(&format!(
        "journal {}, blocks {}, checkpoints {}",
        bytes(sizes.journal),
        bytes(sizes.blocks),
        bytes(sizes.checkpoints)
    ));
    if report.streams.is_empty() {
        return;
    }
    let head = ["account", "stream", "storage", "messages", "bytes", "first", "last", "consumers"];
    let mut table = table(&head, &[3, 4, 5, 6, 7]);
    for stream in &report.streams {
        table.add_row([
            stream.account.clone(),
            stream.name.clone(),
            if stream.memory { "memory" } else { "file" }.to_owned(),
            stream.messages.to_string(),
            bytes(stream.bytes),
            stream.first.to_string(),
            stream.last.to_string(),
            stream.consumers.to_string(),
        ]);
    }
    out(&table.to_string());
}

/// What is damaged, and what is lost.
pub(crate) fn damage(report: &StoreReport) {
    for finding in &report.findings {
        out(&format!("damaged: {finding}"));
    }
    for loss in &report.losses {
        let sequences = match (loss.first, loss.last) {
            (first, last) if first == last => format!("sequence {first}"),
            (first, last) => format!("sequences {first} to {last}"),
        };
        let (account, stream) = (&loss.account, &loss.stream);
        out(&format!("lost: {stream} of {account}, {sequences}: {}", loss.why));
    }
}

/// In one line, how it stands with the store in `folder`.
pub(crate) fn verdict(folder: &Path, report: &StoreReport) {
    let messages = report.streams.iter().filter(|stream| !stream.memory).map(|own| own.messages);
    let messages = usize::try_from(messages.sum::<u64>()).unwrap_or(usize::MAX);
    let lost = report.losses.iter().map(|loss| loss.messages).sum::<u64>();
    let holds =
        format!("{} of {}", count(messages, "message"), count(report.streams.len(), "stream"));
    let folder = shown(folder);
    out(&match (report.findings.len(), lost) {
        (0, 0) => format!("{folder}: {holds}, all whole"),
        (0, lost) => format!("{folder}: {holds}, {lost} lost"),
        (found, 0) => format!("{folder}: {holds}, nothing lost, {}", count(found, "finding")),
        (found, lost) => format!("{folder}: {holds}, {lost} lost, {}", count(found, "finding")),
    });
}
