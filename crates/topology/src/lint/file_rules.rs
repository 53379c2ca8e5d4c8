//! What is wrong with a file as a text, found while it is read.

/// A finding that reading a file can bring.
#[derive(Debug)]
pub struct FileRule {
    /// Code, forever.
    pub code: &'static str,
    /// Name, for people.
    pub name: &'static str,
    /// What it is about and what to do, in sentences.
    pub about: &'static str,
}

/// All of them, by code.
pub const FILE_RULES: &[FileRule] = &[
    FileRule {
        code: "A010",
        name: "stream-of-another-account",
        about: "A topology names a stream as its own that is one of another account. Accounts do not \
                see each other's streams: the API of the one has to be exported, and imported by the \
                other.",
    },
    FileRule {
        code: "A014",
        name: "import-not-allowed",
        about: "Of two accounts that are known together, one imports what the other does not export, \
                or not to it; or what is imported comes back to whom it is from. nats-server does \
                not start.",
    },
    FileRule {
        code: "F001",
        name: "not-yaml",
        about: "The file cannot be read as YAML. Subjects are a trap there: an unquoted `*` begins \
                an alias, a lone `>` a block of text. What follows such an error was not looked at.",
    },
    FileRule {
        code: "F002",
        name: "given-twice",
        about: "A key is given twice in one mapping, or in two files of one topology. Most readers \
                of YAML take the last one without a word.",
    },
    FileRule {
        code: "F003",
        name: "unknown-key",
        about: "Nothing is known under this key. nats-server before 2.12 drops what it does not \
                know, and the stream is not what its author thinks it is.",
    },
    FileRule {
        code: "F004",
        name: "wrong-value",
        about: "A value is not of the kind that its key takes.",
    },
    FileRule {
        code: "F005",
        name: "unclear-unit",
        about: "A number without a unit, or with one that tools disagree about. `10G` is 10*2^30 \
                bytes for the `nats` tool and 10*10^9 in nats.conf; a bare age is nanoseconds for \
                the API and seconds for nats-py. Write `10GiB` or `10GB`, `7d` or `30s`.",
    },
    FileRule { code: "F006", name: "missing", about: "A required value is missing." },
    FileRule {
        code: "F007",
        name: "not-built",
        about: "A key belongs to the language, and this version cannot do what it says yet.",
    },
    FileRule {
        code: "F008",
        name: "secret-in-file",
        about: "A secret is written into the file, where everybody who reads it or its history \
                finds it. Refer to it: `{ env: NAME }` or `{ file: PATH }`; a bcrypt hash may stand \
                in the file.",
    },
    FileRule {
        code: "F009",
        name: "unlimited-by-number",
        about: "`0` and `-1` mean no limit in the API, which nobody can tell from the number. \
                `unlimited` is the word for it.",
    },
    FileRule {
        code: "F010",
        name: "weak-hash",
        about: "The cost of a bcrypt hash is the work of trying one password, as a power of two. \
                Whoever has the file of a cheap one has the password soon.",
    },
    FileRule {
        code: "F011",
        name: "same-account",
        about: "Two topologies live in one account. One topology is one account: give one of them \
                another name, or another `account`.",
    },
    FileRule {
        code: "F012",
        name: "allowance",
        about: "A comment `# allow CODE: reason` allows nothing, allows it without a reason, or \
                names a rule that does not exist.",
    },
    FileRule {
        code: "F013",
        name: "not-read",
        about: "An import has marked something that it could not read (`# not read: …`), and nobody \
                has looked at it since. What it would have decided is not in the file: complete it, \
                and remove the comment.",
    },
    FileRule {
        code: "I001",
        name: "import-guess",
        about: "A foreign file says something that its format does not know, and it was taken for \
                what was probably meant.",
    },
    FileRule {
        code: "I002",
        name: "import-left-out",
        about: "Something in a foreign file was not understood, or cannot be known without running \
                it, and was left out.",
    },
    FileRule {
        code: "I003",
        name: "failure-hidden",
        about: "A script goes on, or says that all is well, when a command failed. An overlap, a \
                wrong flag, a full store: nobody is told, and the stream is missing, or not as it \
                should be.",
    },
    FileRule {
        code: "I004",
        name: "command-fails",
        about: "A command of a script fails whenever it runs where nobody answers its questions, or \
                has a flag that the tool does not know; a call of a program has a field that its \
                library does not know.",
    },
    FileRule {
        code: "I005",
        name: "defined-twice",
        about: "A stream or a consumer is defined more than once, by scripts, manifests or programs. \
                Which one wins depends on who comes first.",
    },
    FileRule {
        code: "I006",
        name: "quoted-variable",
        about: "nats.conf puts no variables into quotes: `\"$NAME\"` is that text. As a password, the \
                variable's value is refused, and the text itself lets everybody in who has read the \
                file.",
    },
    FileRule {
        code: "I007",
        name: "password-in-file",
        about: "A password stands in the file in the clear. nats-server takes a bcrypt hash instead, \
                or a variable.",
    },
    FileRule {
        code: "I008",
        name: "user-without-permissions",
        about: "Several users share an account, and this one is not restricted: it may delete every \
                stream. Declare who publishes and reads what, and permissions follow from it.",
    },
    FileRule {
        code: "I009",
        name: "permissions-incomplete",
        about: "A user may publish, or read, and lacks what goes with it on streams: acknowledgements \
                of publishes come to `_INBOX.>`, a consumer is asked on `$JS.API…` and told on \
                `$JS.ACK…`. Clients time out and try again, and messages are stored twice. Whoever \
                does not use streams needs none of it: allow the finding.",
    },
    FileRule {
        code: "I010",
        name: "duration-is-a-number",
        about: "Without quotes, `2m` is a number in nats.conf: two million, and for a duration two \
                million seconds. `sync_interval: 2m` syncs every 23 days. `2s`, `1h` and anything \
                in quotes are durations.",
    },
    FileRule {
        code: "I011",
        name: "server-does-not-start",
        about: "nats-server refuses a configuration with this in it, and does not start.",
    },
    FileRule {
        code: "I012",
        name: "jetstream-off",
        about: "JetStream is off where streams are to be made: for the whole server, or for each \
                account. An account has it only if it says so. Requests get error 10039, or no \
                answer at all.",
    },
    FileRule {
        code: "I013",
        name: "open-without-password",
        about: "`no_auth_user` is who connects without a password. Without permissions of their own \
                they may do everything in their account.",
    },
    FileRule {
        code: "I014",
        name: "sync-unsaid",
        about: "nats-server acknowledges a publish before it is on disk and syncs every two minutes, \
                unless `sync_interval` says otherwise. A stream of one copy loses what came since \
                when the machine goes down. (Watershed's own server syncs before it acknowledges.)",
    },
    FileRule {
        code: "I015",
        name: "script-deletes",
        about: "A script deletes or empties a stream. It does so whenever it runs, with whatever is in \
                the stream at that time; with a list of all streams for names, buckets go as well.",
    },
    FileRule {
        code: "I016",
        name: "test-is-delivered",
        about: "A script publishes a message to see whether publishing works. A stream stores it, and \
                a worker gets it as work. `nats pub` is content when nobody stores it, too. Which \
                stream stores a subject can be asked without publishing; a topology may name a \
                `probe` that `watershed verify` stores and takes out again.",
    },
    FileRule {
        code: "I017",
        name: "unit-of-library",
        about: "A client library takes durations in a unit of its own: nats-py seconds, JavaScript \
                nanoseconds, Go a `time.Duration`, which a bare number makes nanoseconds. The number \
                here makes sense in another unit only. Too large, the server refuses it with error \
                10025; too small, messages go before anybody has read them.",
    },
    FileRule {
        code: "I018",
        name: "push-and-pull",
        about: "A program wants messages pushed to it by a consumer that is a pull consumer, or pulls \
                from one that pushes. The call fails where the program starts.",
    },
    FileRule {
        code: "I019",
        name: "position-lost",
        about: "A consumer without a durable name goes with its client. The next one starts from the \
                beginning, with every message that is still stored.",
    },
    FileRule {
        code: "I020",
        name: "another-filter",
        about: "A client library that is given the name of an existing consumer uses it as it is. A \
                second subscription under the same name, for another subject, shares the first one's \
                messages, and its own subject is delivered to nobody. nats-py takes a queue group for \
                that name too.",
    },
    FileRule {
        code: "I021",
        name: "update-takes-back",
        about: "An update of a stream says all of it: what the call does not give goes back to its \
                default. Limits vanish, or the server refuses the update, because what it takes back \
                cannot be changed.",
    },
    FileRule {
        code: "I022",
        name: "consumer-for-each",
        about: "A durable consumer stays until somebody deletes it, unless it has an \
                `inactive_threshold`. Made with a new name each time, they pile up on the server, and \
                each holds back what a work queue or an interest stream keeps.",
    },
    FileRule {
        code: "I023",
        name: "used-undeclared",
        about: "A program beside the topology makes or uses a stream or a consumer that the topology does not \
                declare. Nobody reviews it, `plan` does not show it, and where nothing else makes it, the program \
                fails at its start.",
    },
    FileRule {
        code: "I024",
        name: "published-unstored",
        about: "A program beside the topology publishes a message and waits until it is stored, and no stream takes \
                that subject. The client library reports no responders, or a timeout.",
    },
    FileRule {
        code: "I025",
        name: "never-acknowledged",
        about: "A handler of messages acknowledges none of them on any path, and its consumer wants that of each. Every \
                message is delivered again after `ack_wait`, and given up after `max_deliver`. It is only said where \
                the whole handler stands in the program, and hands its message to nobody else.",
    },
    FileRule {
        code: "N003",
        name: "two-names",
        about: "A consumer's `durable_name` and `name` differ. The server refuses it with error 10132.",
    },
    FileRule {
        code: "U001",
        name: "not-in-up",
        about: "The embedded server does not support this yet, so `watershed up` does not start. \
                nats-server supports it: `watershed apply -s URL` takes the same file there. \
                `watershed lint --target up` reports it.",
    },
];
