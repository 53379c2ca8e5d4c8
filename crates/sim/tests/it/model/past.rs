//! What a stream may be on disk: what it was after some of its operations, and all that were answered are
//! among them.

use super::api::StreamView;
use super::stream::Stream;

/// The states of a stream that a client must reckon with.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    /// In order, each with the number of the operation that led to it. The last one is what a
    /// client sees while nothing fails.
    states: Vec<(u64, Option<Stream>)>,
}

impl Past {
    pub(crate) fn of(operation: u64, stream: Option<Stream>) -> Self {
        Self { states: vec![(operation, stream)] }
    }

    pub(crate) fn now(&self) -> Option<&Stream> {
        self.states.last().and_then(|(_, stream)| stream.as_ref())
    }

    pub(crate) fn states(&self) -> impl DoubleEndedIterator<Item = (u64, Option<&Stream>)> {
        self.states.iter().map(|(operation, stream)| (*operation, stream.as_ref()))
    }

    /// An operation has an effect, which may be lost until it is answered.
    pub(crate) fn push(&mut self, operation: u64, stream: Option<Stream>) {
        self.states.push((operation, stream));
    }

    /// The operation that was the last one has had no effect.
    pub(crate) fn undo(&mut self, operation: u64) {
        if self.states.len() > 1 && self.states.last().is_some_and(|(own, _)| *own == operation) {
            self.states.pop();
        }
    }

    /// An operation may have had an effect, and is not held to have had it.
    pub(crate) fn push_doubtful(&mut self, operation: u64, stream: Option<Stream>) {
        let last = self.states.len() - 1;
        self.states.insert(last, (operation, stream));
    }

    /// Whoever asked for an operation was told of its effect: it is on disk, and all before it.
    pub(crate) fn told(&mut self, operation: u64) {
        let keep = self.states.iter().position(|(own, _)| *own >= operation);
        let last = self.states.len() - 1;
        self.states.drain(..keep.unwrap_or(last).min(last));
    }

    /// Everything that was done is on disk, and nothing is on its way.
    pub(crate) fn settled(&mut self) {
        let last = self.states.len() - 1;
        self.states.drain(..last);
        if let Some((_, Some(stream))) = self.states.last_mut() {
            stream.settled();
        }
    }
}

/// Whether a server has just gone back to what is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restarts {
    Yes,
    /// The disk has refused something. What was not undone goes on.
    Refused,
    No,
}

/// What the disk has not taken is undone; what was in between is known.
fn refused(stream: &mut Stream, now: i64, past: &Past) {
    let before = stream.consumers.clone();
    stream.restarted(now);
    let others = past.states().filter_map(|(_, other)| Some(&other?.consumers));
    for (name, other) in others.chain([&before]).flatten() {
        if let Some(consumer) = stream.consumers.get_mut(name) {
            consumer.may_go_on_from(other);
        }
    }
}

/// The state that a server shows, of those that it may have kept.
pub(crate) fn find(
    past: &Past,
    now: i64,
    restarts: Restarts,
    seen: Option<&StreamView>,
) -> Result<(u64, Option<Stream>), String> {
    let mut found: Option<(u64, Option<Stream>)> = None;
    let mut nearest = None;
    for (operation, state) in past.states().rev() {
        let mut state = state.cloned();
        if let Some(stream) = &mut state {
            stream.resolve(|sequence| seen.is_some_and(|seen| seen.has(sequence)));
            match restarts {
                Restarts::Yes => stream.restarted(now),
                Restarts::Refused => refused(stream, now, past),
                Restarts::No => {}
            }
        }
        let view = state.as_ref().map(StreamView::of);
        if view.as_ref() != seen {
            nearest = nearest.or(view);
            continue;
        }
        match &mut found {
            None => found = Some((operation, state)),
            Some((_, Some(found))) => {
                let own = state.iter().flat_map(|state| &state.consumers);
                for (name, other) in own {
                    if let Some(consumer) = found.consumers.get_mut(name) {
                        consumer.doubt(other);
                    }
                }
            }
            Some(_) => {}
        }
    }
    found.ok_or_else(|| match (seen, nearest) {
        (Some(seen), Some(nearest)) => format!(
            "it is none of {} states that it may have; of the last one it differs:\n{}",
            past.states().count(),
            seen.differs(&nearest)
        ),
        (seen, nearest) => format!("it is {seen:?}, and should be {nearest:?}"),
    })
}
