//! Who may connect to the server that `up` runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use watershed_server::{ConnectionTypes, Credential, Nkey, Permissions, Responses, Rules, User};
use watershed_topology::model::{self, Access};
use watershed_topology::permission;

use crate::connection::account_of;
use crate::load::{Loaded, Workspace};
use crate::secret::{Kept, generate, resolve};

/// Begins the name of the user through which `up` itself works on an account. Its password is made
/// anew at each start and never leaves the process.
const KEEPER: &str = "watershed-up-";

/// Everybody who may connect.
#[derive(Debug)]
pub(super) struct People {
    /// Users, as the server takes them.
    pub(super) users: Vec<User>,
    /// Account of everybody else, where no users are declared.
    pub(super) open_account: Option<String>,
    /// Users as they are shown, by account.
    pub(super) shown: BTreeMap<String, Vec<Shown>>,
    /// Where generated passwords are kept, if there are any.
    pub(super) kept_in: Option<PathBuf>,
    keepers: BTreeMap<String, String>,
}

/// A user as it is shown.
#[derive(Debug)]
pub(super) struct Shown {
    /// Name.
    pub(super) name: String,
    /// Where the password is.
    pub(super) password: String,
}

impl People {
    /// Finds every password, or makes it where only this machine can connect. What was made is yet
    /// to be saved.
    pub(super) fn settle(
        workspace: &Workspace,
        folder: &Path,
        listen: SocketAddr,
    ) -> anyhow::Result<(Self, Kept)> {
        let mut people = Self {
            users: Vec::new(),
            open_account: None,
            shown: BTreeMap::new(),
            kept_in: None,
            keepers: BTreeMap::new(),
        };
        let mut kept = Kept::load(folder)?;
        let loopback = listen.ip().is_loopback();
        let alone = workspace.topologies.len() == 1;
        for loaded in &workspace.topologies {
            let account = loaded.topology.account_name();
            people.declared(loaded, &mut kept, loopback)?;
            let mut users = loaded.topology.users.iter();
            if users.any(|user| user.access != Access::System) {
                // They are declared.
            } else if !loopback {
                bail!(
                    "{listen} can be reached from other machines, and `{}` declares no users: \
                     declare them, or listen on 127.0.0.1",
                    loaded.topology.name.value
                );
            } else if alone && loaded.topology.users.is_empty() {
                people.open_account = Some(account.to_owned());
                people.shown.insert(account.to_owned(), Vec::new());
            } else {
                let password = kept.ensure(account, account)?;
                people.add(account, account, Credential::Plain(password), None, &kept)?;
            }
            people.keep(account)?;
        }
        Ok((people, kept))
    }

    /// User and password through which `up` works on an account.
    pub(super) fn keeper(&self, account: &str) -> (String, String) {
        let password = self.keepers.get(account).cloned().unwrap_or_default();
        (format!("{KEEPER}{account}"), password)
    }

    fn keep(&mut self, account: &str) -> anyhow::Result<()> {
        let password = generate()?;
        self.users.push(User {
            name: format!("{KEEPER}{account}"),
            credential: Credential::Plain(password.clone()),
            account: account.to_owned(),
            permissions: None,
            connections: ConnectionTypes::default(),
        });
        self.keepers.insert(account.to_owned(), password);
        Ok(())
    }

    /// The users that a topology declares.
    fn declared(&mut self, loaded: &Loaded, kept: &mut Kept, loopback: bool) -> anyhow::Result<()> {
        let topology = &loaded.topology;
        for user in &topology.users {
            let account = account_of(user, topology);
            let name = &user.name.value;
            let permissions = permission::permissions(topology, user);
            if let Some(key) = &user.nkey {
                let Some(public) = Nkey::of_user(&key.value) else {
                    bail!(
                        "invalid `nkey` of user `{name}`: `{}` is not the public key of a user",
                        key.value
                    );
                };
                let credential = Credential::Nkey(Box::new(public));
                // The server knows who signs by the key.
                let said = format!("the key of `{name}`");
                self.add_shown(account, &key.value, credential, permissions, said)?;
                self.connects(user);
                continue;
            }
            let found = match &user.password {
                Some(secret) => {
                    let said = secret.to_string();
                    let found = resolve(secret, &loaded.folder)
                        .with_context(|| format!("no password for user `{name}`"))?;
                    found.map(|password| (password, said))
                }
                None => None,
            };
            match found {
                Some((password, said)) => {
                    let credential = Credential::from_config(&password);
                    self.add_shown(account, name, credential, permissions, said)?;
                }
                None if loopback => {
                    let password = kept.ensure(account, name)?;
                    self.add(account, name, Credential::Plain(password), permissions, kept)?;
                }
                None => match &user.password {
                    Some(secret) => {
                        bail!(
                            "no password for user `{name}`: set the {secret} (passwords are only generated on loopback)"
                        )
                    }
                    None => {
                        bail!("no password for user `{name}`: declare where it is, in the file")
                    }
                },
            }
            self.connects(user);
            if user.access == Access::Admin {
                // Shown first: it is the one to begin with.
                if let Some(shown) = self.shown.get_mut(account) {
                    shown.rotate_right(1);
                }
            }
        }
        Ok(())
    }

    /// How the last user may connect.
    fn connects(&mut self, user: &model::User) {
        let types = &user.allowed_connection_types;
        let allows =
            |name| types.is_empty() || types.iter().any(|one| one.value.eq_ignore_ascii_case(name));
        if let Some(last) = self.users.last_mut() {
            last.connections =
                ConnectionTypes { standard: allows("STANDARD"), websocket: allows("WEBSOCKET") };
        }
    }

    /// Somebody whose password is kept here.
    fn add(
        &mut self,
        account: &str,
        name: &str,
        credential: Credential,
        permissions: Option<permission::Permissions>,
        kept: &Kept,
    ) -> anyhow::Result<()> {
        self.kept_in = Some(kept.path().to_owned());
        let said = crate::secret::FILE.to_owned();
        self.add_shown(account, name, credential, permissions, said)
    }

    fn add_shown(
        &mut self,
        account: &str,
        name: &str,
        credential: Credential,
        permissions: Option<permission::Permissions>,
        said: String,
    ) -> anyhow::Result<()> {
        if let Some(other) = self.users.iter().find(|user| user.name == name) {
            bail!(
                "two accounts, `{}` and `{account}`, have a user `{name}`: one server tells users \
                 apart by name",
                other.account
            );
        }
        self.users.push(User {
            name: name.to_owned(),
            credential,
            account: account.to_owned(),
            permissions: may(permissions)?,
            connections: ConnectionTypes::default(),
        });
        let shown = self.shown.entry(account.to_owned()).or_default();
        shown.push(Shown { name: name.to_owned(), password: said });
        Ok(())
    }
}

/// What somebody may do, as the server takes it.
pub(crate) fn may(
    permissions: Option<permission::Permissions>,
) -> anyhow::Result<Option<Arc<Permissions>>> {
    let Some(own) = permissions else { return Ok(None) };
    let permission::Permissions { publish, subscribe, responses } = own;
    Ok(Some(Arc::new(Permissions::new(
        Rules::of_publishes(publish.allow.as_deref(), &publish.deny)?,
        Rules::of_subscriptions(subscribe.allow.as_deref(), &subscribe.deny)?,
        responses.map(answers),
    ))))
}

/// As the server takes them; 0 is its default.
fn answers(own: model::Responses) -> Responses {
    Responses { max: own.max.unwrap_or_default(), ttl: own.expires.unwrap_or_default() }
}
