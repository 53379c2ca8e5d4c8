//! Flags of nats-server for what this server does not have. Each is refused by name.

use clap::Args;

/// What was given of them.
#[derive(Debug, Args)]
pub(super) struct Refused {
    #[arg(short = 's', long, hide = true)]
    syslog: bool,
    #[arg(short = 'r', long = "remote_syslog", hide = true)]
    remote_syslog: Option<String>,
    #[arg(long = "https_port", alias = "ms", hide = true, allow_negative_numbers = true)]
    https_port: Option<String>,
    #[arg(long = "log_size_limit", hide = true)]
    log_size_limit: Option<String>,
    #[arg(long = "max_traced_msg_len", hide = true)]
    max_traced_msg_len: Option<String>,
    #[arg(long, hide = true)]
    routes: Option<String>,
    #[arg(long, hide = true)]
    cluster: Option<String>,
    #[arg(long = "cluster_name", hide = true)]
    cluster_name: Option<String>,
    #[arg(long = "cluster_listen", hide = true)]
    cluster_listen: Option<String>,
    #[arg(long = "cluster_advertise", hide = true)]
    cluster_advertise: Option<String>,
    #[arg(long = "no_advertise", hide = true, num_args = 0..=1, default_missing_value = "true")]
    no_advertise: Option<String>,
    #[arg(long = "connect_retries", hide = true)]
    connect_retries: Option<String>,
    #[arg(long, hide = true)]
    profile: Option<String>,
    #[arg(long, hide = true)]
    mqtt: Option<String>,
    #[arg(long = "help_tls", hide = true)]
    help_tls: bool,
}

impl Refused {
    /// Fails if any of them was given.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let given = [
            ("syslog", self.syslog),
            ("remote_syslog", self.remote_syslog.is_some()),
            ("https_port", self.https_port.is_some()),
            ("log_size_limit", self.log_size_limit.is_some()),
            ("max_traced_msg_len", self.max_traced_msg_len.is_some()),
            ("routes", self.routes.is_some()),
            ("cluster", self.cluster.is_some()),
            ("cluster_name", self.cluster_name.is_some()),
            ("cluster_listen", self.cluster_listen.is_some()),
            ("cluster_advertise", self.cluster_advertise.is_some()),
            ("no_advertise", self.no_advertise.is_some()),
            ("connect_retries", self.connect_retries.is_some()),
            ("profile", self.profile.is_some()),
            ("mqtt", self.mqtt.is_some()),
            ("help_tls", self.help_tls),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => anyhow::bail!("`--{name}` is not supported by this server"),
            None => Ok(()),
        }
    }
}
