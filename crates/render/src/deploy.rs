//! What deployments of any kind have in common: who connects as whom, images, sizes.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use watershed_topology::Topology;
use watershed_topology::model::{Access, Service, User};

use watershed_topology::source::{Span, Spanned};

use crate::nats_conf;
use crate::secrets::{Secrets, variable};

/// The server.
pub(crate) const NATS_IMAGE: &str = "nats:2.14.6-alpine";

/// This program.
pub(crate) const OWN_IMAGE: &str = "watershed";

/// A topology, with the files that it was read from.
#[derive(Debug, Clone)]
pub struct Deployed<'t> {
    /// The topology.
    pub topology: &'t Topology,
    /// Its files by name, and their texts.
    pub files: Vec<(String, String)>,
}

/// As whom a program connects.
pub(crate) struct Login {
    pub(crate) user: String,
    /// Variable with the password.
    pub(crate) variable: String,
}

fn login(user: &User) -> Login {
    Login { user: user.name.value.clone(), variable: variable(user) }
}

/// As whom a topology is applied; `None` where nobody needs a password.
pub(crate) fn admin(topology: &Topology) -> Result<Option<Login>, String> {
    if topology.users.is_empty() {
        return Ok(None);
    }
    let admin = topology.users.iter().find(|user| user.access == Access::Admin);
    admin.map(login).map(Some).ok_or_else(|| {
        format!(
            "`{}` is without a user with `role: admin`, who could apply it",
            topology.name.value
        )
    })
}

/// As whom a service connects.
pub(crate) fn of_service(topology: &Topology, service: &Service) -> Option<Login> {
    let is_its = |user: &&User| matches!(&user.access, Access::Service(name) if name.value == service.name.value);
    topology.users.iter().find(is_its).map(login)
}

/// A name that Kubernetes takes: lower-case letters, digits and `-`.
pub(crate) fn dns_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(plain).collect();
    let name = name.trim_matches('-');
    name.get(..name.len().min(50)).unwrap_or(name).trim_end_matches('-').to_owned()
}

/// The names of what is deployed in one place. Different names may become the same one there.
pub(crate) struct Names {
    place: &'static str,
    taken: BTreeSet<(&'static str, String)>,
}

impl Names {
    pub(crate) fn new(place: &'static str) -> Self {
        let server = (SERVICE, "nats".to_owned());
        Self { place, taken: BTreeSet::from([server]) }
    }

    /// The name of a topology there, which `apply-` and that name applies.
    pub(crate) fn topology(&mut self, topology: &Topology) -> Result<String, String> {
        let name = self.short(&topology.name.value)?;
        self.take("topologies", name.clone())?;
        self.take(SERVICE, format!("apply-{name}"))?;
        Ok(name)
    }

    /// The name of a service there.
    pub(crate) fn service(&mut self, service: &Service) -> Result<String, String> {
        let name = self.short(&service.name.value)?;
        self.take(SERVICE, name.clone())?;
        Ok(name)
    }

    fn short(&self, name: &str) -> Result<String, String> {
        let short = Some(dns_name(name)).filter(|short| !short.is_empty());
        short.ok_or_else(|| {
            format!("`{name}` is without a letter or digit for a name in {}", self.place)
        })
    }

    fn take(&mut self, what: &'static str, name: String) -> Result<(), String> {
        let taken = format!("two {what} would be called `{name}` in {}", self.place);
        if self.taken.insert((what, name)) { Ok(()) } else { Err(taken) }
    }
}

const SERVICE: &str = "services";

/// Bytes on disk, with a fifth on top, in GiB.
pub(crate) fn volume_gib(deployed: &[Deployed<'_>]) -> u64 {
    let bytes: u64 = deployed
        .iter()
        .filter_map(|one| Some(one.topology.server.max_file_store.as_ref()?.value))
        .fold(0, u64::saturating_add);
    if bytes == 0 { 10 } else { (bytes / 5).saturating_mul(6).div_ceil(1 << 30).max(1) }
}

/// The configuration of a server in a container, which is reached from others and keeps streams on its volume; and the
/// variables with passwords.
pub(crate) fn configuration(deployed: &[Deployed<'_>]) -> Result<(String, Secrets), String> {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 4222));
    let moved = |one: &Deployed<'_>| {
        let mut topology = one.topology.clone();
        topology.server.listen = Some(Spanned::new(everywhere, Span::default()));
        topology.server.http = None;
        topology.server.store_dir = None;
        topology
    };
    let topologies: Vec<Topology> = deployed.iter().map(moved).collect();
    nats_conf::with_secrets(&topologies.iter().collect::<Vec<_>>())
}
