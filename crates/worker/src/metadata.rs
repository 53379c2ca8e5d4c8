//! What a program or an endpoint is told about a message beside its payload. Names are made of letters,
//! digits and one separator; what is not theirs to say (a header called `Host`) has a prefix; sizes are
//! bounded, and what did not fit is counted.

use crate::delivery::Delivery;

/// Bytes of one value.
const VALUE_MAX: usize = 8 << 10;

/// Bytes of all names and values of headers.
const ALL_MAX: usize = 48 << 10;

/// What is said about a message, as names in words and values.
pub(crate) fn about(delivery: &Delivery) -> Vec<(String, String)> {
    let mut all = vec![
        ("stream".to_owned(), delivery.stream.clone()),
        ("consumer".to_owned(), delivery.consumer.clone()),
        ("subject".to_owned(), delivery.subject.clone()),
        ("sequence".to_owned(), delivery.sequence.to_string()),
        ("time".to_owned(), delivery.time.to_string()),
        ("deliveries".to_owned(), delivery.deliveries.to_string()),
    ];
    if let Some(most) = delivery.max_deliver {
        all.push(("max_deliver".to_owned(), most.to_string()));
    }
    let mut headers: Vec<(String, String)> = delivery
        .headers
        .iter()
        .filter_map(|(name, values)| Some((name.to_string(), values.first()?.as_str().to_owned())))
        .collect();
    headers.sort();
    let (mut size, mut left_out) = (0, 0);
    let mut taken = std::collections::BTreeSet::new();
    for (name, value) in headers {
        let name = format!("header_{}", plain(&name));
        size += name.len() + value.len();
        let fits = value.len() <= VALUE_MAX && size <= ALL_MAX && !value.contains(char::is_control);
        if fits && taken.insert(name.clone()) {
            all.push((name, value));
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        all.push(("headers_left_out".to_owned(), left_out.to_string()));
    }
    all
}

/// A name of letters, digits and `_`.
fn plain(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.chars().take(128).map(fits).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use bytes::Bytes;
    use watershed_client::HeaderMap;
    use watershed_wire::time::UnixNanos;

    use super::*;

    /// A delivery of this payload.
    pub(crate) fn delivery(payload: &str) -> Delivery {
        Delivery {
            subject: "jobs.a".into(),
            headers: HeaderMap::new(),
            payload: Bytes::from(payload.to_owned()),
            stream: "JOBS".into(),
            created: 1,
            consumer: "worker".into(),
            sequence: 7,
            deliveries: 2,
            max_deliver: Some(5),
            time: UnixNanos(1_700_000_000_000_000_000),
            pending: 0,
        }
    }

    #[test]
    fn names_are_plain_and_sizes_are_bounded() {
        let mut delivery = delivery("");
        for (name, value) in [
            ("Nats-Msg-Id", "a b"),
            ("x.y-z", "1"),
            ("x_y.z", "2"),
            ("Large", &"x".repeat(VALUE_MAX + 1)),
            ("Zero", "a\0b"),
        ] {
            delivery.headers.insert(name, value);
        }
        let about: Vec<String> =
            about(&delivery).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(about.join("\n"), @r"
        stream=JOBS
        consumer=worker
        subject=jobs.a
        sequence=7
        time=2023-11-14T22:13:20Z
        deliveries=2
        max_deliver=5
        header_nats_msg_id=a b
        header_x_y_z=1
        headers_left_out=3
        ");
        for number in 0..100 {
            delivery.headers.insert(format!("h{number}"), "y".repeat(1_000));
        }
        let size: usize = super::about(&delivery).iter().map(|(n, v)| n.len() + v.len()).sum();
        assert!(size < ALL_MAX + VALUE_MAX, "{size}");
    }
}
