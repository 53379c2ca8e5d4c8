//! What passes between accounts: exports and imports, in the words of nats.conf.

use watershed_wire::subject::import::offers;
use watershed_wire::subject::{is_valid, overlaps};

use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{Stream, Topology};
pub use crate::passage::{Export, Import, Passage};
use crate::source::Span;

/// An account with what it shares, and where it is named.
#[derive(Debug, Clone, Copy)]
pub struct Account<'t> {
    /// Name.
    pub name: &'t str,
    /// Where the name stands.
    pub span: Span,
    /// What others may import.
    pub exports: &'t [Export],
    /// What it takes from others.
    pub imports: &'t [Import],
}

impl<'t> Account<'t> {
    /// What it exports that an import takes, whoever may import it.
    pub fn export_of(self, import: &Import) -> Option<&'t Export> {
        self.exports_of(import).next()
    }

    fn exports_of(self, import: &Import) -> impl Iterator<Item = &'t Export> {
        self.exports.iter().filter(move |export| {
            export.passage == import.passage && offers(&export.subject.value, &import.subject.value)
        })
    }
}

impl Topology {
    /// The account that this topology is.
    pub fn sharing(&self) -> Account<'_> {
        Account {
            name: self.account_name(),
            span: self.account.as_ref().map_or(self.name.span, |account| account.span),
            exports: &self.exports,
            imports: &self.imports,
        }
    }
}

/// What is wrong with an account's exports and imports by themselves.
pub fn unfit(account: &Account<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let error = |span, message: String| Diagnostic::new("A013", Severity::Error, span, message);
    for export in account.exports {
        let subject = &export.subject;
        if !is_valid(subject.value.as_bytes()) {
            found.push(error(subject.span, format!("invalid subject `{}`", subject.value)));
        }
    }
    for (index, import) in account.imports.iter().enumerate() {
        let said = import.to.as_ref().or(import.prefix.as_ref());
        let place = said.map_or(import.subject.span, |said| said.span);
        if import.account.value == account.name && !account.name.is_empty() {
            let message = "an account imports nothing from itself".to_owned();
            found.push(error(import.account.span, message).fix("name another account"));
        }
        if let (Some(to), Some(_)) = (&import.to, &import.prefix) {
            found.push(error(to.span, "an import has `to` or `prefix`, not both".into()));
        }
        if let (Passage::Service, Some(prefix)) = (import.passage, &import.prefix) {
            let message = "only messages have a `prefix`".to_owned();
            found.push(error(prefix.span, message).fix("say with `to` where requests go in"));
        }
        let local = match import.transform() {
            Ok(transform) => transform.image(&import.subject.value),
            Err(problem) => {
                found.push(error(place, format!("`{}`: {problem}", import.subject.value)));
                continue;
            }
        };
        let same = |one: &&Import| one.passage == Passage::Service && one.local() == local;
        if import.passage == Passage::Service
            && let Some(first) = account.imports.iter().take(index).find(same)
        {
            let here = local.unwrap_or_default();
            found.push(
                error(place, format!("requests on `{here}` already go elsewhere"))
                    .other(first.subject.span, "there"),
            );
        }
    }
    found
}

/// What is wrong between accounts that are known together: two with one name, imports that nobody
/// exports, imports that come back.
pub fn between(accounts: &[Account<'_>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, second) in accounts.iter().enumerate() {
        if let Some(first) = accounts.iter().take(index).find(|first| first.name == second.name) {
            let message = format!("two topologies live in the account `{}`", second.name);
            found.push(
                Diagnostic::new("F011", Severity::Error, second.span, message)
                    .other(first.span, "the other one")
                    .fix("give one of them another `account`"),
            );
        }
    }
    for account in accounts {
        for import in account.imports {
            let Some(other) = accounts.iter().find(|other| other.name == import.account.value)
            else {
                continue;
            };
            match unauthorized(account, import, other) {
                Some(diagnostic) => found.push(diagnostic),
                None => found.extend(circle(accounts, account, import)),
            }
        }
    }
    found
}

/// An import that the other account, which is known, does not allow.
fn unauthorized(account: &Account<'_>, import: &Import, other: &Account<'_>) -> Option<Diagnostic> {
    let subject = &import.subject.value;
    let mut exports = other.exports_of(import);
    let may = |export: &Export| {
        export.accounts.is_empty() || export.accounts.iter().any(|one| one.value == account.name)
    };
    let near = other.export_of(import);
    if exports.any(may) {
        return None;
    }
    let word = import.passage.word();
    let message = format!("`{}` exports no {word} `{subject}` to `{}`", other.name, account.name);
    let found = Diagnostic::new("A014", Severity::Error, import.subject.span, message)
        .note("nats-server does not start: import not authorized");
    Some(match near {
        Some(export) => found
            .other(export.subject.span, "exported to others")
            .fix(format!("add `{}` to its `accounts`", account.name)),
        None => found
            .other(other.span, format!("the account `{}`", other.name))
            .fix(format!("add `{{ {word}: {subject} }}` to its `exports`")),
    })
}

/// An import of something that the other account has from this one.
fn circle(accounts: &[Account<'_>], account: &Account<'_>, import: &Import) -> Option<Diagnostic> {
    let mut wanted = import.subject.value.clone();
    let mut at = import.account.value.as_str();
    let mut seen = vec![account.name];
    let back = loop {
        if at == account.name {
            break true;
        }
        if seen.contains(&at) {
            break false;
        }
        seen.push(at);
        let other = accounts.iter().find(|other| other.name == at)?;
        let next = other.imports.iter().find(|next| {
            let local = next.local().unwrap_or_default();
            next.passage == import.passage
                && is_valid(local.as_bytes())
                && is_valid(wanted.as_bytes())
                && overlaps(local.as_bytes(), wanted.as_bytes())
        })?;
        wanted.clone_from(&next.subject.value);
        at = next.account.value.as_str();
    };
    back.then(|| {
        let message = format!(
            "the {} `{}` comes back to `{}`, which exports it",
            import.passage.word(),
            import.subject.value,
            account.name
        );
        Diagnostic::new("A014", Severity::Error, import.subject.span, message)
            .note("nats-server does not start: import forms a cycle")
            .fix("import from the account that has it")
    })
}

/// Streams that a topology names as if they were its own, and that are those of another account.
pub fn strangers(topologies: &[&Topology]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for topology in topologies {
        let own = topology.by_name();
        let known = |name: &str| own.get(name).is_some_and(|stream| !stream.is_placeholder());
        let origins = topology.streams.iter().flat_map(Stream::origins);
        let origins = origins.filter(|(origin, _)| origin.external.is_none());
        let origins = origins.map(|(origin, span)| (origin.name.as_str(), span));
        let read = topology.services.iter().flat_map(|service| &service.consumes);
        let read = read.map(|consumer| (consumer.value.stream.as_str(), consumer.span));
        for (name, span) in origins.chain(read).filter(|(name, _)| !known(name)) {
            let has = |other: &&&Topology| {
                other.account_name() != topology.account_name()
                    && other.stream(name).is_some_and(|stream| !stream.is_placeholder())
            };
            let Some(other) = topologies.iter().find(has) else { continue };
            let Some(stream) = other.stream(name) else { continue };
            let account = other.account_name();
            let message =
                format!("`{name}` is a stream of the account `{account}`, not of this one");
            found.push(
                Diagnostic::new("A010", Severity::Error, span, message)
                    .other(stream.name.span, "it is here")
                    .fix(format!(
                        "export its API in `{account}`, import it here, and copy the stream with \
                         `external`; or let the service be one of that account"
                    )),
            );
        }
    }
    found
}
