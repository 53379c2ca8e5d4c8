//! A compose project: a nats-server with a named volume, this program, which applies the topology, and the services.

use serde_json::{Map, Value as Json, json};

use crate::deploy::{
    Deployed, Login, NATS_IMAGE, Names, OWN_IMAGE, admin, configuration, of_service,
};
use crate::yaml;

const URL: &str = "nats://nats:4222";

pub(crate) fn render(deployed: &[Deployed<'_>]) -> Result<String, String> {
    let (conf, secrets) = configuration(deployed)?;
    let environment: Map<String, Json> =
        secrets.names().map(|name| (name.to_owned(), needed(name))).collect();
    let mut services = Map::new();
    services.insert(
        "nats".to_owned(),
        json!({
            "image": NATS_IMAGE,
            "command": ["-c", "/etc/nats/nats.conf", "-m", "8222"],
            "environment": environment,
            "ports": ["127.0.0.1:4222:4222", "127.0.0.1:8222:8222"],
            "configs": [{"source": "nats-conf", "target": "/etc/nats/nats.conf"}],
            "volumes": ["nats-data:/data"],
            "restart": "unless-stopped",
            "healthcheck": {
                "test": ["CMD", "wget", "-q", "-O-", "http://127.0.0.1:8222/healthz?js-enabled-only=true"],
                "interval": "5s", "timeout": "3s", "retries": 20,
            },
        }),
    );
    // What stands in the text for compose is doubled.
    let mut configs = Map::new();
    configs.insert("nats-conf".to_owned(), json!({"content": conf.replace('$', "$$")}));
    let mut names = Names::new("compose");
    for one in deployed {
        let name = names.topology(one.topology)?;
        let mut mounts = Vec::new();
        for (index, (file, text)) in one.files.iter().enumerate() {
            let config = format!("topology-{name}-{index}");
            mounts.push(json!({"source": config, "target": format!("/topology/{file}")}));
            configs.insert(config, json!({"content": text.replace('$', "$$")}));
        }
        let apply = format!("apply-{name}");
        services.insert(
            apply.clone(),
            json!({
                "image": OWN_IMAGE,
                "command": ["apply", "/topology", "--yes", "--wait", "120s", "-s", URL],
                "environment": credentials(admin(one.topology)?.as_ref()),
                "configs": mounts,
                "depends_on": {"nats": {"condition": "service_healthy"}},
                "restart": "no",
            }),
        );
        for service in &one.topology.services {
            let key = names.service(service)?;
            let mut environment = credentials(of_service(one.topology, service).as_ref());
            environment.insert("NATS_URL".to_owned(), URL.into());
            services.insert(
                key.clone(),
                json!({
                    "image": key,
                    "environment": environment,
                    "deploy": {"replicas": service.replicas.value},
                    "depends_on": {apply.clone(): {"condition": "service_completed_successfully"}},
                    "restart": "unless-stopped",
                }),
            );
        }
    }
    let project = json!({
        "services": services,
        "configs": configs,
        "volumes": {"nats-data": {}},
    });
    Ok(format!("{HEAD}{}", yaml::text(&project)))
}

const HEAD: &str = "\
# Written by `watershed render compose`, for Docker Compose 2.23 and later. Images: `watershed` is this program; a service's
# image is called as the service is. Passwords come from the environment or from `.env`.
";

/// A variable without which compose does not start.
fn needed(name: &str) -> Json {
    format!("${{{name}:?}}").into()
}

fn credentials(login: Option<&Login>) -> Map<String, Json> {
    let mut all = Map::new();
    if let Some(login) = login {
        all.insert("NATS_USER".to_owned(), login.user.as_str().into());
        all.insert("NATS_PASSWORD".to_owned(), needed(&login.variable));
    }
    all
}
