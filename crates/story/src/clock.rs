//! What time does to a story where it passes by itself.

use std::time::Duration;

use watershed_topology::Topology;
use watershed_topology::model::ConsumerName;
use watershed_topology::quantity::show_duration;
use watershed_topology::retry::retry_delay;
use watershed_wire::jetstream::ConsumerConfig;

use crate::limits::MOMENT;
use crate::story::{Answer, Step, Story};

/// Something that happens a while after something else.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    /// How long after.
    pub(crate) after: Duration,
    /// What, for people.
    pub(crate) what: String,
}

/// What of a story only a clock that is moved by hand can do; `None` for a story in which time stands still. A server that runs
/// somewhere takes a moment for what takes none in a story: what is due within a second cannot be told from what is due at
/// once.
pub fn needs_the_clock(topology: &Topology, story: &Story, may_restart: bool) -> Option<String> {
    let step = story.steps.iter().find_map(|step| match step {
        Step::Advance { .. } => Some("time passes in it (`advance`)".to_owned()),
        Step::Restart if !may_restart => {
            Some("it restarts the server, which is somebody else's (see `--on up`)".to_owned())
        }
        _ => None,
    });
    step.or_else(|| first_due(topology, story).filter(|due| due.after < MOMENT).map(|due| due.what))
}

/// What is due first of all that a story may wait for.
pub(crate) fn first_due(topology: &Topology, story: &Story) -> Option<Due> {
    let mut all = Vec::new();
    for step in &story.steps {
        let Step::Worker { consumer, answers } = step else { continue };
        let Some((_, declared)) = topology.consumer(&consumer.value) else { continue };
        let due = answers.iter().filter_map(|one| again(&consumer.value, &declared.config, *one));
        all.extend(due);
    }
    for stream in &topology.streams {
        let config = &stream.config;
        for (key, nanos) in
            [("max_age", config.max_age), ("duplicate_window", config.duplicate_window)]
        {
            if nanos > 0 {
                let what = format!("`{key}` of {} is {}", stream.name.value, show_duration(nanos));
                all.push(Due { after: span(nanos), what });
            }
        }
    }
    all.into_iter().min_by_key(|due| due.after)
}

/// When a message comes again of which a worker says this.
fn again(name: &ConsumerName, config: &ConsumerConfig, answer: Answer) -> Option<Due> {
    let after = match answer {
        Answer::Retry(after) => retry_delay(config, 1, after.map(span)),
        Answer::Nak(Some(after)) => span(after),
        Answer::Silence | Answer::Crash => {
            let wait = config.backoff.first().copied().unwrap_or(config.ack_wait);
            if wait == 0 {
                return None;
            }
            span(wait)
        }
        Answer::Done | Answer::Reject | Answer::Nak(None) | Answer::Term => return None,
    };
    let shown = show_duration(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX));
    Some(Due { after, what: format!("a message comes again to {name} after {shown}") })
}

fn span(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}
