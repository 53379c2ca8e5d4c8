//! What the server's error codes mean for people: why one comes, and what to do.

/// What there is to say about some codes.
#[derive(Debug)]
pub struct ServerError {
    /// The codes.
    pub codes: &'static [u16],
    /// Why they come.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// What there is to say about a code.
pub fn server_error(code: u16) -> Option<&'static ServerError> {
    SERVER_ERRORS.iter().find(|error| error.codes.contains(&code))
}

macro_rules! errors {
    ($([$($code:literal),*] $cause:literal, $fix:literal;)*) => {
        &[$(ServerError { codes: &[$($code),*], cause: $cause, fix: $fix }),*]
    };
}

/// All of them.
pub const SERVER_ERRORS: &[ServerError] = errors! {
    [10002] "The account has used up what it may store, or set aside by `max_bytes`.", "Delete or shrink streams, or raise the account's limits.";
    [10003, 10038] "The request's body is not what the call takes: something where nothing belongs, or the other way round.", "Use a client library of the server's age, or the API's schema.";
    [10004] "Not all servers of the cluster answered in time: the list is not whole.", "Ask again.";
    [10005, 10011] "No server of the cluster fits the stream's copies and its placement: too few servers, too little room, or no server with the tags.", "Lower `num_replicas`, or correct `placement`; the text says what was looked for.";
    [10006, 10010] "The call is about a cluster, and this server is alone.", "Send it to a cluster, or leave it.";
    [10007, 10008, 10009, 10041, 10048] "JetStream is not ready here at the moment: no leader, a disk that does not work, or a server that just started.", "Try again; if it stays, look at the server's log and its disk.";
    [10012] "The consumer cannot be made or changed so. The text says which field is the reason; most often it is one that can never change: `deliver_policy`, `ack_policy`, `replay_policy`, push or pull.", "Keep the field as it is, or delete the consumer and make it again where it stopped (`by_start_sequence`).";
    [10013] "A consumer of this name is there, with another delivery subject and somebody listening. Two replicas with a push consumer of their own name each are the usual reason.", "Give it a `deliver_group`, or use a pull consumer, which is shared as it is.";
    [10014] "Unknown consumer: misspelt, never made, or gone by its `inactive_threshold`.", "Look at the stream's consumers; make it before it is used.";
    [10015] "The snapshot was to be delivered to a subject that is none.", "Name a subject without wildcards.";
    [10016, 10017, 10018, 10019, 10020, 10132] "The consumer's name in the request's subject, its `name` and its `durable_name` are not one.", "Give a durable consumer one name everywhere.";
    [10021, 10022, 10024] "The prefixes by which another account or domain is reached overlap with subjects of this one, or have wildcards.", "Choose prefixes that nothing else uses.";
    [10023] "The server is out of memory, files or room for what was asked.", "Look at what the server has and at its limits.";
    [10025] "The body is not valid JSON, or a field has a value of the wrong kind: an age as text where nanoseconds belong, a word that is none of the choices. From 2.12 on, a field that is not known counts too.", "Correct the field that the text names; ages are whole nanoseconds, `retention` is `limits`, `interest` or `workqueue`.";
    [10026] "The stream, or the account, has as many consumers as it may.", "Raise `max_consumers`, or delete consumers that nobody uses.";
    [10027] "The account has as many streams as it may.", "Raise the account's limit, or delete a stream.";
    [10028] "What memory streams set aside by `max_bytes` is more than `max_memory_store`.", "Lower `max_bytes`, use `storage: file`, or raise `max_memory_store`.";
    [10029, 10045] "The consumer by which a mirror or a source reads its origin cannot be made.", "Look at the origin: is it there, does its account allow it, does a work queue forbid it?";
    [10030, 10046] "The copy takes shorter messages than its origin holds.", "Raise the copy's `max_msg_size` to the origin's.";
    [10031, 10034, 10143, 10173, 10186, 10198, 10209] "A mirror repeats one stream and nothing else: it takes no subjects, no sources, no first sequence, no counters, schedules or batches of its own.", "Remove the field, or use `sources` instead of `mirror`.";
    [10032] "A start by sequence and a start by time were both given. No version raises this code any more.", "Give one of them.";
    [10033, 10144, 10145, 10146, 10147, 10150, 10151, 10152, 10154] "The filters or transforms of a mirror or a source are not valid: a filter besides transforms, two that overlap, or a subject that is none.", "Use either one `filter_subject` or `subject_transforms` that do not overlap.";
    [10035, 10039, 10076] "JetStream is off: for the server, or for the account that the credentials belong to.", "Turn it on (`jetstream` in the server's and the account's configuration), or connect with another user.";
    [10036] "The cluster does not do this.", "Leave the field, or use a single server.";
    [10037, 10043] "No message has this sequence: deleted, expired, or never stored.", "Ask for the stream's first and last sequence.";
    [10040, 10044, 10075, 10202] "The change of the cluster's members is not possible now, or names a server that is none of them.", "Look at the cluster's members, and wait for a change that is under way.";
    [10042, 10062, 10064, 10072, 10130] "A snapshot cannot be taken or put back. A restore needs a name that is free.", "Delete or rename the stream that is there, or look at the server's disk.";
    [10047] "What file streams set aside by `max_bytes` is more than `max_file_store`, whatever the disk has. `10G` is 10^10 in nats.conf, and 10*2^30 for the `nats` tool.", "Lower `max_bytes`, or raise `max_file_store`.";
    [10049, 10050, 10051, 10057, 10069, 10077, 10104, 10110, 10111] "The server could not do it; the text says why. A disk that is full, a folder that cannot be written, something that is still being deleted.", "Read the text, look at the server's log and disk, and try again.";
    [10052] "The stream's configuration is not valid: a name, a subject, an age, fields that contradict each other. The text says which.", "Correct what the text names; `watershed lint` finds all of it at once.";
    [10053] "The account's limits leave no room for the stream, with all its copies.", "Lower `max_bytes` or `num_replicas`, or raise the account's limits.";
    [10054, 10097] "The message, or its header, is longer than the stream takes.", "Raise `max_msg_size`, or send less: large things belong into an object store.";
    [10055] "What a mirror repeats cannot be changed. From 2.12 on, the mirror can be taken away: the stream lives on by itself.", "Make another stream.";
    [10056] "The name in the request's subject and the one in its body differ. A dot in a name splits the subject.", "Use names without dots.";
    [10058] "A stream of this name is there, and is not the same. Creating never changes one.", "Update it instead (`watershed plan` shows what would change), or choose another name.";
    [10059] "Unknown stream in this account: misspelt, not made yet, or in another account.", "Make the streams before their consumers, and check which account the credentials belong to.";
    [10060] "The publisher expected another stream (`Nats-Expected-Stream`) behind this subject.", "Check which stream stores the subject.";
    [10061, 10092, 10093] "No version raises this code any more. A filter outside of the stream (10093) has been accepted without a word since 2.10.", "`watershed lint` finds such filters.";
    [10063, 10070, 10071, 10164, 10180, 10193] "The publisher expected another last message: somebody else was first (`Nats-Expected-Last-…`).", "Read again, decide again, publish again: that is how writers who do not know of each other stay correct.";
    [10163] "Another message of the same subject is on its way: what the last one is, is not known yet.", "Try again.";
    [10065] "Another stream of the account stores one of these subjects, or an overlapping one. A message has one stream.", "Let one of them have it; the other takes it in by `sources` with a filter.";
    [10066, 10067, 10068, 10073] "Templates are no more.", "Make streams by themselves.";
    [10074] "More than one copy needs a cluster; this server is alone.", "Write `num_replicas: 1`, or apply with `--replicas 1`.";
    [10078] "The request lacks the configuration of the consumer.", "Send `{\"stream_name\": …, \"config\": {…}}`.";
    [10079, 10112] "A push consumer delivers to one subject, without wildcards.", "Name one, or leave `deliver_subject` out for a pull consumer.";
    [10080, 10086, 10087, 10088, 10089, 10114, 10115, 10125] "A field of push consumers is given to a pull consumer, or the other way round, or is too small or too large.", "Remove the field, or decide between push and pull.";
    [10081] "What the consumer delivers would be stored by its own stream, and delivered again.", "Deliver to a subject outside of the stream.";
    [10082] "`max_ack_pending` counts acknowledgements, and the consumer has none. It may come from the stream's `consumer_limits`.", "Write `ack_policy: explicit`, or take the limit away.";
    [10083, 10108] "Flow control needs a heartbeat, and a heartbeat is 100 ms or longer.", "Write `idle_heartbeat: 5s`.";
    [10084, 10098] "In a work queue a message goes when it is acknowledged, each by itself.", "Write `ack_policy: explicit`.";
    [10085, 10105, 10106] "The consumer that is there does not allow it: a pull consumer without a name, or one that is in use.", "Name the consumer, or wait until its clients are gone.";
    [10090, 10091] "A direct consumer is what mirrors and sources use; it is ephemeral, and pushed to.", "Leave `direct` out.";
    [10094] "`deliver_policy` and what goes with it contradict each other: a start sequence without `by_start_sequence`, `last_per_subject` without a filter.", "Give exactly what the policy needs.";
    [10095] "`sample_freq` is a percentage.", "Write a whole number, such as `100`.";
    [10096, 10118, 10119, 10194, 10195] "The stream or the consumer is there, and the server that should lead it does not have it: it is still starting, its copies are offline, or it was made by a newer server.", "Wait, look at the cluster, or bring the newer server back.";
    [10099, 10100] "A message of a work queue has one consumer: this one would share messages with one that is there.", "Let the workers share one consumer, or give each a filter that meets no other.";
    [10101] "A consumer of a work queue starts at the beginning.", "Write `deliver_policy: all`.";
    [10102, 10103, 10127, 10128] "The name is too long, or has a character that subjects or files cannot have.", "Use letters, digits, `-` and `_`.";
    [10107, 10135] "The description or the metadata is too long.", "Shorten it.";
    [10109] "The stream is sealed: nothing in it changes any more, and that cannot be undone.", "Make another stream.";
    [10113, 10122] "The account wants every stream to have `max_bytes`, and not more than a limit.", "Give the stream a `max_bytes` within it.";
    [10116] "There are more waits in `backoff` than further deliveries.", "Raise `max_deliver` to at least the number of waits.";
    [10117] "The stream has more subjects than one answer can name.", "Ask with a narrower `subjects_filter`.";
    [10120] "The account has limits for other numbers of copies, and none for this one.", "Use a number of copies that the account has a tier for.";
    [10121, 10153] "The stream's `consumer_limits`, or the account's, are lower than what the consumer wants.", "Lower the consumer's field, or raise the limit.";
    [10123, 10124, 10129] "A stream is moved or scaled, one at a time.", "Wait for the move that is under way, or do one thing in each update.";
    [10126, 10133, 10134] "The consumer's copies do not fit its stream's: not more, and on an interest stream or a work queue exactly as many.", "Leave `num_replicas` of the consumer out.";
    [10131, 10137] "The request's subject names one filter, and its body says something else.", "Leave the filter out of the subject where there are several.";
    [10136, 10138, 10139] "The consumer's filters: one way to give them, none empty, none inside another (up to 2.11: none that overlap).", "Use `filter_subject` for one and `filter_subjects` for several that do not overlap.";
    [10140, 10141, 10142, 10216] "A source is given twice, or the origin's name is none.", "Give each origin once, by its stream's name.";
    [10148, 10149] "The consumer is there and differs from what was to be made, or is missing and cannot be changed.", "Create what is missing, update what exists.";
    [10155, 10156] "The subject transform is not valid: a subject that is none, or wildcards on the right that the left does not have.", "Use `{{wildcard(1)}}` for what `*` stood for on the left.";
    [10157] "The request was pedantic, and the server would have changed what it says.", "Send every field as the server would fill it in.";
    [10158] "A message with the same id is being stored at this moment.", "Wait for its acknowledgement, and try again.";
    [10159, 10160, 10161, 10162, 10178, 10196, 10197] "Priority groups need a policy and names, on a pull consumer.", "Give `priority_policy` and `priority_groups` together, or neither.";
    [10165, 10166] "`Nats-TTL` must be a duration of a second or more, or the stream does not allow it.", "Write `allow_msg_ttl: true`, and a TTL such as `30s`.";
    [10167, 10210, 10211] "More is under way than the server takes at once.", "Wait for answers before sending more.";
    [10168, 10169, 10170, 10171, 10172] "A counter takes messages with `Nats-Incr` and nothing else, where the stream allows it.", "Write `allow_msg_counter: true` when the stream is made, and send a whole number in the header.";
    [10174, 10175, 10176, 10177, 10179, 10199, 10200, 10201] "An atomic batch is not complete or not in order, is too large, or the stream takes none.", "Write `allow_atomic: true`; number the messages of a batch from 1 without gaps and commit the last.";
    [10181, 10182, 10183, 10184] "The consumer's `ack_policy`, `replay_policy`, `ack_wait` or `backoff` has a value that is none.", "Use one of the choices, and durations above zero.";
    [10185] "The request demands more of the API than this server has.", "Use a newer server, or leave the feature.";
    [10187] "A stream with sources schedules no messages.", "Schedule in a stream of its own.";
    [10188, 10189, 10190, 10191, 10192, 10203, 10212, 10223] "The message's schedule is not valid, or the stream allows none.", "Write `allow_msg_schedules: true`, and a schedule and a target as the documentation has them.";
    [10204] "The consumer cannot be set back to there.", "Name a sequence within the stream.";
    [10205, 10206, 10207, 10208] "A fast batch is not valid, or the stream takes none.", "Write `allow_batched: true`, and use a client that speaks this.";
    [10213, 10214, 10215, 10217] "The durable consumer by which a mirror or a source reads is not configured as it must be.", "Give it `ack_policy: flow_control`.";
    [10218, 10219, 10220, 10221, 10222] "`ack_policy: flow_control` is for push consumers with flow control and `max_ack_pending`, without `ack_wait` and `max_deliver`.", "Give exactly those fields.";
};

#[cfg(test)]
mod tests {
    use watershed_wire::jetstream::error::table::ALL;

    use super::*;

    #[test]
    fn every_published_code_is_explained() {
        let missing: Vec<u16> = ALL
            .iter()
            .map(|coded| coded.code)
            .filter(|code| server_error(*code).is_none())
            .collect();
        assert_eq!(missing, [0; 0]);
        let unknown = SERVER_ERRORS.iter().flat_map(|error| error.codes);
        let unknown: Vec<&u16> =
            unknown.filter(|code| ALL.iter().all(|coded| coded.code != **code)).collect();
        assert_eq!(unknown, Vec::<&u16>::new());
    }
}
