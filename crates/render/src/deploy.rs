//! What deployments of any kind have in common: who connects as whom, images, sizes.

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
    name.get(..name.len().min(50)).unwrap_or(name).to_owned()
}

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
