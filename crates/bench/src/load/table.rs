//! Every load, in the order in which they are shown.

use super::jetstream::{self, Load};
use super::{Case, consume, core, kv, purge};
use crate::api::Kept::{File, Memory};
use crate::{held, restart, size};

/// Every load, in the order in which they are shown.
pub(crate) const CASES: &[&[Case]] = &[CORE, STREAMS, CONSUMERS, BUCKETS, FIGURES, held::CASES];

const CORE: &[Case] = &[
    Case::load("core publish 16 B", |place| core::publish(place, 16)),
    Case::load("core publish 128 B", |place| core::publish(place, 128)),
    Case::load("core publish 1024 B", |place| core::publish(place, 1024)),
    Case::load("publish to 1 subscriber 16 B", |place| core::fan_out(place, 16, 1)),
    Case::load("publish to 1 subscriber 128 B", |place| core::fan_out(place, 128, 1)),
    Case::load("publish to 1 subscriber 1024 B", |place| core::fan_out(place, 1024, 1)),
    Case::load("publish to 8 subscribers 128 B", |place| core::fan_out(place, 128, 8)),
    Case::load("request and reply, one at a time", core::request),
];

const STREAMS: &[Case] = &[
    Case::load("memory stream, 256 in flight", |place| {
        jetstream::publish(place, Load::of(Memory, 1, 256))
    }),
    Case::load("file stream, one at a time", |place| {
        jetstream::publish(place, Load::of(File, 1, 1))
    })
    .always(),
    Case::load("file stream, 8 x one at a time", |place| {
        jetstream::publish(place, Load::of(File, 8, 1))
    })
    .always(),
    Case::load("file stream, 256 in flight", |place| {
        jetstream::publish(place, Load::of(File, 1, 256))
    })
    .always(),
    Case::load("file stream, 1024 B, 256 in flight", |place| {
        jetstream::publish(place, Load { bytes: 1024, ..Load::of(File, 1, 256) })
    })
    .always(),
    Case::load("file stream, 8 x 256 in flight", |place| {
        jetstream::publish(place, Load::of(File, 8, 256))
    })
    .always(),
    Case::load("file stream, 64 x 256 in flight", |place| {
        jetstream::publish(place, Load::of(File, 64, 256))
    })
    .always()
    .takes(2.5),
];

const CONSUMERS: &[Case] = &[
    Case::load("fetch 500, acknowledged", |place| consume::fetch(place, "limits"))
        .always()
        .takes(9.0),
    Case::load("work queue: fetch 500, acknowledged, removed", |place| {
        consume::fetch(place, "workqueue")
    })
    .always()
    .takes(18.0),
    Case::load("publish with 1,000 consumers", |place| {
        jetstream::publish_to_consumers(place, "limits", place.scale.consumers, false)
    })
    .durable()
    .takes(2.0),
    Case::load("publish with 1,000 consumers, one of which matches", |place| {
        jetstream::publish_to_consumers(place, "limits", place.scale.consumers, true)
    })
    .durable()
    .takes(2.0),
    Case::load("publish with 100 filtered consumers, interest", |place| {
        jetstream::publish_to_consumers(
            place,
            "interest",
            (place.scale.consumers / 10).max(1),
            true,
        )
    })
    .durable(),
];

const BUCKETS: &[Case] = &[
    Case::load("KV put, 10k keys, memory, 256 in flight", |place| {
        kv::put(place, Memory, place.scale.keys)
    }),
    Case::load("KV put, 10k keys, file, 256 in flight", |place| {
        kv::put(place, File, place.scale.keys)
    })
    .durable(),
    Case::load("KV put, 200k keys, memory, 256 in flight", |place| {
        kv::put(place, Memory, place.scale.stored)
    })
    .takes(1.0),
    Case::load("KV put, 200k keys, file, 256 in flight", |place| {
        kv::put(place, File, place.scale.stored)
    })
    .durable()
    .takes(1.0),
];

const FIGURES: &[Case] = &[
    Case::figure("KV watch of one key in 200k", kv::watch),
    Case::figure("purge all of 200k", |place| purge::all(place, 1)),
    Case::figure("purge half of 200k by sequence", |place| purge::half(place, 1)),
    Case::figure("purge all of 200k, each its own subject", |place| {
        purge::all(place, place.scale.stored)
    }),
    Case::figure("purge half of 200k by sequence, each its own subject", |place| {
        purge::half(place, place.scale.stored)
    }),
    Case::figure("10M messages of 64 B", size::many).takes(35.0),
    Case::figure("after the delete of a memory stream of 300 MB", size::after_delete).takes(12.0),
    Case::figure("1M messages of 64 B, restarted", restart::run).takes(5.0),
];
