//! Bodies and subjects of API calls: read, filled, checked; and what was read survives a round trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watershed_wire::jetstream::ack::{Ack, AckSubject};
use watershed_wire::jetstream::call::Call;
use watershed_wire::jetstream::pull::PullRequest;
use watershed_wire::jetstream::{ConsumerConfig, StreamConfig, check, consumer, json};

fuzz_target!(|data: &[u8]| {
    Ack::parse(data);
    AckSubject::parse(data);
    let _ = PullRequest::parse(data);
    if let Some(call) = std::str::from_utf8(data).ok().and_then(Call::parse) {
        assert_eq!(call.subject().as_bytes(), data);
    }
    let mut stream = StreamConfig::named("S", &["s.>"]);
    if let Ok(mut config) = json::decode::<StreamConfig>(data) {
        check::fill_stream(&mut config, &check::Bounds::default());
        check::stream(&config);
        let again: StreamConfig = json::decode(&json::encode(&config)).expect("own JSON is read");
        assert_eq!(again, config);
        stream = config;
    }
    if let Ok(request) = json::decode::<consumer::CreateRequest>(data) {
        let mut config: ConsumerConfig = request.config;
        check::fill_consumer(&mut config, &stream, &check::Bounds::default());
        check::consumer(&config);
        check::consumer_on_stream(&config, &stream);
    }
});
