//! What a request to create a consumer means: the names in its subject and its body, and what
//! happens where that consumer exists.
//!
//! The rules and the order in which they are looked at are nats-server 2.14.6's, seen by running it.

use super::call::Call;
use super::change;
use super::consumer::{ConsumerConfig, CreateAction};
use super::error::{ApiError, table};
use super::level;

/// What the subject of a create request says about the consumer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Named<'a> {
    /// Its name, unless the server or the body is to choose one.
    pub consumer: Option<&'a str>,
    /// Its one filter, where permissions are given by filter.
    pub filter: Option<&'a str>,
    /// Whether the call creates durable consumers only.
    pub durable: bool,
}

impl<'a> Named<'a> {
    /// What `call` says, if it creates a consumer.
    pub fn by(call: Call<'a>) -> Option<Self> {
        match call {
            Call::ConsumerCreate(_) => Some(Self::default()),
            Call::ConsumerCreateNamed { consumer, filter, .. } => {
                Some(Self { consumer: Some(consumer), filter, durable: false })
            }
            Call::ConsumerCreateDurable { consumer, .. } => {
                Some(Self { consumer: Some(consumer), filter: None, durable: true })
            }
            _ => None,
        }
    }
}

/// Reconciles the names in the subject and in the body: afterwards `config.name` is the consumer's
/// name, or empty where the server is to choose one.
///
/// A name in the subject wins over `name` in the body. nats-server looks at this after the stream's
/// name (10056) and before it knows whether the stream exists (10059).
pub fn named(config: &mut ConsumerConfig, subject: Named<'_>) -> Result<(), ApiError> {
    let Named { consumer, filter, durable } = subject;
    if consumer.is_none() && config.is_durable() {
        return Err(table::CONSUMER_EPHEMERAL_WITH_DURABLE_NAME.into());
    }
    if consumer.unwrap_or(&config.name).contains(['/', '\\']) {
        return Err(table::CONSUMER_NAME_CONTAINS_PATH_SEPARATORS.into());
    }
    let Some(name) = consumer else { return Ok(()) };
    if durable && !config.is_durable() {
        return Err(table::CONSUMER_DURABLE_NAME_NOT_SET.into());
    }
    if config.is_durable() && config.durable_name != name {
        return Err(table::CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT.into());
    }
    if let Some(filter) = filter {
        if !config.filter_subjects.is_empty() {
            return Err(table::CONSUMER_MULTIPLE_FILTERS_NOT_ALLOWED.into());
        }
        if config.filter_subject != filter {
            return Err(table::CONSUMER_CREATE_FILTER_SUBJECT_MISMATCH.into());
        }
    }
    name.clone_into(&mut config.name);
    Ok(())
}

/// What a valid create request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It creates the consumer.
    Create,
    /// It changes the one that exists.
    Update,
    /// The one that exists is the same already.
    Unchanged,
}

/// What a request with this `action` does to the consumer that has its name, if one exists.
///
/// `config` is [filled](super::check::fill_consumer); `threshold_set` is whether the request itself
/// had an `inactive_threshold`. It is needed twice. nats-server compares what is to be created before
/// it fills in that field of an ephemeral consumer, so that creating one a second time is refused
/// unless the request sets it. And what was durable does not become short-lived by a request that
/// says neither `durable_name` nor `inactive_threshold`.
pub fn outcome(
    existing: Option<&ConsumerConfig>,
    config: &mut ConsumerConfig,
    action: CreateAction,
    threshold_set: bool,
) -> Result<Outcome, ApiError> {
    let Some(old) = existing else {
        return match action {
            CreateAction::Update => Err(table::CONSUMER_DOES_NOT_EXIST.into()),
            CreateAction::Create | CreateAction::CreateOrUpdate => Ok(Outcome::Create),
        };
    };
    if !threshold_set && old.is_durable() {
        config.inactive_threshold = 0;
    }
    if config.pause_until != old.pause_until {
        // Only `CONSUMER.PAUSE` changes it.
        config.pause_until = old.pause_until;
        let required = level::required_by_consumer(config);
        level::keep(&mut config.metadata, required);
    }
    let same = old == config;
    if action == CreateAction::Create {
        return if same && (threshold_set || config.is_durable()) {
            Ok(Outcome::Unchanged)
        } else {
            Err(table::CONSUMER_ALREADY_EXISTS.into())
        };
    }
    if same {
        return Ok(Outcome::Unchanged);
    }
    change::refuse_consumer(old, config).map_or(Ok(Outcome::Update), Err)
}

#[cfg(test)]
mod tests {
    use super::super::check::{Bounds, fill_consumer, fill_stream};
    use super::super::consumer::CreateRequest;
    use super::super::{StreamConfig, json};
    use super::*;

    /// The consumer's name and its durable name, or the error, for a call and fields of a body.
    fn answer(call: &str, fields: &str) -> String {
        let subject = format!("$JS.API.CONSUMER.{call}");
        let named_by = Call::parse(&subject).and_then(Named::by).unwrap();
        let mut config: ConsumerConfig = json::decode(format!("{{{fields}}}").as_bytes()).unwrap();
        match named(&mut config, named_by) {
            Ok(()) => format!("OK {} {}", config.name, config.durable_name).trim_end().to_owned(),
            Err(error) => format!("{} {}", error.err_code, error.description),
        }
    }

    /// Lines of `call fields => answer`; the answers are nats-server 2.14.6's own.
    #[test]
    fn names_are_reconciled_as_nats_server_does() {
        for line in r#"
            CREATE.S => OK
            CREATE.S "name":"n" => OK n
            CREATE.S "durable_name":"d" => 10020 consumer expected to be ephemeral but a durable name was set in request
            CREATE.S "durable_name":"d","name":"d" => 10020 consumer expected to be ephemeral but a durable name was set in request
            CREATE.S "name":"a/b" => 10127 Consumer name can not contain path separators
            CREATE.S "durable_name":"a/b" => 10020 consumer expected to be ephemeral but a durable name was set in request
            CREATE.S.a => OK a
            CREATE.S.a "name":"other" => OK a
            CREATE.S.a "name":"a/b" => OK a
            CREATE.S.a "durable_name":"a" => OK a a
            CREATE.S.a "durable_name":"a","name":"a" => OK a a
            CREATE.S.a "durable_name":"a","name":"other" => OK a a
            CREATE.S.a "durable_name":"other" => 10017 consumer name in subject does not match durable name in request
            CREATE.S.a "durable_name":"other","name":"a" => 10017 consumer name in subject does not match durable name in request
            CREATE.S.a/b => 10127 Consumer name can not contain path separators
            CREATE.S.a\b => 10127 Consumer name can not contain path separators
            CREATE.S.a/b "durable_name":"other" => 10127 Consumer name can not contain path separators
            CREATE.S.ä "durable_name":"ä" => OK ä ä
            DURABLE.CREATE.S.a => 10018 consumer expected to be durable but a durable name was not set
            DURABLE.CREATE.S.a "name":"a" => 10018 consumer expected to be durable but a durable name was not set
            DURABLE.CREATE.S.a "durable_name":"a" => OK a a
            DURABLE.CREATE.S.a "durable_name":"a","name":"other" => OK a a
            DURABLE.CREATE.S.a "durable_name":"other","name":"a" => 10017 consumer name in subject does not match durable name in request
            DURABLE.CREATE.S.a/b => 10127 Consumer name can not contain path separators
            CREATE.S.a.s.x => 10131 Consumer create request did not match filtered subject from create subject
            CREATE.S.a.> => 10131 Consumer create request did not match filtered subject from create subject
            CREATE.S.a.s.x "filter_subject":"s.x" => OK a
            CREATE.S.a.> "filter_subject":">" => OK a
            CREATE.S.a.s.x "filter_subject":"s.x","name":"other" => OK a
            CREATE.S.a.s.x "filter_subject":"s.x","durable_name":"a" => OK a a
            CREATE.S.a.s.x "filter_subject":"s.y" => 10131 Consumer create request did not match filtered subject from create subject
            CREATE.S.a.s.x "filter_subject":"s.x","filter_subjects":[] => OK a
            CREATE.S.a.s.x "filter_subjects":[] => 10131 Consumer create request did not match filtered subject from create subject
            CREATE.S.a.s.x "filter_subjects":["s.x"] => 10137 consumer with multiple subject filters cannot use subject based API
            CREATE.S.a.s.x "filter_subjects":["s.x","s.y"] => 10137 consumer with multiple subject filters cannot use subject based API
            CREATE.S.a.s.x "filter_subjects":["s.x"],"filter_subject":"s.x" => 10137 consumer with multiple subject filters cannot use subject based API
            CREATE.S.a.s.x "filter_subjects":["s.x","s.y"],"durable_name":"other" => 10017 consumer name in subject does not match durable name in request
            CREATE.S.a "filter_subjects":["s.x","s.y"] => OK a
        "#.trim().lines().map(str::trim_start) {
            let (request, expected) = line.split_once(" => ").unwrap();
            let (call, fields) = request.split_once(' ').unwrap_or((request, ""));
            assert_eq!(answer(call, fields), expected, "{request}");
        }
    }

    /// What a request does to a consumer `c` that exists with the fields `old`, if they are given.
    fn done(old: Option<&str>, action: &str, new: &str) -> String {
        let mut stream = StreamConfig::named("S", &["s.>"]);
        fill_stream(&mut stream, &Bounds::default());
        let fill = |fields: &str| {
            let body = format!(r#"{{"action":"{action}","config":{{"name":"c",{fields}}}}}"#);
            let mut request: CreateRequest = json::decode(body.as_bytes()).unwrap();
            let threshold_set = request.config.inactive_threshold > 0;
            fill_consumer(&mut request.config, &stream, &Bounds::default());
            let required = level::required_by_consumer(&request.config);
            level::keep(&mut request.config.metadata, required);
            (request, threshold_set)
        };
        let old = old.map(|fields| fill(fields).0.config);
        let (CreateRequest { mut config, action, .. }, threshold_set) = fill(new);
        match outcome(old.as_ref(), &mut config, action, threshold_set) {
            Ok(outcome) => format!("{outcome:?} {}s", config.inactive_threshold / 1_000_000_000),
            Err(error) => format!("{} {}", error.err_code, error.description),
        }
    }

    #[test]
    fn what_exists_is_answered_as_nats_server_does() {
        const EPHEMERAL: &str = r#""ack_policy":"explicit""#;
        const DURABLE: &str = r#""ack_policy":"explicit","durable_name":"c""#;
        const LIVED: &str = r#""ack_policy":"explicit","inactive_threshold":5000000000"#;
        const PAUSED: &str = r#","pause_until":"2099-01-01T00:00:00Z""#;
        let (new, exists) = (r#","deliver_policy":"new""#, "10148 consumer already exists");
        for (old, action, asked, expected) in [
            (None, "", EPHEMERAL.to_owned(), "Create 5s"),
            (None, "create", DURABLE.to_owned(), "Create 0s"),
            (None, "update", DURABLE.to_owned(), "10149 consumer does not exist"),
            (Some(EPHEMERAL), "", EPHEMERAL.to_owned(), "Unchanged 5s"),
            (Some(EPHEMERAL), "update", EPHEMERAL.to_owned(), "Unchanged 5s"),
            (Some(EPHEMERAL), "create", EPHEMERAL.to_owned(), exists),
            (Some(EPHEMERAL), "create", format!(r#"{EPHEMERAL},"max_deliver":7"#), exists),
            (Some(LIVED), "create", LIVED.to_owned(), "Unchanged 5s"),
            (Some(LIVED), "create", EPHEMERAL.to_owned(), exists),
            (Some(DURABLE), "create", DURABLE.to_owned(), "Unchanged 0s"),
            (
                Some(DURABLE),
                "create",
                format!(r#"{DURABLE},"ack_wait":30000000000"#),
                "Unchanged 0s",
            ),
            (Some(DURABLE), "create", format!(r#"{DURABLE},"max_deliver":7"#), exists),
            (Some(DURABLE), "create", format!("{DURABLE}{new}"), exists),
            (Some(DURABLE), "", format!(r#"{DURABLE},"max_deliver":7"#), "Update 0s"),
            (
                Some(DURABLE),
                "",
                format!("{DURABLE}{new}"),
                "10012 deliver policy can not be updated",
            ),
            (Some(DURABLE), "update", DURABLE.to_owned(), "Unchanged 0s"),
            (Some(DURABLE), "", EPHEMERAL.to_owned(), "Update 0s"),
            // Only `CONSUMER.PAUSE` changes until when one is paused.
            (Some(DURABLE), "", format!("{DURABLE}{PAUSED}"), "Unchanged 0s"),
            (Some(DURABLE), "create", format!("{DURABLE}{PAUSED}"), "Unchanged 0s"),
        ] {
            assert_eq!(done(old, action, &asked), expected, "{old:?} {action} {asked}");
        }
    }
}
