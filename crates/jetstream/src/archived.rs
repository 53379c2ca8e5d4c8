//! What people are told of snapshots and restores: when they begin, and when they are complete.

use serde_json::{Value, json};
use watershed_base::AccountId;
use watershed_wire::jetstream::client::ClientInfo;
use watershed_wire::jetstream::stream::StreamState;

use crate::jetstream::JetStream;
use crate::network::Network;
use crate::told::Begun;

impl JetStream {
    /// A snapshot of a stream with this state begins.
    pub(crate) fn notice_snapshot_begun(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        stream: &str,
        state: &StreamState,
        client: &ClientInfo,
    ) {
        let fields = json!({"stream": stream, "state": state, "client": client});
        self.notice_archive(net, account, stream, ("SNAPSHOT_CREATE", "snapshot_create"), fields);
    }

    /// A snapshot was sent to its end.
    pub(crate) fn notice_snapshot_complete(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        stream: &str,
        Begun { client, at }: &Begun,
    ) {
        let end = self.now.wall;
        let fields = json!({"stream": stream, "start": at, "end": end, "client": client});
        let event = ("SNAPSHOT_COMPLETE", "snapshot_complete");
        self.notice_archive(net, account, stream, event, fields);
    }

    /// A stream is to be made out of an archive.
    pub(crate) fn notice_restore_begun(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        stream: &str,
        client: &ClientInfo,
    ) {
        let fields = json!({"stream": stream, "client": client});
        self.notice_archive(net, account, stream, ("RESTORE_CREATE", "restore_create"), fields);
    }

    /// Sends the advisory that a restore is complete; `bytes` is the size of the backup.
    pub(crate) fn notice_restore_complete(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        stream: &str,
        (Begun { client, at }, bytes): (Begun, u64),
    ) {
        let end = self.now.wall;
        let fields =
            json!({"stream": stream, "start": at, "end": end, "bytes": bytes, "client": client});
        let event = ("RESTORE_COMPLETE", "restore_complete");
        self.notice_archive(net, account, stream, event, fields);
    }

    fn notice_archive(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        stream: &str,
        (event, kind): (&str, &str),
        fields: Value,
    ) {
        let subject = format!("$JS.EVENT.ADVISORY.STREAM.{event}.{stream}");
        self.notice(net, account, &subject, &format!("advisory.v1.{kind}"), fields);
    }
}
