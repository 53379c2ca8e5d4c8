//! Fields that nats-server knows, block by block; with any other it does not start.

use watershed_wire::conf::{Item, Pair, Value};

use super::{Reader, list, map};

/// A block: its fields, and the blocks in it by their fields.
struct Block {
    fields: &'static [&'static str],
    inner: &'static [(&'static [&'static str], &'static Self)],
}

const TOP: Block = Block {
    fields: &[
        "listen",
        "client_advertise",
        "port",
        "server_name",
        "host",
        "net",
        "debug",
        "trace",
        "trace_verbose",
        "trace_headers",
        "logtime",
        "logtime_utc",
        "mappings",
        "maps",
        "disable_sublist_cache",
        "no_sublist_cache",
        "accounts",
        "default_sentinel",
        "authorization",
        "http",
        "https",
        "http_port",
        "monitor_port",
        "https_port",
        "http_base_path",
        "cluster",
        "gateway",
        "leaf",
        "leafnodes",
        "store_dir",
        "storedir",
        "jetstream",
        "logfile",
        "log_file",
        "logfile_size_limit",
        "log_size_limit",
        "logfile_max_num",
        "log_max_num",
        "syslog",
        "remote_syslog",
        "pidfile",
        "pid_file",
        "ports_file_dir",
        "prof_port",
        "prof_block_rate",
        "max_control_line",
        "max_payload",
        "max_pending",
        "proxy_protocol",
        "max_connections",
        "max_conn",
        "max_traced_msg_len",
        "max_subscriptions",
        "max_subs",
        "max_sub_tokens",
        "max_subscription_tokens",
        "ping_interval",
        "ping_max",
        "tls",
        "ocsp",
        "allow_non_tls",
        "write_deadline",
        "write_timeout",
        "lame_duck_duration",
        "lame_duck_grace_period",
        "operator",
        "operators",
        "roots",
        "root",
        "root_operators",
        "root_operator",
        "resolver",
        "account_resolver",
        "accounts_resolver",
        "resolver_tls",
        "resolver_preload",
        "resolver_pinned_accounts",
        "no_auth_user",
        "system_account",
        "system",
        "no_system_account",
        "no_system",
        "no_sys_acc",
        "no_header_support",
        "trusted",
        "trusted_keys",
        "connect_error_reports",
        "reconnect_error_reports",
        "websocket",
        "ws",
        "mqtt",
        "server_tags",
        "server_metadata",
        "feature_flags",
        "default_js_domain",
        "ocsp_cache",
        "no_fast_producer_stall",
        "max_closed_clients",
        "proxies",
        "include",
    ],
    inner: &[
        (&["jetstream"], &JETSTREAM),
        (&["authorization"], &AUTHORIZATION),
        (&["tls", "resolver_tls"], &TLS),
        (&["websocket", "ws"], &WEBSOCKET),
        (&["cluster"], &CLUSTER),
    ],
};

const JETSTREAM: Block = Block {
    fields: &[
        "enabled",
        "enable",
        "disabled",
        "disable",
        "strict",
        "store",
        "store_dir",
        "storedir",
        "sync",
        "sync_interval",
        "max_memory_store",
        "max_mem_store",
        "max_mem",
        "max_file_store",
        "max_file",
        "domain",
        "key",
        "ek",
        "encryption_key",
        "prev_key",
        "prev_ek",
        "prev_encryption_key",
        "cipher",
        "extension_hint",
        "limits",
        "tpm",
        "unique_tag",
        "max_outstanding_catchup",
        "max_buffered_size",
        "max_buffered_msgs",
        "request_queue_limit",
        "info_queue_limit",
        "max_concurrent_io", // since 2.15
        "meta_compact",
        "meta_compact_size",
        "meta_compact_sync",
    ],
    inner: &[(&["limits"], &LIMITS)],
};

const LIMITS: Block = Block {
    fields: &[
        "max_ack_pending",
        "max_ha_assets",
        "max_request_batch",
        "duplicate_window",
        "batch",
        "default_max_consumers", // since 2.15
    ],
    inner: &[],
};

const AUTHORIZATION: Block = Block {
    fields: &[
        "user",
        "username",
        "pass",
        "password",
        "token",
        "timeout",
        "users",
        "default_permission",
        "default_permissions",
        "permissions",
        "auth_callout",
        "auth_hook",
        "proxy_required",
    ],
    inner: &[(&["users"], &USER), (&["default_permissions", "permissions"], &PERMISSIONS)],
};

const USER: Block = Block {
    fields: &[
        "nkey",
        "user",
        "username",
        "pass",
        "password",
        "permission",
        "permissions",
        "authorization",
        "allowed_connection_types",
        "connection_types",
        "clients",
        "proxy_required",
    ],
    inner: &[(&["permission", "permissions", "authorization"], &PERMISSIONS)],
};

const PERMISSIONS: Block = Block {
    fields: &[
        "pub",
        "publish",
        "import",
        "sub",
        "subscribe",
        "export",
        "publish_allow_responses",
        "allow_responses",
    ],
    inner: &[],
};

const ACCOUNT: Block = Block {
    fields: &[
        "nkey",
        "imports",
        "exports",
        "jetstream",
        "users",
        "default_permissions",
        "mappings",
        "maps",
        "limits",
        "msg_trace",
        "trace_dest",
    ],
    inner: &[
        (&["jetstream"], &ACCOUNT_JETSTREAM),
        (&["users"], &USER),
        (&["default_permissions"], &PERMISSIONS),
    ],
};

const ACCOUNT_JETSTREAM: Block = Block {
    fields: &[
        "enabled",
        "enable",
        "disabled",
        "disable",
        "max_memory",
        "max_mem",
        "mem",
        "memory",
        "max_store",
        "max_file",
        "max_disk",
        "store",
        "disk",
        "max_streams",
        "streams",
        "max_consumers",
        "consumers",
        "max_bytes_required",
        "max_stream_bytes",
        "max_bytes",
        "mem_max_stream_bytes",
        "memory_max_stream_bytes",
        "disk_max_stream_bytes",
        "store_max_stream_bytes",
        "max_ack_pending",
        "cluster_traffic",
        "owner",
    ],
    inner: &[],
};

const TLS: Block = Block {
    fields: &[
        "cert_file",
        "key_file",
        "ca_file",
        "insecure",
        "verify",
        "verify_and_map",
        "verify_cert_and_check_known_urls",
        "allow_insecure_cipher_suites",
        "cipher_suites",
        "curve_preferences",
        "timeout",
        "connection_rate_limit",
        "pinned_certs",
        "cert_store",
        "cert_match_by",
        "cert_match",
        "ca_certs_match",
        "handshake_first",
        "first",
        "immediate",
        "cert_match_skip_invalid",
        "ocsp_peer",
        "certs",
        "certificates",
        "min_version",
    ],
    inner: &[],
};

const WEBSOCKET: Block = Block {
    fields: &[
        "listen",
        "port",
        "host",
        "net",
        "advertise",
        "no_tls",
        "tls",
        "same_origin",
        "allowed_origins",
        "allowed_origin",
        "allow_origins",
        "allow_origin",
        "origins",
        "origin",
        "handshake_timeout",
        "compress",
        "compression",
        "authorization",
        "authentication",
        "jwt_cookie",
        "user_cookie",
        "pass_cookie",
        "token_cookie",
        "no_auth_user",
        "headers",
        "ping_interval",
    ],
    inner: &[(&["tls"], &TLS)],
};

const CLUSTER: Block = Block {
    fields: &[
        "name",
        "listen",
        "port",
        "host",
        "net",
        "authorization",
        "routes",
        "tls",
        "cluster_advertise",
        "advertise",
        "no_advertise",
        "connect_retries",
        "connect_backoff",
        "permissions",
        "pool_size",
        "accounts",
        "compression",
        "ping_interval",
        "ping_max",
        "write_deadline",
        "write_timeout",
    ],
    inner: &[(&["tls"], &TLS)],
};

/// Whether nats-server knows a field outside of all blocks.
pub(super) fn known_at_the_top(key: &str) -> bool {
    TOP.fields.iter().any(|field| key.eq_ignore_ascii_case(field))
}

impl Reader<'_> {
    /// Fields that the server does not know. A variable may have any name.
    pub(super) fn unknown(&mut self, pairs: &[Pair]) {
        let mut used = Vec::new();
        variables(pairs, &mut used);
        self.unknown_in(pairs, &TOP, "", &used);
        let accounts = pairs.iter().filter(|pair| pair.key.eq_ignore_ascii_case("accounts"));
        for account in accounts.flat_map(|pair| map(&pair.item)) {
            let what = format!(" in account `{}`", account.key);
            if account.key.starts_with('$') && account.key != "$SYS" {
                let message = format!("`{}` is reserved, and cannot be configured", account.key);
                self.refused(account.place, message);
            }
            self.unknown_in(map(&account.item), &ACCOUNT, &what, &used);
        }
    }

    fn unknown_in(&mut self, pairs: &[Pair], block: &Block, what: &str, used: &[String]) {
        for pair in pairs {
            let key = pair.key.to_lowercase();
            if !block.fields.contains(&key.as_str()) && !used.contains(&pair.key) {
                let message = format!("unknown field `{}`{what}", pair.key);
                let close = |name: &&&str| {
                    strsim::damerau_levenshtein(name, &key) <= 2 || name.starts_with(&key)
                };
                let span = self.span(pair.place);
                let found = self.importer.findings.not_started(span, message);
                found.fix = block.fields.iter().find(close).map(|one| format!("write `{one}`"));
                continue;
            }
            let Some((_, inner)) =
                block.inner.iter().find(|(keys, _)| keys.contains(&key.as_str()))
            else {
                continue;
            };
            let what = format!(" in `{key}`");
            self.unknown_in(map(&pair.item), inner, &what, used);
            for item in list(&pair.item) {
                self.unknown_in(map(item), inner, &what, used);
            }
        }
    }
}

/// Names of variables that are used.
fn variables(pairs: &[Pair], used: &mut Vec<String>) {
    fn of(item: &Item, used: &mut Vec<String>) {
        match &item.value {
            Value::Variable(name) => used.push(name.clone()),
            Value::List(items) => items.iter().for_each(|item| of(item, used)),
            Value::Map(pairs) => variables(pairs, used),
            _ => {}
        }
    }
    for pair in pairs {
        of(&pair.item, used);
    }
}
