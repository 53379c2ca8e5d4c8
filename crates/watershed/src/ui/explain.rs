//! What a user may do and what becomes of a subject, as people and programs read it.

use serde_json::{Value as Json, json};
use watershed_topology::SourceMap;
use watershed_topology::model::{Access, User};
use watershed_topology::permission::{Reasoned, Why};
use watershed_topology::source::Span;
use watershed_topology::trace::{Party, Stored, Taken, Trace};

use super::wrapped::detail;
use super::{count, out};

/// Where something is written: file and line.
fn place(sources: &SourceMap, span: Span) -> String {
    let place = sources.place(span);
    format!("{}:{}", place.file, place.line)
}

/// Prints what a user may do, and why.
pub(crate) fn user(sources: &SourceMap, user: &User, may: &[Reasoned; 2], json: bool) {
    if json {
        out(&user_json(sources, user, may).to_string());
        return;
    }
    let name = &user.name.value;
    let what = match &user.access {
        Access::Admin => "may do everything in the account".to_owned(),
        Access::System => "is a user of the system account, and has nothing in this one".to_owned(),
        Access::Listed => "may do what `permissions` list".to_owned(),
        Access::Service(service) => format!("may do what service `{}` does", service.value),
    };
    out(&format!("user `{name}` {what} ({})", place(sources, user.name.span)));
    for (verb, reasoned) in ["publish to", "subscribe to"].into_iter().zip(may) {
        out("");
        match &reasoned.allow {
            None => out(&format!("may {verb} everything")),
            Some(allow) if allow.is_empty() => out(&format!("may {verb} nothing")),
            Some(allow) => {
                out(&format!("may {verb}"));
                for (filter, why) in allow {
                    out(&format!("  {filter}"));
                    for Why { reason, span } in why {
                        detail(6, &format!("{reason} ({})", place(sources, *span)));
                    }
                }
            }
        }
        if let (Some(responses), "publish to") = (&user.permissions.responses, verb) {
            let at = place(sources, responses.span);
            out(&format!("may answer what it receives, wherever the answer goes ({at})"));
        }
        for denied in &reasoned.deny {
            let at = place(sources, denied.span);
            out(&format!(
                "may not {verb}\n  {}\n      listed under `permissions` ({at})",
                denied.value
            ));
        }
    }
}

fn user_json(sources: &SourceMap, user: &User, may: &[Reasoned; 2]) -> Json {
    let side = |reasoned: &Reasoned| {
        let why = |one: &Why| json!({ "reason": one.reason, "place": place(sources, one.span) });
        let allow = reasoned.allow.as_ref().map(|allow| {
            let filters = allow.iter().map(|(filter, all)| {
                json!({ "subject": filter, "why": all.iter().map(why).collect::<Vec<_>>() })
            });
            filters.collect::<Vec<_>>()
        });
        let deny = reasoned
            .deny
            .iter()
            .map(|denied| json!({ "subject": denied.value, "place": place(sources, denied.span) }));
        json!({ "allow": allow, "deny": deny.collect::<Vec<_>>() })
    };
    let (access, service) = match &user.access {
        Access::Admin => ("admin", None),
        Access::System => ("system", None),
        Access::Listed => ("permissions", None),
        Access::Service(service) => ("service", Some(&service.value)),
    };
    let [publish, subscribe] = may;
    json!({
        "user": user.name.value,
        "place": place(sources, user.name.span),
        "access": access,
        "service": service,
        "publish": side(publish),
        "subscribe": side(subscribe),
        "allow_responses": user.permissions.responses.is_some(),
    })
}

/// Prints what becomes of a subject.
pub(crate) fn subject(sources: &SourceMap, subject: &str, trace: &Trace, json: bool) {
    if json {
        out(&subject_json(sources, subject, trace).to_string());
        return;
    }
    out(&format!("subject `{subject}`"));
    out("");
    if trace.publishers.is_empty() {
        out("no service publishes it");
    }
    for party in &trace.publishers {
        out(&shown(sources, party));
    }
    out("");
    if trace.streams.is_empty() {
        out("no stream stores it");
        out("");
    }
    for stored in &trace.streams {
        stream(sources, subject, stored);
    }
    for party in &trace.listeners {
        out(&shown(sources, party));
    }
    for export in &trace.exports {
        let who = export.value.as_ref().map_or("every account".into(), |all| all.join(", "));
        out(&format!("may be imported by {who} ({})", place(sources, export.span)));
    }
    if !trace.listeners.is_empty() || !trace.exports.is_empty() {
        out("");
    }
    out(&total(trace));
}

/// In how many copies a message is there.
fn total(trace: &Trace) -> String {
    let copies = usize::try_from(trace.copies()).unwrap_or_default();
    let stored = match copies {
        0 => "not stored".to_owned(),
        copies => format!("stored in {}", count(copies, "copy")),
    };
    let delivered = match trace.deliveries() {
        0 => "delivered to no consumer".to_owned(),
        1 => "delivered to 1 consumer".to_owned(),
        all => format!("delivered to {}, once to each", count(all, "consumer")),
    };
    let heard = match trace.listeners.len() {
        0 => String::new(),
        all => format!(", answered by {}", count(all, "service")),
    };
    format!("a message is {stored}, {delivered}{heard}")
}

/// A service in a line.
fn shown(sources: &SourceMap, party: &Party) -> String {
    let does = match party.does {
        "publishes" => "publishes",
        "requests" => "asks on",
        _ => "answers on",
    };
    let at = place(sources, party.filter.span);
    let times = times(party.replicas);
    format!("service `{}`{times} {does} `{}` ({at})", party.service, party.filter.value)
}

fn times(replicas: u64) -> String {
    if replicas == 1 { String::new() } else { format!(", {replicas} of it,") }
}

fn stream(sources: &SourceMap, subject: &str, stored: &Stored) {
    let by = stored.by.iter().map(|by| format!("`{}` ({})", by.value, place(sources, by.span)));
    let by = by.collect::<Vec<_>>().join(", ");
    let how = if stored.copied { "from" } else { "by" };
    let copies = match stored.replicas {
        ..=1 => String::new(),
        copies => format!(", in {copies} copies"),
    };
    out(&format!("stream `{}` stores it {how} {by}{copies}", stored.stream));
    let others: Vec<_> = stored.subjects.iter().filter(|own| *own != subject).collect();
    if !others.is_empty() {
        let all = others.iter().map(|own| format!("`{own}`")).collect::<Vec<_>>().join(", ");
        out(&format!("  as {all}"));
    }
    if let Some(again) = &stored.republished {
        let at = place(sources, again.span);
        out(&format!("  and publishes it again on `{}` ({at})", again.value));
    }
    if stored.consumers.is_empty() {
        out("  no consumer takes it");
    }
    for taken in &stored.consumers {
        consumer(sources, taken);
    }
    out("");
}

fn consumer(sources: &SourceMap, taken: &Taken) {
    let filters = match taken.filters.as_slice() {
        [] => "everything".to_owned(),
        all => all.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", "),
    };
    let at = place(sources, taken.span);
    out(&format!("  consumer `{}` takes {filters} ({at})", taken.consumer));
    let readers: Vec<String> = taken
        .readers
        .iter()
        .map(|(name, replicas)| match replicas {
            1 => format!("`{name}`"),
            some => format!("`{name}` ({some} of it share them)"),
        })
        .collect();
    if readers.is_empty() {
        out("    no service reads it");
    } else {
        out(&format!("    for {}", readers.join(", ")));
    }
    if let Some(stream) = &taken.dead_letter {
        out(&format!("    what is given up goes to `{stream}`"));
    }
}

fn subject_json(sources: &SourceMap, subject: &str, trace: &Trace) -> Json {
    let party = |one: &Party| {
        json!({
            "service": one.service, "does": one.does, "filter": one.filter.value,
            "replicas": one.replicas, "place": place(sources, one.filter.span),
        })
    };
    let taken = |one: &Taken| {
        let readers = one.readers.iter();
        let readers =
            readers.map(|(name, replicas)| json!({ "service": name, "replicas": replicas }));
        json!({
            "consumer": one.consumer, "filters": one.filters, "dead_letter": one.dead_letter,
            "readers": readers.collect::<Vec<_>>(), "place": place(sources, one.span),
        })
    };
    let stored = |one: &Stored| {
        let by =
            one.by.iter().map(|by| json!({ "name": by.value, "place": place(sources, by.span) }));
        json!({
            "stream": one.stream, "by": by.collect::<Vec<_>>(), "copied": one.copied,
            "subjects": one.subjects, "replicas": one.replicas,
            "republished": one.republished.as_ref().map(|again| &again.value),
            "consumers": one.consumers.iter().map(taken).collect::<Vec<_>>(),
        })
    };
    let exports = trace.exports.iter();
    let exports =
        exports.map(|one| json!({ "accounts": one.value, "place": place(sources, one.span) }));
    json!({
        "subject": subject,
        "publishers": trace.publishers.iter().map(party).collect::<Vec<_>>(),
        "streams": trace.streams.iter().map(stored).collect::<Vec<_>>(),
        "listeners": trace.listeners.iter().map(party).collect::<Vec<_>>(),
        "exports": exports.collect::<Vec<_>>(),
        "copies": trace.copies(),
        "deliveries": trace.deliveries(),
    })
}
