//! Mirrors and sources.

use std::collections::HashSet;

use super::super::error::{Coded, table};
use super::super::stream::{External, SourceConsumer, StreamConfig, StreamSource};
use super::Violation;
use super::apart::{problem, too_many};
use crate::ident::name_problem;
use crate::limits::{FILTER_STEPS_MAX, SEQUENCE_MAX};
use crate::subject::transform::Transform;
use crate::subject::{FilterSet, Relation, Steps, has_wildcard, is_literal};

/// Begins the subjects of the server's API.
const API: &str = "$JS.API";

/// What is said of a mirror and of a source under two codes.
struct Codes {
    name: Coded,
    two_filters: Coded,
    transform_source: Coded,
    transform_destination: Coded,
    overlap: Coded,
    consumer: Coded,
}

const MIRROR: Codes = Codes {
    name: table::MIRROR_INVALID_STREAM_NAME,
    two_filters: table::MIRROR_MULTIPLE_FILTERS_NOT_ALLOWED,
    transform_source: table::MIRROR_INVALID_SUBJECT_FILTER,
    transform_destination: table::MIRROR_INVALID_TRANSFORM_DESTINATION,
    overlap: table::MIRROR_OVERLAPPING_SUBJECT_FILTERS,
    consumer: table::MIRROR_DURABLE_CONSUMER_CFG_INVALID,
};

const SOURCE: Codes = Codes {
    name: table::SOURCE_INVALID_STREAM_NAME,
    two_filters: table::SOURCE_MULTIPLE_FILTERS_NOT_ALLOWED,
    transform_source: table::SOURCE_INVALID_SUBJECT_FILTER,
    transform_destination: table::SOURCE_INVALID_TRANSFORM_DESTINATION,
    overlap: table::SOURCE_OVERLAPPING_SUBJECT_FILTERS,
    consumer: table::SOURCE_DURABLE_CONSUMER_CFG_INVALID,
};

pub(super) fn origins(config: &StreamConfig, found: &mut Vec<Violation>) {
    let origins = config.mirror.iter().chain(&config.sources);
    let transforms = origins.map(|origin| origin.subject_transforms.len()).sum();
    let lists = [(config.sources.len(), "sources"), (transforms, "subject_transforms")];
    for (count, field) in lists {
        if let Some(violation) = too_many(count, field, table::STREAM_INVALID_CONFIG) {
            return found.push(violation);
        }
    }
    let mut steps = Steps::new(FILTER_STEPS_MAX);
    if let Some(mirror) = &config.mirror {
        let conflicts = [
            (!config.subjects.is_empty(), "subjects", table::MIRROR_WITH_SUBJECTS),
            (!config.sources.is_empty(), "sources", table::MIRROR_WITH_SOURCES),
            (config.first_seq > 0, "first_seq", table::MIRROR_WITH_FIRST_SEQ),
            (config.allow_msg_counter, "allow_msg_counter", table::MIRROR_WITH_COUNTERS),
            (config.allow_atomic, "allow_atomic", table::MIRROR_WITH_ATOMIC_PUBLISH),
            (config.allow_batched, "allow_batched", table::MIRROR_WITH_BATCH_PUBLISH),
            (config.allow_msg_schedules, "allow_msg_schedules", table::MIRROR_WITH_MSG_SCHEDULES),
        ];
        for (_, field, error) in conflicts.into_iter().filter(|(conflict, ..)| *conflict) {
            found.push(Violation::new(field, error));
        }
        origin(mirror, "mirror", &MIRROR, &mut steps, found);
    } else if config.mirror_direct {
        let text = "stream has no mirror but does have mirror direct";
        found.push(Violation::invalid("mirror_direct", text));
    }
    if config.allow_msg_schedules && !config.sources.is_empty() {
        found.push(Violation::new("sources", table::SOURCE_WITH_MSG_SCHEDULES));
    }
    let mut known = HashSet::new();
    for (index, one) in config.sources.iter().enumerate() {
        let place = format!("sources.{index}");
        let takes = (&one.name, &one.filter_subject, &one.subject_transforms, &one.external);
        if !known.insert(takes) {
            found.push(Violation::new(place.clone(), table::SOURCE_DUPLICATE_DETECTED));
        }
        origin(one, &place, &SOURCE, &mut steps, found);
    }
}

/// The rules that one origin breaks by itself; `place` is where it stands in its stream.
fn origin(
    origin: &StreamSource,
    place: &str,
    codes: &Codes,
    steps: &mut Steps,
    found: &mut Vec<Violation>,
) {
    let at = |field: &str| format!("{place}.{field}");
    if name_problem(&origin.name).is_some() {
        found.push(Violation::new(at("name"), codes.name));
    }
    let filter = &origin.filter_subject;
    if !filter.is_empty() && !origin.subject_transforms.is_empty() {
        found.push(Violation::new(at("filter_subject"), codes.two_filters));
    }
    if !filter.is_empty() && problem(filter).is_some() {
        let text = if place == "mirror" {
            format!("subject filter '{filter}' for the mirror invalid subject")
        } else {
            format!("subject filter '{filter}' for the source: invalid subject")
        };
        found.push(Violation::new(at("filter_subject"), table::STREAM_CREATE.with(text)));
    }
    if origin.opt_start_seq > SEQUENCE_MAX {
        let text = format!("optional start sequence can not be larger than {SEQUENCE_MAX}");
        let error = table::STREAM_INVALID_CONFIG.with(text);
        found.push(Violation::new(at("opt_start_seq"), error));
    }
    transforms(origin, place, codes, steps, found);
    if let Some(other) = &origin.external {
        external(other, place, found);
    }
    // It reads through a consumer whose own configuration says where to start and what to take.
    if let Some(consumer) = &origin.consumer
        && (!is_complete(consumer)
            || origin.opt_start_seq > 0
            || origin.opt_start_time.is_some()
            || !filter.is_empty())
    {
        found.push(Violation::new(at("consumer"), codes.consumer));
    }
}

fn is_complete(consumer: &SourceConsumer) -> bool {
    name_problem(&consumer.name).is_none() && is_literal(consumer.deliver_subject.as_bytes())
}

fn transforms(
    origin: &StreamSource,
    place: &str,
    codes: &Codes,
    steps: &mut Steps,
    found: &mut Vec<Violation>,
) {
    let at = |index: usize, field: &str| format!("{place}.subject_transforms.{index}.{field}");
    let mut before = FilterSet::default();
    for (index, one) in origin.subject_transforms.iter().enumerate() {
        let source = if one.src.is_empty() { ">" } else { &one.src };
        if let Some(text) = problem(source) {
            let text = format!("{text} {source}");
            found.push(Violation::new(at(index, "src"), codes.transform_source.with(text)));
            continue;
        }
        if !one.dest.is_empty()
            && let Err(error) = Transform::new(source, &one.dest)
        {
            found.push(Violation::new(at(index, "dest"), codes.transform_destination.with(error)));
        }
        match before.find(source, Relation::Overlaps, steps, |()| true) {
            Ok(None) => {}
            Ok(Some(_)) => found.push(Violation::new(at(index, "src"), codes.overlap)),
            Err(error) => {
                found.push(Violation::new(at(index, "src"), error));
                break;
            }
        }
        before.insert(source, ());
    }
}

fn external(external: &External, place: &str, found: &mut Vec<Violation>) {
    let External { api, deliver } = external;
    if !deliver.is_empty() && has_wildcard(deliver.as_bytes()) {
        let error = table::STREAM_INVALID_EXTERNAL_DELIVERY_SUBJ.with(deliver);
        found.push(Violation::new(format!("{place}.external.deliver"), error));
    }
    let at = format!("{place}.external.api");
    if !api.is_empty() && !is_literal(api.as_bytes()) {
        let text = format!(
            "stream external api prefix \"{api}\" must be a valid subject without wildcards"
        );
        found.push(Violation::new(at, table::STREAM_INVALID_CONFIG.with(text)));
    } else if api == API {
        let mut error = table::STREAM_EXTERNAL_API_OVERLAP.with(api);
        error.description = error.description.replace("{subject}", API).into();
        found.push(Violation::new(at, error));
    }
}
