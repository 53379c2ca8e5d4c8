//! `watershed kv`: keys of a bucket, and their values.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use futures_util::{Stream, StreamExt as _};
use serde_json::json;
use watershed_client::kv::{CreateErrorKind, Entry, Operation, Store};
use watershed_client::{Client, Held};

use super::publish::payload;
use super::{ServerArguments, block_on};
use crate::exit::Exit;
use crate::ui;
use crate::ui::message::{tame, tame_line};

/// Read and write the keys of key-value buckets.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: watershed kv put settings theme dark\n         watershed kv watch settings"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List buckets, or the keys of one.
    Ls {
        /// Bucket.
        bucket: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Show the value of a key.
    Get {
        #[command(flatten)]
        key: Key,
        /// Show this revision instead of the newest.
        #[arg(long, value_name = "N")]
        revision: Option<u64>,
        /// Print the bytes of the value and nothing else.
        #[arg(long, conflicts_with = "json")]
        raw: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Set the value of a key.
    Put {
        #[command(flatten)]
        key: Key,
        /// Value [default: stdin].
        value: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Set the value of a key that has none.
    Create {
        #[command(flatten)]
        key: Key,
        /// Value [default: stdin].
        value: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Delete a key; its history stays.
    Del {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        common: Common,
    },
    /// Delete a key and its history.
    Purge {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        common: Common,
    },
    /// Show what changes, after what is there now.
    Watch {
        /// Bucket.
        bucket: String,
        /// Key, or a filter of keys with wildcards.
        #[arg(default_value = ">")]
        key: String,
        /// Stop after this many changes.
        #[arg(long, value_name = "N")]
        count: Option<usize>,
        #[command(flatten)]
        common: Common,
    },
    /// Show the values that a key had, oldest first.
    History {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        common: Common,
    },
}

/// A key of a bucket.
#[derive(Debug, Args)]
struct Key {
    /// Bucket.
    bucket: String,
    /// Key.
    key: String,
}

#[derive(Debug, Args)]
struct Common {
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        match &arguments.command {
            Command::Ls { bucket: None, common } => {
                let client = common.server.connect().await?;
                list(&client.all_key_values().await?, "value", common.json);
                Ok(Exit::Clean)
            }
            Command::Ls { bucket: Some(bucket), common } => {
                let (client, store) = open(common, bucket).await?;
                keys(&client, &store, common.json).await
            }
            Command::Get { key, revision, raw, common } => {
                let (client, store) = open(common, &key.bucket).await?;
                get(&client, &store, &key.key, *revision, *raw, common.json).await
            }
            Command::Put { key, value, common } => {
                let value = payload(value.as_deref())?;
                let (client, store) = open(common, &key.bucket).await?;
                let put = client.unless_denied(store.put(&key.key, value.into())).await?;
                let revision = put.with_context(|| not_set(key))?;
                set(key, revision, common.json);
                Ok(Exit::Clean)
            }
            Command::Create { key, value, common } => {
                let value = payload(value.as_deref())?;
                let (client, store) = open(common, &key.bucket).await?;
                let made = client.unless_denied(store.create(&key.key, value.into())).await?;
                let revision = match made {
                    Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {
                        bail!("`{}` has a value in `{}`: `kv put` replaces it", key.key, key.bucket)
                    }
                    made => made.with_context(|| not_set(key))?,
                };
                set(key, revision, common.json);
                Ok(Exit::Clean)
            }
            Command::Del { key, common } => {
                let (client, store) = open(common, &key.bucket).await?;
                let gone = client.unless_denied(store.delete(&key.key)).await?;
                gone.with_context(|| not_set(key))?;
                Ok(Exit::Clean)
            }
            Command::Purge { key, common } => {
                let (client, store) = open(common, &key.bucket).await?;
                let gone = client.unless_denied(store.purge(&key.key)).await?;
                gone.with_context(|| not_set(key))?;
                Ok(Exit::Clean)
            }
            Command::Watch { bucket, key, count, common } => {
                let (client, store) = open(common, bucket).await?;
                let watch = client.unless_denied(store.watch_with_history(key)).await?;
                let watch = watch.with_context(|| format!("cannot watch `{key}`"))?;
                ui::say(&format!("watching {key} in {bucket}"));
                show(watch.take(count.unwrap_or(usize::MAX)), common.json).await?;
                Ok(Exit::Clean)
            }
            Command::History { key, common } => {
                let (client, store) = open(common, &key.bucket).await?;
                let history = client.unless_denied(store.history(&key.key)).await?;
                let history = history.with_context(|| format!("cannot read `{}`", key.key))?;
                if client.unless_denied(show(history, common.json)).await?? == 0 {
                    bail!("unknown key `{}` in `{}`", key.key, key.bucket);
                }
                Ok(Exit::Clean)
            }
        }
    })
}

async fn open(common: &Common, bucket: &str) -> anyhow::Result<(Client, Store)> {
    let client = common.server.connect().await?;
    let store = client.key_values(bucket).await?;
    Ok((client, store))
}

fn not_set(key: &Key) -> String {
    format!("cannot change `{}` in `{}`", key.key, key.bucket)
}

fn set(key: &Key, revision: u64, json: bool) {
    if json {
        let line = json!({ "bucket": key.bucket, "key": key.key, "revision": revision });
        ui::out(&line.to_string());
    } else {
        ui::out(&format!(
            "{} is set in {}, as revision {revision}",
            tame_line(&key.key),
            key.bucket
        ));
    }
}

/// Buckets, or object stores, with what they hold.
pub(super) fn list(all: &[Held], what: &str, json: bool) {
    for Held { name, messages, bytes } in all {
        if json {
            let line = json!({ "bucket": name, "messages": messages, "bytes": bytes });
            ui::out(&line.to_string());
            continue;
        }
        let held = ui::count(usize::try_from(*messages).unwrap_or(usize::MAX), what);
        ui::out(&format!("{}  {held}, {bytes} bytes", tame_line(name)));
    }
}

async fn keys(client: &Client, store: &Store, json: bool) -> anyhow::Result<Exit> {
    let listed = client.unless_denied(async {
        let mut keys = store.keys().await?;
        let mut all = Vec::new();
        while let Some(key) = keys.next().await {
            all.push(key?);
        }
        anyhow::Ok(all)
    });
    let mut all =
        listed.await?.with_context(|| format!("cannot list the keys of `{}`", store.name))?;
    all.sort();
    for key in all {
        if json {
            ui::out(&json!({ "bucket": store.name, "key": key }).to_string());
        } else {
            ui::out(&tame_line(&key));
        }
    }
    Ok(Exit::Clean)
}

async fn get(
    client: &Client,
    store: &Store,
    key: &str,
    revision: Option<u64>,
    raw: bool,
    json: bool,
) -> anyhow::Result<Exit> {
    let found = client.unless_denied(async {
        match revision {
            Some(revision) => store.entry_for_revision(key, revision).await,
            None => store.entry(key).await,
        }
    });
    let found = found.await?.with_context(|| format!("cannot read `{key}` in `{}`", store.name))?;
    let entry = match found {
        Some(entry) if entry.operation == Operation::Put => entry,
        Some(entry) => {
            bail!("`{key}` was deleted in `{}`, at {}", store.name, moment(&entry))
        }
        None if revision.is_some() => {
            bail!(
                "unknown revision of `{key}` in `{}`: `kv history` shows those that are kept",
                store.name
            )
        }
        None => bail!("unknown key `{key}` in `{}`", store.name),
    };
    if raw {
        let mut out = std::io::stdout().lock();
        out.write_all(&entry.value).and_then(|()| out.flush()).context("cannot write the value")?;
    } else {
        print(&entry, json);
    }
    Ok(Exit::Clean)
}

/// Shows entries as they come; says how many there were.
async fn show<E: std::error::Error + Send + Sync + 'static>(
    entries: impl Stream<Item = Result<Entry, E>>,
    json: bool,
) -> anyhow::Result<usize> {
    let mut entries = std::pin::pin!(entries);
    let mut shown = 0;
    while let Some(entry) = entries.next().await {
        print(&entry.context("the bucket does not answer")?, json);
        shown += 1;
    }
    Ok(shown)
}

fn print(entry: &Entry, json: bool) {
    let operation = match entry.operation {
        Operation::Put => "put",
        Operation::Delete => "delete",
        Operation::Purge => "purge",
    };
    let value = String::from_utf8_lossy(&entry.value);
    if json {
        let line = json!({
            "bucket": entry.bucket,
            "key": entry.key,
            "revision": entry.revision,
            "time": moment(entry),
            "operation": operation,
            "value": value,
        });
        ui::out(&line.to_string());
        return;
    }
    let what = if entry.operation == Operation::Put { "" } else { operation };
    let line = format!("#{} {}  {}  {what}", entry.revision, tame_line(&entry.key), moment(entry));
    ui::out(line.trim_end());
    if entry.operation == Operation::Put {
        ui::out(&format!("  {}", tame(&value)));
    }
}

fn moment(entry: &Entry) -> String {
    let nanos = i64::try_from(entry.created.unix_timestamp_nanos()).unwrap_or_default();
    watershed_wire::time::UnixNanos(nanos).to_string()
}
