//! Who called the API, and with what: told to those who listen for it when the call is answered.

use serde_json::json;
use watershed_base::AccountId;
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::client::ClientInfo;

use crate::jetstream::JetStream;
use crate::network::Network;
use crate::told::{Audit, AuditId, Caller};

/// Where it is told.
const SUBJECT: &str = "$JS.EVENT.ADVISORY.API";

impl JetStream {
    /// Who makes this call, where that is asked for later.
    pub(crate) fn caller(
        net: &mut impl Network,
        account: AccountId,
        call: Call<'_>,
    ) -> Option<Box<Caller>> {
        // Reading a message is not told, as on nats-server.
        let is_audited =
            !matches!(call, Call::MessageGet(_)) && net.hears(account, SUBJECT.as_bytes());
        if !is_audited && !matches!(call, Call::StreamSnapshot(_) | Call::StreamRestore(_)) {
            return None;
        }
        Some(Box::new(Caller { client: net.client()?, is_audited }))
    }

    /// A call will be answered when a change is made: who made it is remembered.
    pub(crate) fn remember_caller(
        &mut self,
        caller: Option<&Caller>,
        subject: &str,
        request: &[u8],
    ) -> AuditId {
        let Some(Caller { client, .. }) = caller.filter(|caller| caller.is_audited) else {
            return AuditId::default();
        };
        let client = client.clone();
        self.audits.remember(Audit { subject: subject.into(), request: request.into(), client })
    }

    /// A call that was remembered is answered.
    pub(crate) fn audit_remembered(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        id: AuditId,
        response: &[u8],
    ) {
        if let Some(Audit { subject, request, client }) = self.audits.take(id) {
            self.tell_of_call(net, account, &subject, &request, &client, response);
        }
    }

    /// A call is answered.
    pub(crate) fn audit(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        caller: Option<&Caller>,
        subject: &str,
        request: &[u8],
        response: &[u8],
    ) {
        if let Some(Caller { client, .. }) = caller.filter(|caller| caller.is_audited) {
            self.tell_of_call(net, account, subject, request, client, response);
        }
    }

    fn tell_of_call(
        &mut self,
        net: &mut impl Network,
        account: AccountId,
        subject: &str,
        request: &[u8],
        client: &ClientInfo,
        response: &[u8],
    ) {
        let mut fields = json!({
            "server": net.server_name(),
            "client": client,
            "subject": subject,
            "response": String::from_utf8_lossy(response),
        });
        if !request.is_empty() {
            fields["request"] = String::from_utf8_lossy(request).into();
        }
        self.notice(net, account, SUBJECT, "advisory.v1.api_audit", fields);
    }
}
