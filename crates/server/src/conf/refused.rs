//! Keys of nats-server for what this server does not have. Who uses one is told that it is not supported, and not
//! that it is a slip of the pen.

use watershed_wire::conf::{ConfError, Pair};

use super::{error, unknown};

/// Keys that nats-server knows, in whatever block, and that are refused here.
const KNOWN: &[&str] = &[
    "advertise",
    "auth_callout",
    "cert_match",
    "cert_match_by",
    "cert_store",
    "cipher",
    "cluster",
    "compression",
    "config_digest",
    "connect_retries",
    "connection_rate_limit",
    "default_js_domain",
    "default_sentinel",
    "disable_sublist_cache",
    "ek",
    "encryption_key",
    "extension_hint",
    "feature_flags",
    "first_info_timeout",
    "gateway",
    "http_base_path",
    "https",
    "https_port",
    "insecure",
    "isolate_leafnode_interest",
    "jetstream_limits",
    "key",
    "leafnodes",
    "limits",
    "log_max_num",
    "log_size_limit",
    "logfile_max_num",
    "logfile_size_limit",
    "logtime_utc",
    "lookup_timeout",
    "max_buffered_msgs",
    "max_buffered_size",
    "max_catchup",
    "max_closed_clients",
    "max_outstanding_catchup",
    "meta_compact",
    "min_version",
    "mqtt",
    "msg_trace",
    "no_advertise",
    "no_fast_producer_stall",
    "no_header_support",
    "ocsp",
    "ocsp_cache",
    "ocsp_peer",
    "pinned_accounts",
    "prof_block_rate",
    "prof_port",
    "proxies",
    "proxy_protocol",
    "proxy_required",
    "queue_permissions",
    "reconnect",
    "remotes",
    "remote_syslog",
    "request_queue_limit",
    "resolver_pinned_accounts",
    "resolver_tls",
    "routes",
    "server_metadata",
    "strict",
    "syslog",
    "timeout",
    "trusted",
    "trusted_keys",
    "tpm",
    "unique_tag",
    "verify",
    "write_timeout",
];

/// Why a key is refused.
pub(super) fn refusal(pair: &Pair) -> ConfError {
    if KNOWN.contains(&pair.key.to_lowercase().as_str()) {
        return error(pair, format!("`{}` is not supported by this server", pair.key));
    }
    unknown(pair)
}
