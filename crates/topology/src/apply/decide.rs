//! What is left to do of a step, now that its asset was looked at.

use serde_json::Value as Json;
use watershed_wire::jetstream::change::{consumer_changes, stream_changes};

use super::request::{self, Live};
use super::task::Cause;
use crate::call::Request;
use crate::observe::OWNER;
use crate::plan::difference::{METADATA, merged};
use crate::plan::{Seen, SeenConsumer, Step, Work};

pub(super) enum Decision {
    /// It is as planned.
    Nothing,
    /// This call makes it so.
    Call(Request),
    /// It is what was seen, and may be made again.
    Recreate(Box<Live>),
}

pub(super) fn decide(step: &Step, live: Option<&Live>) -> Result<Decision, Cause> {
    let target = &step.target;
    Ok(match (&step.work, live) {
        (Work::Create(after), None) => Decision::Call(request::create(target, after)),
        (Work::Create(after), Some(live)) if is(step, live, after) => Decision::Nothing,
        (Work::Create(_), Some(_)) => {
            return Err(Cause::Changed("it is there since, and differs".into()));
        }
        (Work::Delete | Work::Drop(_), None) => Decision::Nothing,
        (_, None) => return Err(Cause::Changed("it is gone since".into())),
        (Work::Update { fields, after }, Some(live)) => {
            if fields.iter().all(|field| has(live, after, field)) {
                return Ok(Decision::Nothing);
            }
            let seen = same_asset(step, live, Some(after))?;
            let other = |field: &&String| {
                *field != METADATA && !has(live, after, field) && !has(live, &seen.config, field)
            };
            if let Some(field) = fields.iter().find(other) {
                let value = live.seen.config.get(field).cloned().unwrap_or_default();
                return Err(Cause::Changed(format!("`{field}` was changed to {value} since")));
            }
            let body = merged(&live.config, &seen.config, after, fields);
            Decision::Call(request::update(target, &body))
        }
        (Work::Delete | Work::Drop(_), Some(live)) => {
            unchanged(step, live)?;
            Decision::Call(request::delete(target))
        }
        (Work::Recreate(after), Some(live)) => {
            if is(step, live, after) {
                return Ok(Decision::Nothing);
            }
            unchanged(step, live)?;
            Decision::Recreate(Box::new(live.clone()))
        }
        (Work::Pause(until), Some(live)) => {
            if live.seen.config.get("pause_until") == serde_json::to_value(until).ok().as_ref() {
                return Ok(Decision::Nothing);
            }
            same_asset(step, live, None)?;
            Decision::Call(request::pause(target, *until))
        }
        (Work::Migrate { .. } | Work::Back { .. } | Work::Replace { .. }, Some(_)) => {
            return Err(Cause::Changed("it is to be migrated".into()));
        }
    })
}

/// Whether an asset has a field as a configuration says it.
fn has(live: &Live, config: &Json, field: &str) -> bool {
    live.seen.config.get(field) == config.get(field)
}

/// Whether an asset is, to an effect, what a configuration says.
pub(super) fn is(step: &Step, live: &Live, config: &Json) -> bool {
    let now = live.seen.config.clone();
    if step.target.consumer.is_none() {
        let both = (serde_json::from_value(now), serde_json::from_value(config.clone()));
        return matches!(both, (Ok(now), Ok(config)) if stream_changes(&now, &config).is_empty());
    }
    let both = (serde_json::from_value(now), serde_json::from_value(config.clone()));
    matches!(both, (Ok(now), Ok(config)) if consumer_changes(&now, &config).is_empty())
}

/// What was seen of an asset, if it is still the same one, and owned by the same, or by who is to own it.
fn same_asset<'a>(step: &'a Step, live: &Live, after: Option<&Json>) -> Result<&'a Seen, Cause> {
    let changed = |text: String| Err(Cause::Changed(text));
    let Some(seen) = &step.seen else { return changed("it was not there before".into()) };
    if live.seen.created != seen.created {
        return changed("it was deleted and created again since".into());
    }
    let owner = live.seen.owner.as_deref();
    let to_be = after.and_then(|after| after.get(METADATA)?.get(OWNER)?.as_str());
    if owner != seen.owner.as_deref() && (owner.is_none() || owner != to_be) {
        return changed(match owner {
            Some(owner) => format!("it belongs to the topology `{owner}` since"),
            None => "it is no longer this topology's".into(),
        });
    }
    Ok(seen)
}

/// A configuration without its owner.
fn unmarked(config: &Json) -> Json {
    let mut config = config.clone();
    let Some(fields) = config.as_object_mut() else { return config };
    if let Some(Json::Object(metadata)) = fields.get_mut(METADATA) {
        metadata.remove(OWNER);
        if metadata.is_empty() {
            fields.remove(METADATA);
        }
    }
    config
}

/// The same, if it is also configured as it was. An adoption by the same plan may have come before.
pub(super) fn same_config<'a>(step: &'a Step, live: &Live) -> Result<&'a Seen, Cause> {
    let seen = same_asset(step, live, step.work.after())?;
    let is_alike = if live.seen.owner == seen.owner {
        live.seen.config == seen.config
    } else {
        unmarked(&live.seen.config) == unmarked(&seen.config)
    };
    if !is_alike {
        return Err(Cause::Changed("its configuration was changed since".into()));
    }
    Ok(seen)
}

/// What was seen of an asset that is to go, if nothing at all has changed about it.
pub(super) fn unchanged<'a>(step: &'a Step, live: &Live) -> Result<&'a Seen, Cause> {
    let seen = same_config(step, live)?;
    if live.seen.last_sequence != seen.last_sequence {
        let more = live.seen.last_sequence.saturating_sub(seen.last_sequence);
        let messages = if more == 1 { "1 message was" } else { &format!("{more} messages were") };
        return Err(Cause::Changed(format!("{messages} stored in it since")));
    }
    let before = |name: &String| seen.consumers.as_ref()?.get(name);
    // Of what is kept of a migration, they were not looked at.
    let consumers = live.seen.consumers.iter().filter(|_| seen.consumers.is_some());
    for (name, now) in consumers.flatten() {
        let is_adopted = |before: &SeenConsumer| {
            before.owner.is_none() && now.owner == live.seen.owner && before.created == now.created
        };
        let what = match (before(name), &now.owner) {
            (Some(before), _) if before == now || is_adopted(before) => continue,
            (None, _) => format!("it has the consumer `{name}` since"),
            (Some(before), Some(owner)) if before.owner != now.owner => {
                format!("its consumer `{name}` belongs to the topology `{owner}` since")
            }
            _ => format!("its consumer `{name}` was changed since"),
        };
        return Err(Cause::Changed(what));
    }
    Ok(seen)
}
