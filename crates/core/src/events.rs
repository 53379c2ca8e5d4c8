//! Who comes and goes, told to users of the system account: `$SYS.ACCOUNT.*.CONNECT` and `DISCONNECT`, and
//! `$SYS.SERVER.*.CLIENT.AUTH.ERR` of who is not let in.

use serde_json::{Value, json};
use watershed_base::AccountId;
use watershed_wire::ident::unique_id;
use watershed_wire::jetstream::client::ClientInfo;
use watershed_wire::op::Publish;

use crate::core::Core;
use crate::output::CloseReason;
use crate::session::Session;
use crate::system::{ACCOUNT_OF_NOBODY, server};

impl Core {
    /// A connection has come in.
    pub(crate) fn tell_connected(&mut self, slot: usize) {
        let Some(subject) = self.heard(slot, "CONNECT") else { return };
        let session = &self.clients.sessions[slot];
        let event = json!({
            "type": "io.nats.server.advisory.v1.client_connect",
            "client": self.client_of(session),
        });
        self.tell(&subject, event);
    }

    /// A connection is about to be forgotten.
    pub(crate) fn tell_disconnected(&mut self, slot: usize) {
        if let Some(subject) = self.heard(slot, "DISCONNECT") {
            self.tell_end(slot, &subject);
        }
    }

    /// A connection is not let in.
    pub(crate) fn tell_refused(&mut self, slot: usize) {
        let subject = format!("$SYS.SERVER.{}.CLIENT.AUTH.ERR", self.settings.info.server_id);
        let system = self.system();
        if self.listens(system, subject.as_bytes()) {
            self.tell_end(slot, &subject);
        }
    }

    fn tell_end(&mut self, slot: usize, subject: &str) {
        let session = &self.clients.sessions[slot];
        // Here, and nowhere else, what was sent is what the client has sent.
        let counts = session.counts;
        let mut client = self.client_of(session);
        client["stop"] = json!(self.now.wall);
        let event = json!({
            "type": "io.nats.server.advisory.v1.client_disconnect",
            "client": client,
            "sent": counts.received(),
            "received": counts.sent(),
            "reason": session.ended.map_or("Client Closed", CloseReason::words),
        });
        self.tell(subject, event);
    }

    /// The subject of an event, if somebody listens to it. Who never said who they are comes and goes unnoticed.
    fn heard(&mut self, slot: usize, what: &str) -> Option<String> {
        let session = &self.clients.sessions[slot];
        let name = match self.accounts.get(session.account.index()) {
            Some(account) => &account.name,
            None if session.ended == Some(CloseReason::Authentication) => ACCOUNT_OF_NOBODY,
            None => return None,
        };
        let subject = format!("$SYS.ACCOUNT.{name}.{what}");
        let system = self.system();
        self.listens(system, subject.as_bytes()).then_some(subject)
    }

    fn system(&mut self) -> AccountId {
        let name = self.settings.system_account.clone();
        self.account(&name)
    }

    fn client_of(&self, session: &Session) -> Value {
        let info = self.client_info(session.id).unwrap_or_default();
        let name = session.key.as_ref().map_or(&info.acc, |key| &key.account_name).clone();
        // Which server it is stands beside it.
        let info = ClientInfo { server: String::new(), ..info };
        let mut client = serde_json::to_value(info).unwrap_or_default();
        client["name_tag"] = name.into();
        client
    }

    fn tell(&mut self, subject: &str, mut event: Value) {
        event["id"] = unique_id(self.secrets.next()).into();
        event["timestamp"] = json!(self.now.wall);
        event["server"] = server(&self.settings.info, self.now.wall);
        let body = event.to_string();
        let message = Publish {
            subject: subject.as_bytes(),
            reply: None,
            header: b"",
            payload: body.as_bytes(),
            has_header: false,
        };
        let system = self.system();
        self.publish_own(system, &message);
    }
}
