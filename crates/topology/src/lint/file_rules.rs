//! What is wrong with a file as a text, found while it is read.

/// A finding that reading a file can bring.
#[derive(Debug)]
pub struct FileRule {
    /// Code, for ever.
    pub code: &'static str,
    /// Name, for people.
    pub name: &'static str,
    /// What it is about and what to do, in sentences.
    pub about: &'static str,
}

/// All of them, by code.
pub const FILE_RULES: &[FileRule] = &[
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
    FileRule {
        code: "F006",
        name: "missing",
        about: "Something that has no default is not given.",
    },
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
];
