//! The `defaults` of a file.

use super::fields::{Fields, Reader};
use crate::schema::{CONSUMER, CONSUMER_OWN, STREAM, STREAM_OWN};
use crate::yaml::Node;

/// What streams and consumers have unless they say otherwise.
#[derive(Default)]
pub(super) struct Defaults {
    pub(super) stream: Fields,
    pub(super) consumer: Fields,
}

impl Defaults {
    pub(super) fn read(reader: &mut Reader, node: &Node) -> Self {
        let mut defaults = Self::default();
        for entry in reader.mapping(node, "`defaults`") {
            let what = format!("`defaults.{}`", entry.key);
            let inner = match entry.key.as_str() {
                "stream" | "consumer" => reader.mapping(&entry.node, &what),
                _ => {
                    reader.unknown(entry, &["stream", "consumer"], "`defaults`");
                    continue;
                }
            };
            match entry.key.as_str() {
                "stream" => {
                    defaults.stream = reader.fields(inner, &[STREAM, STREAM_OWN], &[], &what);
                }
                _ => {
                    defaults.consumer = reader.fields(inner, &[CONSUMER, CONSUMER_OWN], &[], &what);
                }
            }
        }
        defaults
    }
}
