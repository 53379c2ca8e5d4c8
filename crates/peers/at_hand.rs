// Included by build scripts. A test that needs a peer is marked
//
//     #[cfg_attr(not(peer = "nats-server"), ignore = "needs nats-server")]
//
// so that the test harness itself says that it did not run. The harness cannot decide that while it
// runs, and a test that returns early looks like one that passed.

/// Peers, and the variables that say where they are. `.ci/peers` sets all of them.
const PEERS: [(&str, &str); 5] = [
    ("nats-server", "WATERSHED_NATS_SERVER"),
    ("nats", "WATERSHED_NATS"),
    ("python", "WATERSHED_PYTHON"),
    ("browser", "WATERSHED_BROWSER"),
    ("nats-py-2.6", "WATERSHED_NATS_PY_2_6"),
];

/// Sets `cfg(peer = "…")` for each peer that is at hand.
fn tell_cargo() {
    let names = PEERS.map(|(name, _)| format!("\"{name}\"")).join(", ");
    println!("cargo::rustc-check-cfg=cfg(peer, values({names}))");
    println!("cargo::rerun-if-changed=build.rs");
    for (name, variable) in PEERS {
        println!("cargo::rerun-if-env-changed={variable}");
        if std::env::var_os(variable).is_some_and(|path| !path.is_empty()) {
            println!("cargo::rustc-cfg=peer=\"{name}\"");
        }
    }
}
