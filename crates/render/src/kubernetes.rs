//! Manifests for Kubernetes: a nats-server with a volume, a Job that applies the topology, and the services, which wait for it.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};
use watershed_topology::Topology;
use watershed_topology::model::Service;

use crate::deploy::{
    Deployed, Login, NATS_IMAGE, Names, OWN_IMAGE, admin, configuration, of_service, volume_gib,
};
use crate::yaml;

const URL: &str = "nats://nats:4222";
const SECRET: &str = "nats-passwords";

pub(crate) fn render(deployed: &[Deployed<'_>]) -> Result<String, String> {
    let (conf, secrets) = configuration(deployed)?;
    let variables: Vec<&str> = secrets.names().collect();
    let mut out = String::from(HEAD);
    if !variables.is_empty() {
        out.push_str("#\n# The passwords are not in here. Once, before this:\n#   kubectl create secret generic nats-passwords");
        for name in &variables {
            let _ = write!(out, " \\\n#     --from-literal={name}=\"${name}\"");
        }
        out.push('\n');
    }
    let mut documents = vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("nats-config"), "data": {"nats.conf": conf}}),
        service(),
        server(&variables, volume_gib(deployed)),
    ];
    let mut names = Names::new("Kubernetes");
    for one in deployed {
        let of = names.topology(one.topology)?;
        topology(one, &of, &mut documents)?;
        for service in &one.topology.services {
            let name = names.service(service)?;
            documents.push(deployment(one.topology, &of, service, &name));
        }
    }
    for document in documents {
        out.push_str("---\n");
        out.push_str(&yaml::text(&document));
    }
    Ok(out)
}

const HEAD: &str = "\
# Written by `watershed render kubernetes`. Images: `watershed` is this program; a service's image is called as the
# service is. Kustomize's `images` gives them other names and tags.
#
# The Job that applies the topology is called after what is in it: another topology is another Job. The Jobs that delete and
# purge are suspended; to run one:
#   kubectl patch job NAME --type merge -p '{\"spec\":{\"suspend\":false}}'
";

fn meta(name: &str) -> Json {
    json!({"name": name, "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "watershed"}})
}

fn service() -> Json {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": meta("nats"),
        "spec": {
            "clusterIP": "None",
            "selector": {"app.kubernetes.io/name": "nats"},
            "ports": [{"name": "client", "port": 4222}, {"name": "monitor", "port": 8222}],
        },
    })
}

fn server(variables: &[&str], gib: u64) -> Json {
    let env: Vec<Json> = variables.iter().map(|name| from_secret(name, name)).collect();
    let probe = |path: &str, seconds: u32| json!({"httpGet": {"path": path, "port": "monitor"}, "periodSeconds": seconds, "timeoutSeconds": 5});
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta("nats"),
        "spec": {
            "serviceName": "nats", "replicas": 1,
            "selector": {"matchLabels": {"app.kubernetes.io/name": "nats"}},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/name": "nats"}},
                "spec": {
                    "terminationGracePeriodSeconds": 60,
                    "containers": [{
                        "name": "nats", "image": NATS_IMAGE,
                        "args": ["-c", "/etc/nats/nats.conf", "-m", "8222"],
                        "env": env,
                        "ports": [{"name": "client", "containerPort": 4222}, {"name": "monitor", "containerPort": 8222}],
                        "startupProbe": {"httpGet": {"path": "/healthz?js-server-only=true", "port": "monitor"}, "periodSeconds": 5, "failureThreshold": 60},
                        "readinessProbe": probe("/healthz?js-enabled-only=true", 10),
                        "livenessProbe": probe("/healthz?js-server-only=true", 30),
                        "volumeMounts": [{"name": "config", "mountPath": "/etc/nats"}, {"name": "data", "mountPath": "/data"}],
                    }],
                    "volumes": [{"name": "config", "configMap": {"name": "nats-config"}}],
                },
            },
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": format!("{gib}Gi")}}},
            }],
        },
    })
}

/// The files of a topology, and the Jobs that have to do with it.
fn topology(one: &Deployed<'_>, name: &str, documents: &mut Vec<Json>) -> Result<(), String> {
    let files: Map<String, Json> =
        one.files.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect();
    let config = format!("topology-{name}");
    documents.push(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(&config), "data": files,
    }));
    let login = admin(one.topology)?;
    let run = |container: &str, arguments: Vec<String>| own(container, &arguments, login.as_ref());
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let apply = run("apply", words(&["apply", "/topology", "--yes", "--wait", "120s", "-s", URL]));
    let hash = fingerprint(&one.files);
    documents.push(job(&format!("apply-{name}-{hash}"), false, &config, vec![apply]));
    let destroy = run("destroy", words(&["destroy", "/topology", "--yes", "-s", URL]));
    documents.push(job(&format!("delete-{name}"), true, &config, vec![destroy]));
    let purges: Vec<Json> = one
        .topology
        .streams
        .iter()
        .filter(|stream| !stream.is_placeholder())
        .enumerate()
        .map(|(index, stream)| {
            let stream = stream.name.value.as_str();
            run(&format!("purge-{index}"), words(&["purge", stream, "--yes", "-s", URL]))
        })
        .collect();
    if !purges.is_empty() {
        documents.push(job(&format!("purge-{name}"), true, &config, purges));
    }
    Ok(())
}

/// A container of this program.
fn own(name: &str, arguments: &[String], login: Option<&Login>) -> Json {
    json!({
        "name": name, "image": OWN_IMAGE, "args": arguments,
        "env": credentials(login),
        "volumeMounts": [{"name": "topology", "mountPath": "/topology", "readOnly": true}],
    })
}

/// A Job whose containers run one after the other.
fn job(name: &str, suspended: bool, config: &str, mut containers: Vec<Json>) -> Json {
    let last = containers.pop();
    let mut pod = json!({
        "restartPolicy": "Never",
        "containers": last.into_iter().collect::<Vec<_>>(),
        "volumes": [{"name": "topology", "configMap": {"name": config}}],
    });
    if let (Json::Object(pod), false) = (&mut pod, containers.is_empty()) {
        pod.insert("initContainers".to_owned(), containers.into());
    }
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": meta(name),
        "spec": {
            "suspend": suspended,
            "backoffLimit": 4,
            "activeDeadlineSeconds": 600,
            "template": {"metadata": {"labels": {"app.kubernetes.io/name": name}}, "spec": pod},
        },
    })
}

fn deployment(topology: &Topology, of: &str, service: &Service, name: &str) -> Json {
    let config = format!("topology-{of}");
    let login = of_service(topology, service);
    let mut env = vec![json!({"name": "NATS_URL", "value": URL})];
    env.extend(credentials(login.as_ref()));
    // Whoever may look at the streams of the file: an admin, if there are users.
    let waits = admin(topology).ok().flatten();
    let arguments = ["wait", "/topology", "--wait", "10m", "-s", URL].map(str::to_owned).to_vec();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(name),
        "spec": {
            "replicas": service.replicas.value,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/name": name}},
                "spec": {
                    "initContainers": [own("wait-for-streams", &arguments, waits.as_ref())],
                    "containers": [{"name": name, "image": name, "env": env}],
                    "volumes": [{"name": "topology", "configMap": {"name": config}}],
                },
            },
        },
    })
}

fn credentials(login: Option<&Login>) -> Vec<Json> {
    let Some(login) = login else { return Vec::new() };
    vec![
        json!({"name": "NATS_USER", "value": login.user}),
        from_secret("NATS_PASSWORD", &login.variable),
    ]
}

fn from_secret(name: &str, key: &str) -> Json {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}})
}

/// Eight digits that differ where files differ: FNV-1a.
fn fingerprint(files: &[(String, String)]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in files.iter().flat_map(|(name, text)| name.bytes().chain(text.bytes())) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{:08x}", hash >> 32)
}
