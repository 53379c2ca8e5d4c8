//! A server in this process, for the stories of one topology.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use watershed_client::{Credential, Options};
use watershed_server::{self as server, Config, ConnectionTypes, JetStreamConfig, Server};
use watershed_topology::Topology;
use watershed_topology::model::Access;
use watershed_topology::permission::permissions;

use crate::command::up::{self, may};
use crate::secret::generate;

/// Who looks at everything. Its password is made anew each time.
const NARRATOR: &str = "watershed-story";

/// Bytes that a story may keep, where the topology sets no bound: as in virtual time.
const STORE_BYTES: u64 = 1 << 40;

pub(super) struct Host {
    config: Config,
    passwords: BTreeMap<String, String>,
    /// `None` between two.
    server: Option<Server>,
    _folder: TempDir,
}

impl Host {
    /// Starts the server that the topology wants, with its users, on a folder that goes with it.
    pub(super) fn start(topology: &Topology) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for the server")?;
        let account = topology.account_name().to_owned();
        let bytes = |max: Option<u64>| max.unwrap_or(STORE_BYTES);
        let store = up::store_of(topology);
        let mut jetstream = JetStreamConfig::new(folder.path());
        jetstream.max_file_store = bytes(store.max_file);
        jetstream.max_memory_store = bytes(store.max_memory);
        jetstream.bounds = topology.server.limits;
        let (mut users, mut passwords) = (Vec::new(), BTreeMap::new());
        let declared = topology.users.iter().filter(|user| user.access != Access::System);
        let declared = declared.map(|user| (user.name.value.as_str(), permissions(topology, user)));
        for (name, rights) in declared.chain([(NARRATOR, None)]) {
            let password = generate()?;
            users.push(server::User {
                name: name.to_owned(),
                credential: server::Credential::Plain(password.clone()),
                account: account.clone(),
                permissions: may(rights)?,
                connections: ConnectionTypes::default(),
            });
            passwords.insert(name.to_owned(), password);
        }
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            accounts: [(account, store)].into(),
            jetstream: Some(jetstream),
            users,
            ..Config::default()
        };
        if let Some(most) = &topology.server.max_payload {
            config.max_payload = usize::try_from(most.value).unwrap_or(usize::MAX);
        }
        let server = Some(Server::builder().config(config.clone()).start()?);
        Ok(Self { config, passwords, server, _folder: folder })
    }

    /// Stops the server, and starts it again on its disk.
    pub(super) fn restart(&mut self) -> anyhow::Result<()> {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        self.server = Some(Server::builder().config(self.config.clone()).start()?);
        Ok(())
    }

    /// How a user connects; `None` for who looks at everything.
    pub(super) fn options(&self, user: Option<&str>) -> anyhow::Result<Options> {
        let user = user.unwrap_or(NARRATOR).to_owned();
        let (Some(password), Some(server)) = (self.passwords.get(&user), &self.server) else {
            bail!("user `{user}` does not connect to the account of the streams");
        };
        let credential = Credential::Password { user, password: password.clone() };
        Ok(Options { servers: server.client_url(), credential, ..Options::default() })
    }
}
