//! Whether a stream on another server is what was taken there, and whether that is all.

use std::collections::BTreeMap;

use watershed_client::Client;
use watershed_topology::observe::ObservedStream;
use watershed_wire::jetstream::stream::StreamState;

/// What a stream there is, compared with the one here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has all of it. It may be in use already.
    Same,
    /// It has what this one had before, and nothing else: it may go.
    Behind,
    /// It has something else.
    Other(String),
}

/// Where each durable consumer is: what was delivered, what is acknowledged, and how much is neither.
pub(super) fn positions(stream: &ObservedStream) -> BTreeMap<&str, (u64, u64, usize)> {
    let durable = stream.consumers.iter().filter(|(_, consumer)| consumer.is_durable());
    let at = |(name, consumer)| {
        let (name, consumer): (&'_ String, &'_ watershed_topology::observe::ObservedConsumer) =
            (name, consumer);
        let info = &consumer.info;
        let position = (info.delivered.stream_seq, info.ack_floor.stream_seq, info.num_ack_pending);
        (name.as_str(), position)
    };
    durable.map(at).collect()
}

/// What a stream there is.
pub(super) async fn standing(
    name: &str,
    (from, here): (&Client, &ObservedStream),
    (to, there): (&Client, &ObservedStream),
) -> anyhow::Result<Standing> {
    if here.owner() != there.owner() {
        let owner = there.owner().map_or("nobody".to_owned(), |owner| format!("`{owner}`"));
        return Ok(Standing::Other(format!("it belongs to {owner}")));
    }
    let (old, new) = (&here.info.state, &there.info.state);
    let got = to.sums(name, new).await?;
    let has = from.sums(name, old).await?;
    let (ours, theirs) = (positions(here), positions(there));
    if has.exact == got.exact && old.last_seq == new.last_seq {
        let ahead = theirs.iter().any(|(name, at)| ours.get(name).is_none_or(|own| at > own));
        return Ok(if ours == theirs || ahead { Standing::Same } else { Standing::Behind });
    }
    // Published again there: sequences are others.
    if has.content == got.content && has.messages == got.messages && new.last_seq == new.messages {
        return Ok(Standing::Same);
    }
    let before = StreamState { last_seq: new.last_seq.min(old.last_seq), ..old.clone() };
    let before = from.sums(name, &before).await?;
    if before.exact != got.exact || new.last_seq > old.last_seq {
        return Ok(Standing::Other(
            "it has messages that this one has not: delete it there if it may go".to_owned(),
        ));
    }
    match theirs.iter().find(|(name, at)| ours.get(*name).is_none_or(|own| at.0 > own.0)) {
        None => Ok(Standing::Behind),
        Some((consumer, _)) => Ok(Standing::Other(format!(
            "its consumer `{consumer}` has been used there: delete it there if it may go"
        ))),
    }
}
