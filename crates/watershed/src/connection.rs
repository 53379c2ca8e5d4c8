//! Which server a command talks to, and as whom: the `nats` command line tool's flags and
//! variables, and what a topology says.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use watershed_client::{Client, Credential, Options, load_context};
use watershed_server::SYSTEM_ACCOUNT;
use watershed_topology::Topology;
use watershed_topology::model::{Access, User};
use watershed_topology::quantity;

use crate::data::data_folders;
use crate::load::Loaded;
use crate::secret::{Kept, resolve};
use crate::ui::path::{quoted, shown, word};
use crate::ui::say;

/// Flags of a connection.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Server URL, or several with commas [default: the topology's].
    #[arg(short, long, env = "NATS_URL", hide_env_values = true, value_name = "URL")]
    server: Option<String>,
    /// User name, from the topology or the server.
    #[arg(long, env = "NATS_USER")]
    user: Option<String>,
    /// Password. Visible to other users of this machine; prefer NATS_PASSWORD.
    #[arg(long, env = "NATS_PASSWORD", hide_env_values = true, requires = "user")]
    password: Option<String>,
    /// Token. Visible to other users of this machine; prefer NATS_TOKEN.
    #[arg(long, env = "NATS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// File with credentials.
    #[arg(long, env = "NATS_CREDS", value_name = "FILE")]
    creds: Option<PathBuf>,
    /// File with an nkey seed.
    #[arg(long, env = "NATS_NKEY", value_name = "FILE")]
    nkey: Option<PathBuf>,
    /// Certificates of authorities to trust.
    #[arg(long, env = "NATS_CA", value_name = "FILE")]
    tlsca: Option<PathBuf>,
    /// Client certificate.
    #[arg(long, env = "NATS_CERT", value_name = "FILE", requires = "tlskey")]
    tlscert: Option<PathBuf>,
    /// Key of that certificate.
    #[arg(long, env = "NATS_KEY", value_name = "FILE", requires = "tlscert")]
    tlskey: Option<PathBuf>,
    /// Context of the `nats` command line tool.
    #[arg(long, env = "NATS_CONTEXT", value_name = "NAME")]
    context: Option<String>,
    /// Inbox prefix.
    #[arg(long, env = "NATS_INBOX_PREFIX", value_name = "PREFIX")]
    inbox_prefix: Option<String>,
    /// Request timeout.
    #[arg(long, default_value = "5s", value_parser = duration)]
    timeout: Duration,
}

/// Flags of a connection for a command that does without a server unless one is named where it is typed: what a
/// variable says is for other commands.
#[derive(Debug)]
pub(crate) struct Typed {
    /// The flags.
    pub(crate) connection: Connection,
    /// Whether a server or a context was typed.
    pub(crate) is_typed: bool,
}

impl FromArgMatches for Typed {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let is_typed = ["server", "context"].iter().any(typed);
        Ok(Self { connection: Connection::from_arg_matches(matches)?, is_typed })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Typed {
    fn augment_args(command: Command) -> Command {
        Connection::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Connection::augment_args_for_update(command)
    }
}

/// A duration as the file writes them.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let nanos = quantity::duration(text).map_err(|error| match error {
        quantity::QuantityError::Ambiguous { .. } => {
            format!("missing unit in `{text}`: write `{text}s`")
        }
        other => other.to_string(),
    })?;
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| "a duration is positive".into())
}

impl Connection {
    /// What to connect to, given what a topology says.
    pub(crate) fn options(&self, topology: Option<&Loaded>) -> anyhow::Result<Options> {
        self.options_as(topology, None)
    }

    /// The same, as this user of the topology if no flag names another.
    pub(crate) fn options_as(
        &self,
        topology: Option<&Loaded>,
        user: Option<&str>,
    ) -> anyhow::Result<Options> {
        let mut options = match &self.context {
            Some(name) => load_context(&config_home()?, name)?,
            None => Options::default(),
        };
        options.timeout = self.timeout;
        match (&self.server, &self.context, topology) {
            (Some(server), ..) => options.servers.clone_from(server),
            (None, None, Some(loaded)) => {
                if let Some(listen) = &loaded.topology.server.listen {
                    options.servers = format!("nats://{}", listen.value);
                }
            }
            _ => {}
        }
        if let Some(credential) = self.credential(topology, user)? {
            options.credential = credential;
        }
        if self.tlsca.is_some() {
            options.tls_ca.clone_from(&self.tlsca);
        }
        if let (Some(certificate), Some(key)) = (&self.tlscert, &self.tlskey) {
            options.tls_identity = Some((certificate.clone(), key.clone()));
        }
        let with_file = self.creds.is_some() || self.nkey.is_some() || self.token.is_some();
        let topology =
            topology.filter(|_| !with_file && (!self.is_foreign() || self.user.is_some()));
        let user = topology.and_then(|loaded| user_of(loaded, self.user.as_deref().or(user)));
        let declared = user.and_then(|user| user.inbox_prefix.as_ref());
        if self.inbox_prefix.is_some() {
            options.inbox_prefix.clone_from(&self.inbox_prefix);
        } else if let Some(prefix) = declared {
            options.inbox_prefix = Some(prefix.value.clone());
        }
        Ok(options)
    }

    /// The same server, as this user of the topology, whoever a flag names.
    pub(crate) fn options_of(&self, loaded: &Loaded, user: &str) -> anyhow::Result<Options> {
        let mut options = self.options(Some(loaded))?;
        options.credential = from_topology(loaded, Some(user))?.unwrap_or_default();
        let declared = user_of(loaded, Some(user)).and_then(|user| user.inbox_prefix.as_ref());
        options.inbox_prefix = declared.map(|prefix| prefix.value.clone());
        Ok(options)
    }

    /// How long an answer may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects, once.
    pub(crate) async fn connect(&self, topology: Option<&Loaded>) -> anyhow::Result<Client> {
        let client = Client::connect(&self.options(topology)?).await?;
        if let Some(loaded) = topology {
            guard_account(&client, loaded).await?;
        }
        Ok(client)
    }

    /// The flags that lead to the same server as the same user, without secrets.
    pub(crate) fn as_typed(&self) -> String {
        let mut flags = String::new();
        if let Some(server) = &self.server {
            let options = Options { servers: server.clone(), ..Options::default() };
            let _ = write!(flags, " -s {}", word(&options.shown()));
        }
        for (flag, value) in [("--user", &self.user), ("--context", &self.context)] {
            if let Some(value) = value {
                let _ = write!(flags, " {flag} {}", word(value));
            }
        }
        if let Some(creds) = &self.creds {
            let _ = write!(flags, " --creds {}", quoted(creds));
        }
        flags
    }

    /// Whether a server was named: it is somebody's own.
    pub(crate) fn is_foreign(&self) -> bool {
        self.server.is_some() || self.context.is_some()
    }

    fn credential(
        &self,
        topology: Option<&Loaded>,
        otherwise: Option<&str>,
    ) -> anyhow::Result<Option<Credential>> {
        if let Some(path) = &self.creds {
            return Ok(Some(Credential::CredentialsFile(path.clone())));
        }
        if let Some(path) = &self.nkey {
            return Ok(Some(Credential::NkeyFile(path.clone())));
        }
        if let Some(token) = &self.token {
            warn_if_typed("--token", "NATS_TOKEN", token);
            return Ok(Some(Credential::Token(token.clone())));
        }
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            warn_if_typed("--password", "NATS_PASSWORD", password);
            return Ok(Some(password_of(user, password.clone())));
        }
        // The secrets kept here are not sent there, unless a user of the topology is named too.
        let foreign = self.is_foreign();
        match (topology, &self.user) {
            (Some(loaded), user) if !foreign || user.is_some() => {
                from_topology(loaded, user.as_deref().or(otherwise))
            }
            (_, Some(user)) => bail!("no password for user `{user}`: set NATS_PASSWORD"),
            _ => Ok(None),
        }
    }
}

/// Refuses credentials of another account than the one that the file names. A server that does not
/// say which one they are of has the last word by refusing them.
pub(crate) async fn guard_account(client: &Client, loaded: &Loaded) -> anyhow::Result<()> {
    let Some(wanted) = &loaded.topology.account else { return Ok(()) };
    match client.whereabouts().await.account {
        Some(account) if account != wanted.value => bail!(
            "these credentials are of the account `{account}`, and the file is for `{}`",
            wanted.value
        ),
        _ => Ok(()),
    }
}

fn password_of(user: &str, password: String) -> Credential {
    Credential::Password { user: user.to_owned(), password }
}

fn warn_if_typed(flag: &str, variable: &str, value: &str) {
    if std::env::var(variable).as_deref() != Ok(value) {
        say(&format!(
            "warning: {flag} is visible to other users of this machine; set {variable} instead"
        ));
    }
}

/// The account that a user is in.
pub(crate) fn account_of<'t>(user: &User, topology: &'t Topology) -> &'t str {
    match user.access {
        Access::System => SYSTEM_ACCOUNT,
        _ => topology.account_name(),
    }
}

/// A user of the topology: the named one, else an admin.
fn user_of<'t>(loaded: &'t Loaded, name: Option<&str>) -> Option<&'t User> {
    let mut users = loaded.topology.users.iter();
    users.find(|user| match name {
        Some(name) => user.name.value == name,
        None => user.access == Access::Admin,
    })
}

/// The credential of a user of the topology: the named one, else an admin, else the one that `up`
/// makes for the account.
fn from_topology(loaded: &Loaded, name: Option<&str>) -> anyhow::Result<Option<Credential>> {
    let topology = &loaded.topology;
    let user = user_of(loaded, name);
    let account = user.map_or(topology.account_name(), |user| account_of(user, topology));
    let found = user.and_then(|user| user.password.as_ref());
    if let (Some(user), Some(secret)) = (user, found)
        && let Some(password) = resolve(secret, &loaded.folder)?
    {
        return Ok(Some(password_of(&user.name.value, password)));
    }
    let wanted = user.map_or(name.unwrap_or(account), |user| user.name.value.as_str());
    for folder in data_folders(loaded) {
        if let Some(password) = Kept::load(&folder)?.find(account, wanted) {
            return Ok(Some(password_of(wanted, password.to_owned())));
        }
    }
    match (user, found) {
        (Some(user), Some(secret)) => {
            let folders = data_folders(loaded);
            let folders: Vec<_> = folders.iter().map(|folder| shown(folder)).collect();
            bail!(
                "no password for user `{}`: {secret} is not set, and `watershed up` has generated \
                 none in {}",
                user.name.value,
                folders.join(" or ")
            )
        }
        (None, _) if name.is_some() => bail!("unknown user `{wanted}` in the topology"),
        (None, _) if !topology.users.is_empty() => {
            bail!("no user of the topology is an admin: name a user with --user")
        }
        _ => Ok(None),
    }
}

/// Where the `nats` tool keeps its contexts.
pub(crate) fn config_home() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("XDG_CONFIG_HOME") {
        return Ok(folder.into());
    }
    let home = std::env::var_os("HOME").context("neither XDG_CONFIG_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".config"))
}
