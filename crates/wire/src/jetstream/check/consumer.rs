//! Consumers.

use super::super::consumer::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy};
use super::super::error::{ApiError, table};
use super::super::stream::{Retention, StreamConfig};
use super::apart::{Apart, problem, too_many};
use super::bounds::real;
use super::stream::metadata_bytes;
use super::{Bounds, DURATION_MIN, MILLISECOND, SECOND, Violation};
use crate::ident::{NameError, name_problem};
use crate::limits::{DESCRIPTION_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX, SEQUENCE_MAX};
use crate::subject::{self, Relation};

/// Time after which an unacknowledged message is delivered again, unless configured.
const ACK_WAIT: i64 = 30 * SECOND;
/// Time between heartbeats of a consumer that is acknowledged by flow control, unless configured.
const FLOW_CONTROL_HEARTBEAT: i64 = SECOND;
/// Messages that may be delivered and not acknowledged, unless configured.
const MAX_ACK_PENDING: i64 = 1000;
/// Requests that may wait at a pull consumer, unless configured.
const MAX_WAITING: i64 = 512;
/// Time that a pinned client may be silent, unless configured.
const PRIORITY_TIMEOUT: i64 = 120 * SECOND;
/// Time after which a consumer without name and clients goes, unless configured.
const INACTIVE_THRESHOLD: i64 = 5 * SECOND;

/// Fills in what an absent field means for a consumer of `stream` within `bounds`.
pub fn fill_consumer(config: &mut ConsumerConfig, stream: &StreamConfig, bounds: &Bounds) {
    for value in [
        &mut config.max_waiting,
        &mut config.max_batch,
        &mut config.max_expires,
        &mut config.max_bytes,
        &mut config.idle_heartbeat,
        &mut config.inactive_threshold,
        &mut config.priority_timeout,
    ] {
        *value = (*value).max(0);
    }
    if config.name.is_empty() || config.is_durable() {
        config.name.clone_from(&config.durable_name);
    }
    if config.max_deliver <= 0 {
        config.max_deliver = -1;
    }
    if let Some(first) = config.backoff.first().filter(|first| **first > 0) {
        config.ack_wait = *first;
    }
    let limit = stream.consumer_limits.max_ack_pending;
    if config.max_ack_pending == 0 && limit > 0 {
        // Whatever the ack policy: a push consumer that acknowledges nothing is refused then.
        config.max_ack_pending = limit;
    }
    let by_flow_control = config.ack_policy == AckPolicy::FlowControl;
    if by_flow_control && config.is_push() {
        config.flow_control = true;
        if config.idle_heartbeat == 0 {
            config.idle_heartbeat = FLOW_CONTROL_HEARTBEAT;
        }
    }
    if config.ack_policy != AckPolicy::None {
        if config.ack_wait == 0 && !by_flow_control {
            config.ack_wait = ACK_WAIT;
        }
        if config.max_ack_pending == 0 {
            let limit = real(bounds.max_ack_pending).unwrap_or(MAX_ACK_PENDING);
            config.max_ack_pending = limit.min(MAX_ACK_PENDING);
        }
    }
    if config.priority_policy == PriorityPolicy::PinnedClient && config.priority_timeout == 0 {
        config.priority_timeout = PRIORITY_TIMEOUT;
    }
    if !config.is_push() && config.max_waiting == 0 {
        config.max_waiting = MAX_WAITING;
    }
    if !config.is_push() && config.max_batch == 0 {
        config.max_batch = real(bounds.max_request_batch).unwrap_or(0);
    }
    let limit = stream.consumer_limits.inactive_threshold;
    if config.inactive_threshold == 0 && limit > 0 {
        config.inactive_threshold = limit;
    } else if config.inactive_threshold == 0 && !config.is_durable() {
        config.inactive_threshold = INACTIVE_THRESHOLD;
    }
}

/// What [`fill_consumer`] would change and a pedantic request has to say itself. `config` was not filled.
pub fn consumer_pedantic(config: &ConsumerConfig, stream: &StreamConfig) -> Option<ApiError> {
    let negative = [
        ("max_waiting", config.max_waiting),
        ("max_batch", config.max_batch),
        ("max_expires", config.max_expires),
        ("max_bytes", config.max_bytes),
        ("idle_heartbeat", config.idle_heartbeat),
        ("inactive_threshold", config.inactive_threshold),
        ("priority_timeout", config.priority_timeout),
    ];
    let negative = negative.iter().find(|(_, value)| *value < 0);
    let limits = &stream.consumer_limits;
    let missing = |name: &str| format!("{name} must be set if it's configured in stream limits");
    let what = if let Some((name, _)) = negative {
        format!("{name} must not be negative")
    } else if config.max_deliver < -1 {
        "max_deliver must be set to -1".to_owned()
    } else if config.backoff.first().is_some_and(|first| *first != config.ack_wait) {
        "first backoff value has to equal batch AckWait".to_owned()
    } else if config.max_ack_pending == 0 && limits.max_ack_pending > 0 {
        missing("max_ack_pending")
    } else if config.inactive_threshold == 0 && limits.inactive_threshold > 0 {
        missing("inactive_threshold")
    } else {
        return None;
    };
    Some(table::PEDANTIC.with(what))
}

/// The rules that a consumer breaks by itself; `config` was [filled](fill_consumer).
pub fn consumer(config: &ConsumerConfig) -> Vec<Violation> {
    let mut found = Vec::new();
    texts(config, &mut found);
    redelivery(config, &mut found);
    if config.is_push() {
        push(config, &mut found);
    } else {
        pull(config, &mut found);
    }
    filters(config, &mut found);
    start(config, &mut found);
    priority(config, &mut found);
    found
}

fn texts(config: &ConsumerConfig, found: &mut Vec<Violation>) {
    match name_problem(&config.name) {
        // The server chooses a name.
        None | Some(NameError::Empty) => {}
        Some(NameError::TooLong) => {
            found.push(Violation::new("name", table::CONSUMER_NAME_TOO_LONG.with(NAME_BYTES_MAX)));
        }
        Some(NameError::Character) => {
            let text = r"consumer name can not contain '.', '*', '>', '\', '/'";
            found.push(Violation::new("name", table::STREAM_INVALID_CONFIG.with(text)));
        }
    }
    if config.description.len() > DESCRIPTION_BYTES_MAX {
        let error = table::CONSUMER_DESCRIPTION_TOO_LONG.with(DESCRIPTION_BYTES_MAX);
        found.push(Violation::new("description", error));
    }
    if metadata_bytes(&config.metadata) > METADATA_BYTES_MAX {
        found.push(Violation::new("metadata", table::CONSUMER_METADATA_LENGTH.with("128KB")));
    }
    if config.num_replicas < 0 {
        found.push(Violation::new("num_replicas", table::REPLICAS_COUNT_CANNOT_BE_NEGATIVE));
    }
    if let Some(text) = sampling_problem(&config.sample_freq) {
        found.push(Violation::new("sample_freq", table::CONSUMER_INVALID_SAMPLING.with(text)));
    }
}

fn sampling_problem(text: &str) -> Option<String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    match number.parse::<i64>() {
        _ if text.is_empty() => None,
        Ok(0..) => None,
        Ok(_) => Some("sampling must be positive".into()),
        Err(_) => Some(format!("strconv.Atoi: parsing \"{number}\": invalid syntax")),
    }
}

fn redelivery(config: &ConsumerConfig, found: &mut Vec<Violation>) {
    if config.ack_wait < 0 {
        found.push(Violation::new("ack_wait", table::CONSUMER_ACK_WAIT_NEGATIVE));
    }
    if config.backoff.iter().any(|wait| *wait < 0) {
        found.push(Violation::new("backoff", table::CONSUMER_BACK_OFF_NEGATIVE));
    }
    let attempts = usize::try_from(config.max_deliver).ok();
    if attempts.is_some_and(|attempts| config.backoff.len() > attempts) {
        found.push(Violation::new("max_deliver", table::CONSUMER_MAX_DELIVER_BACKOFF));
    }
}

fn push(config: &ConsumerConfig, found: &mut Vec<Violation>) {
    let target = config.deliver_subject.as_bytes();
    if !subject::is_valid(target) {
        found.push(Violation::new("deliver_subject", table::CONSUMER_INVALID_DELIVER_SUBJECT));
    } else if subject::has_wildcard(target) {
        found.push(Violation::new("deliver_subject", table::CONSUMER_DELIVER_TO_WILDCARDS));
    }
    let heartbeat = config.idle_heartbeat;
    let by_flow_control = config.ack_policy == AckPolicy::FlowControl;
    let conflicts = [
        (
            by_flow_control && config.max_ack_pending <= 0,
            "max_ack_pending",
            table::CONSUMER_ACK_FC_REQUIRES_MAX_ACK_PENDING,
        ),
        (
            by_flow_control && config.ack_wait != 0,
            "ack_wait",
            table::CONSUMER_ACK_FC_REQUIRES_NO_ACK_WAIT,
        ),
        (
            by_flow_control && config.max_deliver > 0,
            "max_deliver",
            table::CONSUMER_ACK_FC_REQUIRES_NO_MAX_DELIVER,
        ),
        (config.max_waiting > 0, "max_waiting", table::CONSUMER_PUSH_MAX_WAITING),
        (
            config.max_ack_pending > 0 && config.ack_policy == AckPolicy::None,
            "max_ack_pending",
            table::CONSUMER_MAX_PENDING_ACK_POLICY_REQUIRED,
        ),
        (
            heartbeat > 0 && heartbeat < DURATION_MIN,
            "idle_heartbeat",
            table::CONSUMER_SMALL_HEARTBEAT,
        ),
        (
            config.flow_control && heartbeat == 0,
            "flow_control",
            table::CONSUMER_WITH_FLOW_CONTROL_NEEDS_HEARTBEATS,
        ),
        (
            config.priority_policy != PriorityPolicy::None,
            "priority_policy",
            table::CONSUMER_PUSH_WITH_PRIORITY_GROUP,
        ),
    ];
    for (_, field, error) in conflicts.into_iter().filter(|(conflict, ..)| *conflict) {
        found.push(Violation::new(field, error));
    }
}

fn pull(config: &ConsumerConfig, found: &mut Vec<Violation>) {
    let conflicts = [
        (config.rate_limit_bps > 0, "rate_limit_bps", table::CONSUMER_PULL_WITH_RATE_LIMIT),
        (config.idle_heartbeat > 0, "idle_heartbeat", table::CONSUMER_HB_REQUIRES_PUSH),
        (config.flow_control, "flow_control", table::CONSUMER_FC_REQUIRES_PUSH),
        (
            config.ack_policy == AckPolicy::FlowControl,
            "ack_policy",
            table::CONSUMER_ACK_FC_REQUIRES_PUSH,
        ),
        (config.direct, "direct", table::CONSUMER_DIRECT_REQUIRES_PUSH),
        (
            config.max_expires > 0 && config.max_expires < MILLISECOND,
            "max_expires",
            table::CONSUMER_MAX_REQUEST_EXPIRES_TOO_SMALL,
        ),
    ];
    for (_, field, error) in conflicts.into_iter().filter(|(conflict, ..)| *conflict) {
        found.push(Violation::new(field, error));
    }
}

fn filters(config: &ConsumerConfig, found: &mut Vec<Violation>) {
    if !config.filter_subject.is_empty() && !config.filter_subjects.is_empty() {
        found.push(Violation::new("filter_subjects", table::CONSUMER_DUPLICATE_FILTER_SUBJECTS));
    }
    let many = too_many(config.filters().len(), "filter_subjects", table::CONSUMER_CREATE);
    if let Some(violation) = many {
        found.push(violation);
        return;
    }
    let single = config.filter_subjects.is_empty();
    let field = if single { "filter_subject" } else { "filter_subjects" };
    // 2.12 and newer refuse filters of which one holds the other; that they merely meet is allowed.
    let nested = [Relation::Contains, Relation::Within];
    let mut apart = Apart::new(config.filters().iter().map(String::as_str));
    let mut searching = true;
    for (index, filter) in config.filters().iter().enumerate() {
        if filter.is_empty() {
            found.push(Violation::new("filter_subjects", table::CONSUMER_EMPTY_FILTER));
        } else if let Some(text) = problem(filter) {
            found.push(Violation::new(field, table::STREAM_INVALID_CONFIG.with(text)));
        } else if searching {
            let error: Option<ApiError> = match apart.first_behind(index, filter, &nested) {
                Ok(None) => None,
                Ok(Some(_)) => Some(table::CONSUMER_OVERLAPPING_SUBJECT_FILTERS.into()),
                Err(error) => Some(error.into()),
            };
            searching = error.is_none();
            found.extend(error.map(|error| Violation::new("filter_subjects", error)));
        }
    }
}

fn start(config: &ConsumerConfig, found: &mut Vec<Violation>) {
    let (sequence, time) = (config.opt_start_seq > 0, config.opt_start_time.is_some());
    let (policy, wants_sequence, wants_time) = match config.deliver_policy {
        DeliverPolicy::All => ("all", false, false),
        DeliverPolicy::Last => ("last", false, false),
        DeliverPolicy::New => ("new", false, false),
        DeliverPolicy::LastPerSubject => ("last per subject", false, false),
        DeliverPolicy::ByStartSequence => ("by start sequence", true, false),
        DeliverPolicy::ByStartTime => ("by start time", false, true),
    };
    let mut refuse = |field, what: &str, is: &str| {
        let text =
            format!("consumer delivery policy is deliver {policy}, but optional {what} is {is}");
        found.push(Violation::new(field, table::CONSUMER_INVALID_POLICY.with(text)));
    };
    if config.deliver_policy == DeliverPolicy::LastPerSubject && config.filters().is_empty() {
        refuse("filter_subject", "filter subject", "not set");
    }
    if config.opt_start_seq > SEQUENCE_MAX {
        refuse("opt_start_seq", "start sequence", &format!("larger than {SEQUENCE_MAX}"));
    }
    match (sequence, wants_sequence) {
        (true, false) => refuse("opt_start_seq", "start sequence", "also set"),
        (false, true) => refuse("opt_start_seq", "start sequence", "not set"),
        _ => {}
    }
    match (time, wants_time) {
        (true, false) => refuse("opt_start_time", "start time", "also set"),
        (false, true) => refuse("opt_start_time", "start time", "not set"),
        _ => {}
    }
}

fn priority(config: &ConsumerConfig, found: &mut Vec<Violation>) {
    if config.priority_policy == PriorityPolicy::None && config.priority_timeout > 0 {
        let error = table::CONSUMER_PINNED_TTL_WITHOUT_PRIORITY_POLICY_NONE;
        found.push(Violation::new("priority_timeout", error));
    }
    match (config.priority_policy, config.priority_groups.as_slice()) {
        (PriorityPolicy::None, []) => {}
        (PriorityPolicy::None, _) => {
            let error = table::CONSUMER_PRIORITY_GROUP_WITH_POLICY_NONE;
            found.push(Violation::new("priority_groups", error));
        }
        (_, []) => {
            let error = table::CONSUMER_PRIORITY_POLICY_WITHOUT_GROUP;
            found.push(Violation::new("priority_groups", error));
        }
        (_, groups) => {
            let errors = groups.iter().filter_map(|group| match group.as_str() {
                "" => Some(table::CONSUMER_EMPTY_GROUP_NAME),
                group => (!is_group(group)).then_some(table::CONSUMER_INVALID_GROUP_NAME),
            });
            found.extend(errors.map(|error| Violation::new("priority_groups", error)).next());
        }
    }
}

/// Longest name of a priority group (ADR-42).
const GROUP_BYTES_MAX: usize = 16;

/// Whether a priority group may have this name.
fn is_group(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/=".contains(&byte);
    name.len() <= GROUP_BYTES_MAX && name.bytes().all(fits)
}

/// The rules that a consumer breaks on the stream it is for. What its neighbours forbid it (a work
/// queue's messages have one reader) is not looked at here.
pub fn consumer_on_stream(config: &ConsumerConfig, stream: &StreamConfig) -> Vec<Violation> {
    let mut found = Vec::new();
    if stream.retention == Retention::WorkQueue {
        match config.ack_policy {
            AckPolicy::Explicit | AckPolicy::FlowControl => {}
            AckPolicy::None if !config.is_push() => {
                let error = table::CONSUMER_PULL_REQUIRES_ACK;
                found.push(Violation::new("ack_policy", error));
            }
            _ => found.push(Violation::new("ack_policy", table::CONSUMER_WQ_REQUIRES_EXPLICIT_ACK)),
        }
        if config.deliver_policy != DeliverPolicy::All {
            let error = table::CONSUMER_WQ_CONSUMER_NOT_DELIVER_ALL;
            found.push(Violation::new("deliver_policy", error));
        }
    }
    let target = config.deliver_subject.as_bytes();
    let cycle = config.is_push()
        && stream.subjects.iter().any(|own| subject::overlaps(own.as_bytes(), target));
    if cycle {
        found.push(Violation::new("deliver_subject", table::CONSUMER_DELIVER_CYCLE));
    }
    let limit = stream.consumer_limits.max_ack_pending;
    if limit > 0 && config.max_ack_pending > limit {
        let error = table::CONSUMER_MAX_PENDING_ACK_EXCESS.with(limit);
        found.push(Violation::new("max_ack_pending", error));
    }
    let limit = stream.consumer_limits.inactive_threshold;
    if limit > 0 && config.inactive_threshold > limit {
        let error = table::CONSUMER_INACTIVE_THRESHOLD_EXCESS.with(crate::time::go_duration(limit));
        found.push(Violation::new("inactive_threshold", error));
    }
    if config.num_replicas > stream.num_replicas.max(1) {
        let error = table::CONSUMER_REPLICAS_EXCEEDS_STREAM;
        found.push(Violation::new("num_replicas", error));
    }
    found
}
