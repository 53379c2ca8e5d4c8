//! Core NATS as the network that JetStream needs.

use watershed_base::AccountId;
use watershed_core::{ConnId, Core};
use watershed_jetstream::{Capture, Network, Taken};
use watershed_wire::jetstream::client::ClientInfo;
use watershed_wire::op::Publish;

/// The core, below JetStream, and whose message is looked at.
pub(crate) struct Below<'a>(pub(crate) &'a mut Core, pub(crate) Option<ConnId>);

impl Network for Below<'_> {
    #[inline]
    fn send(&mut self, account: AccountId, via: &[u8], message: &Publish<'_>) -> Taken {
        match self.0.send(account, via, message) {
            watershed_core::Taken::Nobody => Taken::Nobody,
            watershed_core::Taken::Yes => Taken::Yes,
            watershed_core::Taken::Congested => Taken::Congested,
        }
    }

    fn publish(&mut self, account: AccountId, message: &Publish<'_>) -> Option<Capture> {
        self.0.publish_own(account, message).map(|capture| Capture(capture.0))
    }

    fn listens(&mut self, account: AccountId, subject: &[u8]) -> bool {
        self.0.listens(account, subject)
    }

    fn hears(&mut self, account: AccountId, subject: &[u8]) -> bool {
        self.0.hears(account, subject)
    }

    fn listens_by_name(&mut self, account: AccountId, subject: &[u8]) -> bool {
        self.0.listens_by_name(account, subject)
    }

    fn capture(&mut self, account: AccountId, filter: &[u8], capture: Capture) {
        self.0.capture(account, filter, watershed_core::Capture(capture.0));
    }

    fn release(&mut self, account: AccountId, filter: &[u8], capture: Capture) {
        self.0.release(account, filter, watershed_core::Capture(capture.0));
    }

    fn account(&mut self, name: &str) -> AccountId {
        self.0.account(name)
    }

    fn server_name(&self) -> &str {
        &self.0.info().server_name
    }

    fn client(&self) -> Option<ClientInfo> {
        self.0.client_info(self.1?)
    }
}
