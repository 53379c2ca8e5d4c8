//! What calls of the API make of a stream.

use serde_json::Value;

use super::operation::Operation;
use super::stream::{Retention, Rules, Stream};

/// What a call makes of a stream, and how many messages it purges; several where only the server
/// knows which. `None` if it is to be refused.
pub(crate) type Outcomes = Option<Vec<(u64, Option<Stream>)>>;

pub(crate) fn outcomes(stream: Option<&Stream>, now: i64, operation: &Operation) -> Outcomes {
    let one = |next| Some(vec![(0, Some(next))]);
    match (operation, stream) {
        (Operation::CreateStream(rules) | Operation::UpdateStream(rules), _)
            if !rules.are_valid() =>
        {
            None
        }
        (Operation::CreateStream(rules), None) => one(Stream::new(rules.clone())),
        (Operation::CreateStream(rules), Some(own)) if own.rules == *rules => one(own.clone()),
        (_, None) | (Operation::CreateStream(_), _) => None,
        (Operation::UpdateStream(rules), Some(own)) => {
            let queue = |rules: &Rules| rules.retention == Retention::WorkQueue;
            let fixed = |rules: &Rules| (rules.is_async, rules.counts);
            let moves = queue(&own.rules) != queue(rules) || fixed(&own.rules) != fixed(rules);
            let mut next = own.clone();
            next.configure(now, rules.clone());
            if moves { None } else { one(next) }
        }
        (Operation::DeleteStream, Some(_)) => Some(vec![(0, None)]),
        (Operation::Purge { filter, before, keep }, Some(own)) => {
            let going = own.purged(filter.as_deref(), *before, *keep);
            let mut next = own.clone();
            let purged = next.remove(&going);
            Some(vec![(purged, Some(next))])
        }
        (Operation::DeleteMessage(sequence), Some(own)) => {
            let mut next = own.clone();
            // What a consumer has just finished with may still be there.
            let deletes = next.remove(&[*sequence]) == 1 || own.just_gone.contains_key(sequence);
            if deletes { one(next) } else { None }
        }
        (Operation::PutConsumer(name, rules), Some(own)) => {
            let all = own.put_consumer(now, name, rules);
            Some(all.into_iter().map(|next| (0, Some(next))).collect())
        }
        (Operation::DeleteConsumer(name), Some(own)) => {
            let mut next = own.clone();
            if next.delete_consumer(name) { one(next) } else { None }
        }
        (Operation::PauseConsumer(name, until), Some(own)) => {
            let mut next = own.clone();
            let consumer = next.consumers.get_mut(*name);
            let known = consumer.map(|consumer| consumer.paused_until = *until).is_some();
            if known { one(next) } else { None }
        }
        (Operation::ResetConsumer(name, sequence), Some(own)) => {
            let mut next = own.clone();
            if next.reset_consumer(name, *sequence) { one(next) } else { None }
        }
        (_, Some(own)) => one(own.clone()),
    }
}

/// What a call may make of a stream that is not known to be done with it. Many messages go in several
/// records: of a purge, the first of them may.
pub(crate) fn every_outcome(
    stream: Option<&Stream>,
    now: i64,
    operation: &Operation,
) -> Vec<Option<Stream>> {
    let all = outcomes(stream, now, operation).into_iter().flatten().map(|(_, state)| state);
    let mut all: Vec<_> = all.collect();
    // Of those that look the same the last one is taken: a consumer that has passed over the least.
    all.reverse();
    if let (Operation::Purge { filter, before, keep }, Some(own)) = (operation, stream) {
        let going = own.purged(filter.as_deref(), *before, *keep);
        all.extend((1..going.len()).map(|part| {
            let mut next = own.clone();
            next.remove(&going[..part]);
            Some(next)
        }));
    }
    all
}

/// Whether a reply tells of this outcome, where there are several.
pub(crate) fn agrees(
    outcome: &(u64, Option<Stream>),
    operation: &Operation,
    reply: &Value,
) -> bool {
    let (purged, stream) = outcome;
    match (operation, stream) {
        (Operation::Purge { .. }, Some(stream)) => {
            // What a consumer has just finished with may be among it.
            let most = stream.just_gone.len() as u64;
            reply["purged"].as_u64().is_some_and(|told| (*purged..=most).contains(&told))
        }
        (Operation::PutConsumer(name, _), Some(stream)) => {
            stream.consumers[*name].pending(stream) == reply["num_pending"]
        }
        _ => true,
    }
}
