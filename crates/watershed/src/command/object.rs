//! `watershed object`: files in object stores.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use watershed_client::Client;
use watershed_client::object_store::{GetErrorKind, InfoErrorKind, ObjectInfo, ObjectStore};

use super::key_value::list;
use super::{ServerArguments, block_on};
use crate::exit::Exit;
use crate::ui;
use crate::ui::message::tame_line;
use crate::ui::path::shown;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 128 << 10;

/// Read and write the objects of object stores.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: watershed object put models ./weights.bin\n         watershed object get models weights.bin -o weights.bin"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List object stores, or the objects of one.
    Ls {
        /// Object store.
        bucket: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Store a file as an object.
    Put {
        /// Object store.
        bucket: String,
        /// File; `-` for stdin.
        #[arg(value_name = "FILE")]
        source: PathBuf,
        /// Name of the object [default: that of the file].
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Write an object to a file, or to stdout.
    Get {
        #[command(flatten)]
        object: Object,
        /// Write to this (new) file instead of stdout.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Show what is known of an object.
    Info {
        #[command(flatten)]
        object: Object,
        #[command(flatten)]
        common: Common,
    },
    /// Delete an object.
    Del {
        #[command(flatten)]
        object: Object,
        #[command(flatten)]
        common: Common,
    },
}

/// An object in a store.
#[derive(Debug, Args)]
struct Object {
    /// Object store.
    bucket: String,
    /// Name of the object.
    name: String,
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
                list(&client.all_objects().await?, "message", common.json);
            }
            Command::Ls { bucket: Some(bucket), common } => {
                let (client, store) = open(&common.server, bucket).await?;
                for info in objects(&client, &store).await? {
                    print(&info, common.json);
                }
            }
            Command::Put { bucket, source, name, common } => {
                let (client, store) = open(&common.server, bucket).await?;
                let info = put(&client, &store, source, name.as_deref()).await?;
                print(&info, common.json);
            }
            Command::Get { object, output, server } => {
                let (client, store) = open(server, &object.bucket).await?;
                get(&client, &store, object, output.as_deref()).await?;
            }
            Command::Info { object, common } => {
                let (client, store) = open(&common.server, &object.bucket).await?;
                print(&info(&client, &store, object).await?, common.json);
            }
            Command::Del { object, common } => {
                let (client, store) = open(&common.server, &object.bucket).await?;
                info(&client, &store, object).await?;
                let gone = client.unless_denied(store.delete(&object.name)).await?;
                gone.with_context(|| format!("cannot delete `{}`", object.name))?;
            }
        }
        Ok(Exit::Clean)
    })
}

async fn open(server: &ServerArguments, bucket: &str) -> anyhow::Result<(Client, ObjectStore)> {
    let client = server.connect().await?;
    let store = client.objects(bucket).await?;
    Ok((client, store))
}

async fn objects(client: &Client, store: &ObjectStore) -> anyhow::Result<Vec<ObjectInfo>> {
    let listed = client.unless_denied(async {
        let mut list = store.list().await?;
        let mut all = Vec::new();
        while let Some(info) = list.next().await {
            all.push(info?);
        }
        anyhow::Ok(all)
    });
    let mut all = listed.await?.context("cannot list the objects")?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

async fn put(
    client: &Client,
    store: &ObjectStore,
    file: &Path,
    name: Option<&str>,
) -> anyhow::Result<ObjectInfo> {
    let stdin = file == Path::new("-");
    let named = file.file_name().and_then(|name| name.to_str()).filter(|_| !stdin);
    let Some(name) = name.or(named) else { bail!("missing --name: stdin has none of its own") };
    let mut input: Box<dyn AsyncRead + Unpin> = if stdin {
        // `/dev/stdin` is read as any file is.
        Box::new(tokio::fs::File::open("/dev/stdin").await.context("cannot read stdin")?)
    } else {
        let failed = || format!("cannot read {}", shown(file));
        Box::new(tokio::fs::File::open(file).await.with_context(failed)?)
    };
    let stored = client.unless_denied(store.put(name, &mut input)).await?;
    stored.with_context(|| format!("cannot store `{name}`"))
}

async fn get(
    client: &Client,
    store: &ObjectStore,
    object: &Object,
    output: Option<&Path>,
) -> anyhow::Result<()> {
    let found = match client.unless_denied(store.get(&object.name)).await? {
        Err(error) if error.kind() == GetErrorKind::NotFound => {
            bail!("unknown object `{}` in `{}`", object.name, object.bucket)
        }
        other => other.with_context(|| format!("cannot read `{}`", object.name))?,
    };
    let mut found = tokio::io::BufReader::with_capacity(CHUNK_BYTES, found);
    let Some(path) = output else {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = client.unless_denied(found.read(&mut chunk)).await?;
            let length = read.context("the object is not whole")?;
            if length == 0 {
                return Ok(());
            }
            let part = chunk.get(..length).unwrap_or_default();
            let mut out = std::io::stdout().lock();
            out.write_all(part).and_then(|()| out.flush()).context("cannot write the object")?;
        }
    };
    let failed = || format!("cannot write {}", shown(path));
    let mut file = tokio::fs::File::create_new(path).await.with_context(failed)?;
    let copied = client.unless_denied(tokio::io::copy_buf(&mut found, &mut file)).await;
    let done = match copied {
        Ok(Ok(_)) => file.sync_all().await.with_context(failed),
        Ok(Err(error)) => Err(error).context("the object is not whole"),
        Err(error) => Err(error.into()),
    };
    if done.is_err() {
        // A part of an object is none.
        let _ = tokio::fs::remove_file(path).await;
    }
    done
}

async fn info(client: &Client, store: &ObjectStore, object: &Object) -> anyhow::Result<ObjectInfo> {
    let missing = || format!("unknown object `{}` in `{}`", object.name, object.bucket);
    match client.unless_denied(store.info(&object.name)).await? {
        Err(error) if error.kind() == InfoErrorKind::NotFound => bail!(missing()),
        Ok(info) if info.deleted => bail!(missing()),
        other => other.with_context(|| format!("cannot read `{}`", object.name)),
    }
}

fn print(info: &ObjectInfo, json: bool) {
    let modified = info.modified.map(|time| {
        let nanos = i64::try_from(time.unix_timestamp_nanos()).unwrap_or_default();
        watershed_wire::time::UnixNanos(nanos).to_string()
    });
    if json {
        let link = info.options.as_ref().and_then(|options| options.link.as_ref());
        let line = json!({
            "bucket": info.bucket,
            "name": info.name,
            "description": info.description,
            "size": info.size,
            "chunks": info.chunks,
            "modified": modified,
            "digest": info.digest,
            "link": link.map_or(Json::Null, |link| json!({ "bucket": link.bucket, "name": link.name })),
        });
        return ui::out(&line.to_string());
    }
    let about = info.description.as_deref().unwrap_or_default();
    let line = format!(
        "{}  {} bytes  {}  {}",
        tame_line(&info.name),
        info.size,
        modified.unwrap_or_default(),
        tame_line(about)
    );
    ui::out(line.trim_end());
}
