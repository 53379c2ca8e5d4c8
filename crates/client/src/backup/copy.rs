//! Copying a stream out of a server. Nothing on the server changes, whatever the stream's retention.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;
use watershed_topology::call::{CallError, Request, answer};
use watershed_topology::observe::{ConsumerListing, ObservedConsumer};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::error::table;
use watershed_wire::jetstream::stream::{StreamInfo, StreamState};

use super::error::BackupError;
use super::files::sum_of;
use super::format::{ARCHIVE, Backup, ConsumerBackup, SNAPSHOT, Writer};
use super::message::Message;
use super::pack;
use super::room::check_room;
use crate::client::Client;
use crate::walk::Walk;

#[derive(Deserialize)]
struct Got {
    message: Message,
}

impl Client {
    /// Copies a stream into `folder`, which must not be there, telling how many messages are. If that
    /// does not come to its end, the folder goes again.
    pub async fn back_up(
        &self,
        stream: &str,
        folder: &Path,
        progress: impl FnMut(u64),
    ) -> Result<Backup, BackupError> {
        let writer = Writer::create(folder)?;
        let done = self.copy(stream, writer, progress).await;
        if done.is_err() {
            Writer::discard(folder);
        }
        done
    }

    /// Out of what the server itself makes an archive of; else message by message.
    async fn copy(
        &self,
        stream: &str,
        mut writer: Writer,
        mut progress: impl FnMut(u64),
    ) -> Result<Backup, BackupError> {
        let info = self.call(&Request::bare(Call::StreamInfo(stream))).await?;
        let StreamInfo { created, state, .. } = answer(&info)?;
        check_room(writer.folder(), [&state])?;
        let path = writer.folder().join(SNAPSHOT);
        let Some(begun) = self.snapshot(stream, &path).await? else {
            return self.copy_messages(stream, writer, progress).await;
        };
        let told = (self.facts().version, begun.config, begun.state);
        let mut archive = Backup::of_archive(writer.folder(), &path, told)?;
        archive.created = created;
        let mut messages = archive.open_messages()?;
        let mut count = 0;
        while let Some(message) = messages.next()? {
            writer.push(&message)?;
            count += 1;
            progress(count);
        }
        let Backup { server, config, state, consumers, .. } = archive.clone();
        let state = StreamState { messages: count, ..state };
        let backup = writer.finish(server, config, created, state, consumers)?;
        let sum = if archive.archive().is_some_and(|(_, is_entries)| is_entries) {
            // In the layout that all servers read.
            let sum = pack::write(&backup)?;
            std::fs::remove_file(&path).map_err(BackupError::file("remove", &path))?;
            sum
        } else {
            let named = backup.folder.join(ARCHIVE);
            std::fs::rename(&path, &named).map_err(BackupError::file("write", &named))?;
            sum_of(&named)?
        };
        backup.seal(sum)
    }

    async fn copy_messages(
        &self,
        stream: &str,
        mut writer: Writer,
        mut progress: impl FnMut(u64),
    ) -> Result<Backup, BackupError> {
        let reply = self.call(&Request::bare(Call::StreamInfo(stream))).await?;
        let json: Json = answer(&reply)?;
        let info: StreamInfo = answer(&reply)?;
        let config = json.get("config").cloned().unwrap_or_default();
        // Positions first: what is acknowledged meanwhile is delivered again, and not lost.
        let consumers = self.consumers(stream).await?;
        let mut count = 0;
        self.read_all(stream, &info.state, |message| {
            writer.push(message)?;
            count += 1;
            progress(count);
            Ok(())
        })
        .await?;
        let server = self.facts().version;
        let backup = writer.finish(server, config, info.created, info.state, consumers)?;
        let sum = pack::write(&backup)?;
        backup.seal(sum)
    }

    /// Reads the messages of a stream that has this state, in order.
    pub(super) async fn read_all(
        &self,
        stream: &str,
        state: &StreamState,
        mut take: impl FnMut(&Message) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let size = state.bytes / state.messages.max(1);
        let mut walk = Walk::new(self, stream, state.first_seq, state.last_seq).of_size(size);
        loop {
            let messages = walk.next().await?;
            if messages.is_empty() {
                return Ok(());
            }
            messages.iter().try_for_each(&mut take)?;
        }
    }

    /// Its durable consumers, and where they are.
    pub(super) async fn consumers(&self, stream: &str) -> Result<Vec<ConsumerBackup>, CallError> {
        let mut listing = ConsumerListing::default();
        let all = loop {
            let reply = self.call(&listing.request(stream)).await?;
            if let Some(all) = listing.page(&reply)? {
                break all;
            }
        };
        let durable = all.into_values().filter(ObservedConsumer::is_durable);
        let backup = |ObservedConsumer { info, config, .. }| ConsumerBackup {
            config,
            delivered: info.delivered,
            ack_floor: info.ack_floor,
            num_ack_pending: info.num_ack_pending,
            created: Some(info.created),
            pending: None,
        };
        Ok(durable.map(backup).collect())
    }

    /// Gets a message by the body of a `STREAM.MSG.GET`; `None` if there is none.
    pub(crate) async fn message(
        &self,
        stream: &str,
        body: &Json,
    ) -> Result<Option<Message>, CallError> {
        let reply = self.call(&Request::new(Call::MessageGet(stream), body)).await?;
        match answer::<Got>(&reply) {
            Ok(got) => Ok(Some(got.message)),
            Err(CallError::Refused(error)) if error.err_code == table::NO_MESSAGE_FOUND.code => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
