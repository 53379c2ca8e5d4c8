//! `nsc`, which makes accounts and users with JWTs: who they are and what they may do.

use watershed_topology::model::{Access, Grant, Granted, Responses, User};
use watershed_topology::render::about_user;
use watershed_topology::source::{Span, Spanned};
use watershed_wire::time::parse_go_duration;

use crate::conf::Account;
use crate::importer::Importer;
use crate::value::tool_size;
use crate::word::Word;

/// Flags with a value, each with its short form; of the others a value is only known by `=`.
const VALUES: &[(&str, &str)] = &[
    ("account", "a"),
    ("name", "n"),
    ("allow-pub", ""),
    ("allow-sub", ""),
    ("allow-pubsub", ""),
    ("deny-pub", ""),
    ("deny-sub", ""),
    ("deny-pubsub", ""),
    ("response-ttl", ""),
    ("private-key", "K"),
    ("public-key", "k"),
    ("expiry", ""),
    ("start", ""),
    ("source-network", ""),
    ("time", ""),
    ("payload", ""),
    ("subs", ""),
    ("conn-type", ""),
    ("tag", ""),
    ("rm", ""),
    ("sk", ""),
    ("description", ""),
    ("info-url", ""),
    ("js-mem-storage", ""),
    ("js-disk-storage", ""),
    ("js-streams", ""),
    ("js-consumer", ""),
];

/// Flags of `nsc edit account` that are read, or that do not concern a topology.
const OF_ACCOUNT: &[&str] = &[
    "name",
    "sk",
    "description",
    "info-url",
    "tag",
    "private-key",
    "js-mem-storage",
    "js-disk-storage",
    "js-streams",
    "js-consumer",
];

/// A command, as far as it is told apart: flags by their long names, and the other words.
#[derive(Default)]
struct Call<'w> {
    flags: Vec<(String, Option<Spanned<String>>)>,
    others: Vec<&'w Word>,
}

impl<'w> Call<'w> {
    /// The words behind the verb and its object. `None` if one of them is not known.
    fn read(words: &'w [Word]) -> Option<Self> {
        let mut call = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let text = word.get()?;
            let Some(flag) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')) else {
                call.others.push(word);
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(Spanned::new(value.to_owned(), word.span))),
                None => (flag, None),
            };
            let known = VALUES.iter().find(|(long, short)| *long == name || *short == name);
            let value = match (known, value) {
                (Some(_), None) => {
                    let next = words.next()?;
                    Some(Spanned::new(next.get()?.to_owned(), next.span))
                }
                (_, value) => value,
            };
            call.flags.push((known.map_or(name, |(long, _)| long).to_owned(), value));
        }
        Some(call)
    }

    fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(own, _)| own == name)
    }

    fn value(&self, name: &str) -> Option<&Spanned<String>> {
        self.flags.iter().rev().find(|(own, _)| own == name).and_then(|(_, value)| value.as_ref())
    }

    /// The values of flags that may be given several times, or with commas.
    fn list(&self, names: [&str; 2]) -> Vec<Spanned<String>> {
        let given = self.flags.iter().filter(|(own, _)| names.contains(&own.as_str()));
        let values = given.filter_map(|(_, value)| value.as_ref());
        let each = values.flat_map(|value| {
            value.value.split(',').map(|one| Spanned::new(one.trim().to_owned(), value.span))
        });
        each.filter(|one| !one.value.is_empty()).collect()
    }

    /// What it is about: `--name`, or the first word.
    fn name(&self) -> Option<Spanned<String>> {
        let first = || self.others.first().map(|word| Spanned::new(word.text.clone(), word.span));
        self.value("name").cloned().or_else(first)
    }
}

/// Takes in a call of the tool. What was not read of it; nothing if it is of no interest or was read.
pub(crate) fn call(importer: &mut Importer, words: &[Word], span: Span) -> Result<(), String> {
    let text = |at: usize| words.get(at).and_then(Word::get).unwrap_or_default();
    let (verb, what) = (text(1), text(2));
    if !matches!(verb, "add" | "edit" | "delete" | "create") {
        return Ok(());
    }
    let unread = |why: &str| Err(format!("`nsc {verb} {what}` was not read: {why}"));
    let Some(call) = Call::read(words.get(3..).unwrap_or_default()) else {
        return unread("some of its words are not known here");
    };
    match (verb, what) {
        ("add" | "create", "account") => {
            let Some(name) = call.name() else { return unread("its name is missing") };
            account(importer, Some(&name));
            Ok(())
        }
        ("edit", "account") => {
            let name = call.name();
            let about = |flag: &str| format!("topologies cannot say `--{flag}`");
            if let Some((flag, _)) =
                call.flags.iter().find(|(flag, _)| !OF_ACCOUNT.contains(&flag.as_str()))
            {
                return unread(&about(flag));
            }
            // How many of them there may be, topologies cannot say.
            let counts = ["js-streams", "js-consumer"].into_iter();
            let limited =
                |flag: &&str| call.value(flag).is_some_and(|value| !value.value.starts_with('-'));
            let limited = counts.filter(limited).map(about).next();
            kept(importer, &call, name.as_ref());
            limited.map_or(Ok(()), |why| unread(&why))
        }
        ("add" | "edit" | "create", "user") => {
            let Some(name) = call.name() else { return unread("its name is missing") };
            user(importer, &call, name, span);
            Ok(())
        }
        // Keys of who signs are no part of a topology.
        (_, "operator" | "signing-key") => Ok(()),
        _ => unread("accounts, users and their permissions are"),
    }
}

/// What an account may keep: without a size, or with one below nothing, as much as there is.
fn kept(importer: &mut Importer, call: &Call<'_>, name: Option<&Spanned<String>>) {
    let size = |flag: &str| {
        let given = call.value(flag)?;
        let bytes = u64::try_from(tool_size(&given.value)?).ok()?;
        Some(Spanned::new(bytes, given.span))
    };
    let (file, memory) = (size("js-disk-storage"), size("js-mem-storage"));
    let switched = call.flags.iter().any(|(flag, _)| flag.starts_with("js-"));
    let account = account(importer, name);
    if switched {
        account.jetstream = true;
    }
    account.server.max_file_store = file.or(account.server.max_file_store.take());
    account.server.max_memory_store = memory.or(account.server.max_memory_store.take());
}

/// The account of this name, or the last one, as the tool has it.
fn account<'i>(importer: &'i mut Importer, name: Option<&Spanned<String>>) -> &'i mut Account {
    importer.recognized = true;
    importer.wanted = true;
    let accounts = &mut importer.conf.accounts;
    let found = match name {
        Some(name) => accounts
            .iter()
            .position(|one| one.name.as_ref().is_some_and(|own| own.value == name.value)),
        None => accounts.len().checked_sub(1),
    };
    let at = found.unwrap_or_else(|| {
        // That of the system keeps no streams.
        let jetstream = name.is_none_or(|name| !matches!(name.value.as_str(), "SYS" | "$SYS"));
        accounts.push(Account { name: name.cloned(), jetstream, ..Account::default() });
        accounts.len() - 1
    });
    accounts.get_mut(at).expect("it was found, or pushed just now")
}

fn user(importer: &mut Importer, call: &Call<'_>, name: Spanned<String>, span: Span) {
    let side = |allow: &str, deny: &str| {
        let allow = call.list([allow, "allow-pubsub"]);
        let deny = call.list([deny, "deny-pubsub"]);
        Granted { allow: Some(allow).filter(|allow| !allow.is_empty()), deny }
    };
    let responses = call.has("allow-pub-response").then(|| {
        let max = call.value("allow-pub-response").and_then(|max| max.value.parse().ok());
        let expires = call.value("response-ttl").and_then(|time| parse_go_duration(&time.value));
        Spanned::new(Responses { max, expires }, span)
    });
    let permissions = Grant {
        publish: side("allow-pub", "deny-pub"),
        subscribe: side("allow-sub", "deny-sub"),
        responses,
    };
    let unread = unread(call);
    importer.marks(&about_user(&name.value), &unread);
    let first = importer.conf.accounts.iter().all(|account| account.users.is_empty());
    if first {
        let message =
            "users of `nsc` show credentials, which topologies cannot say: here they get passwords";
        importer.notes.push((span, message.to_owned()));
    }
    let users = &mut account(importer, call.value("account")).users;
    if let Some(known) = users.iter_mut().find(|one| one.name.value == name.value) {
        return add(known, permissions);
    }
    users.push(User {
        name,
        password: None,
        nkey: None,
        allowed_connection_types: Vec::new(),
        access: if is_limited(&permissions) { Access::Listed } else { Access::Admin },
        permissions,
        inbox_prefix: None,
    });
}

/// What a call says of a user that is not read.
fn unread(call: &Call<'_>) -> Vec<String> {
    const UNREAD: &[&str] =
        &["source-network", "time", "payload", "subs", "bearer", "rm", "expiry", "conn-type"];
    let role =
        call.has("private-key").then(|| "what the role of its signing key allows".to_owned());
    let flags = call.flags.iter().filter(|(flag, _)| UNREAD.contains(&flag.as_str()));
    role.into_iter().chain(flags.map(|(flag, _)| format!("`--{flag}` of `nsc`"))).collect()
}

/// Lets somebody who is there already do this too.
fn add(known: &mut User, more: Grant) {
    if is_limited(&more) {
        known.access = Access::Listed;
    }
    let own = &mut known.permissions;
    for (own, more) in [(&mut own.publish, more.publish), (&mut own.subscribe, more.subscribe)] {
        if let Some(allow) = more.allow {
            put(own.allow.get_or_insert_default(), allow);
        }
        put(&mut own.deny, more.deny);
    }
    own.responses = more.responses.or(own.responses.take());
}

/// Adds what is missing.
fn put(all: &mut Vec<Spanned<String>>, more: Vec<Spanned<String>>) {
    for one in more {
        if all.iter().all(|own| own.value != one.value) {
            all.push(one);
        }
    }
}

fn is_limited(grant: &Grant) -> bool {
    !grant.publish.is_empty() || !grant.subscribe.is_empty() || grant.responses.is_some()
}
