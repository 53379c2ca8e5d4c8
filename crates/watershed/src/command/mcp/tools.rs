//! The tools that an agent is offered, each a command of this program.

use std::sync::Arc;

use rmcp::model::{Tool as Described, ToolAnnotations};
use serde_json::{Map, Value as Json, json};

/// What a tool does to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Reads,
    /// Nothing, and it shows what others have published.
    Shows,
    /// It changes it.
    Changes,
}

/// A tool.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    description: &'static str,
    /// The command, with the flags that it always has.
    pub(super) command: &'static [&'static str],
    pub(super) parameters: &'static [Parameter],
}

/// What can be said to a tool.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    description: &'static str,
    /// The flag before it, if it has one.
    pub(super) flag: Option<&'static str>,
    pub(super) is_required: bool,
    pub(super) is_list: bool,
    /// Whether it is a path, which must be in the folder.
    pub(super) is_path: bool,
}

const OPTIONAL: Parameter = Parameter {
    name: "",
    description: "",
    flag: None,
    is_required: false,
    is_list: false,
    is_path: false,
};

const TOPOLOGY: Parameter = Parameter {
    name: "topology",
    description: "topology file, or a folder whose files are one topology [default: the current folder]",
    is_path: true,
    ..OPTIONAL
};

const FILE: Parameter = Parameter {
    flag: Some("--file"),
    description: "topology file that says which server [default: watershed.yaml]",
    ..TOPOLOGY
};

const fn filter(name: &'static str, flag: &'static str, description: &'static str) -> Parameter {
    Parameter { name, description, flag: Some(flag), ..OPTIONAL }
}

const fn required(name: &'static str, description: &'static str) -> Parameter {
    Parameter { name, description, is_required: true, ..OPTIONAL }
}

const fn files(description: &'static str) -> Parameter {
    Parameter { name: "files", description, is_list: true, is_path: true, ..OPTIONAL }
}

/// All of them.
pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "lint",
        kind: Kind::Reads,
        description: "What a server would refuse, ignore or destroy in topology files, with the place and a fix. Offline.",
        command: &["lint", "--json"],
        parameters: &[files("topology files, or folders of them [default: the current folder]")],
    },
    Tool {
        name: "explain",
        kind: Kind::Reads,
        description: "What a rule of the linter (such as S004) or an error code of the server (such as 10065) means.",
        command: &["explain"],
        parameters: &[required("what", "code of a rule or an error")],
    },
    Tool {
        name: "explain_subject",
        kind: Kind::Reads,
        description: "Who publishes a subject, which stream stores it, who gets it, in how many copies.",
        command: &["explain", "subject"],
        parameters: &[required("subject", "subject; may have wildcards"), TOPOLOGY],
    },
    Tool {
        name: "explain_user",
        kind: Kind::Reads,
        description: "What a user of the topology may do, and why.",
        command: &["explain", "user"],
        parameters: &[required("user", "name of the user"), TOPOLOGY],
    },
    Tool {
        name: "test",
        kind: Kind::Reads,
        description: "Plays the stories beside topology files: workers that fail, time that passes, restarts. Offline.",
        command: &["test", "--json"],
        parameters: &[files("topology files, or folders of them [default: the current folder]")],
    },
    Tool {
        name: "import",
        kind: Kind::Reads,
        description: "A topology from existing scripts, manifests, configurations and programs that use NATS. Runs nothing.",
        command: &["import"],
        parameters: &[Parameter {
            name: "files",
            is_required: true,
            ..files("files, or folders to search")
        }],
    },
    Tool {
        name: "plan",
        kind: Kind::Reads,
        description: "What would change on the server to make it what the topology says, and what would be lost.",
        command: &["plan", "--json"],
        parameters: &[TOPOLOGY],
    },
    Tool {
        name: "verify",
        kind: Kind::Reads,
        description: "Whether the server is what the topology says, and how full its streams are.",
        command: &["verify", "--json"],
        parameters: &[TOPOLOGY],
    },
    Tool {
        name: "status",
        kind: Kind::Reads,
        description: "Streams and consumers of the server as they are: messages, what waits, what is not acknowledged.",
        command: &["status", "--json"],
        parameters: &[FILE],
    },
    Tool {
        name: "doctor",
        kind: Kind::Reads,
        description: "Why nothing arrives, or arrives again and again: checks with evidence and what helps.",
        command: &["doctor", "--json"],
        parameters: &[TOPOLOGY],
    },
    Tool {
        name: "dead_letters",
        kind: Kind::Shows,
        description: "Messages that were given up, with the reason.",
        command: &["dead", "ls", "--json"],
        parameters: &[
            FILE,
            filter("stream", "--stream", "only of this stream"),
            filter(
                "consumer",
                "--consumer",
                "only of this consumer, as CONSUMER or STREAM/CONSUMER",
            ),
            filter(
                "since",
                "--since",
                "only what was given up since then: a time, or how long ago, such as 2h",
            ),
        ],
    },
    Tool {
        name: "dead_letter",
        kind: Kind::Shows,
        description: "A message that was given up: its headers, its payload, what its worker said.",
        command: &["dead", "show", "--json"],
        parameters: &[required("id", "its id, as `dead_letters` shows it"), FILE],
    },
    Tool {
        name: "messages",
        kind: Kind::Shows,
        description: "The newest messages of a stream.",
        command: &["view", "--json"],
        parameters: &[
            required("stream", "name of the stream"),
            filter("subject", "--subject", "only messages of this subject; may have wildcards"),
            filter("last", "--last", "how many [default: 10]"),
            FILE,
        ],
    },
    Tool {
        name: "apply",
        kind: Kind::Changes,
        description: "Makes the server what the topology says. What would lose messages is refused. `plan` shows it before.",
        command: &["apply", "--yes", "--json"],
        parameters: &[TOPOLOGY],
    },
];

impl Tool {
    pub(super) fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The tool in the protocol's words.
    pub(super) fn described(&self) -> Described {
        let properties: Map<String, Json> = self
            .parameters
            .iter()
            .map(|own| {
                let text = json!({"type": "string"});
                let mut schema =
                    if own.is_list { json!({"type": "array", "items": text}) } else { text };
                schema["description"] = own.description.into();
                (own.name.to_owned(), schema)
            })
            .collect();
        let required = self.parameters.iter().filter(|own| own.is_required).map(|own| own.name);
        let required: Vec<&str> = required.collect();
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        schema.insert("properties".into(), properties.into());
        schema.insert("required".into(), required.into());
        schema.insert("additionalProperties".into(), false.into());
        let reads = self.kind != Kind::Changes;
        Described::new(self.name, self.description, Arc::new(schema))
            .annotate(ToolAnnotations::new().read_only(reads).destructive(false))
    }
}
