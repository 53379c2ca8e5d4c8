//! What is left of an output when everything is taken out that is never the same twice.

use std::net::SocketAddr;

use regex_lite::Regex;
use serde_json::Value;

/// What stands for a part of a line, in this order.
const PARTS: &[(&str, &str)] = &[
    // Times, zones and dates.
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|UTC|[+-]\d\d:?\d\d))?( UTC)?", "<time>"),
    (r"\b\d\d:\d\d:\d\d(\.\d+)?\b", "<time>"),
    // What was measured. What somebody has said has no more than one unit, or no fraction.
    (r"\b(\d+[dhm])*(\d+\.(\d[1-9]|[1-9]\d)\d*s|\d+(\.\d+)?(ns|µs|ms))", "<span>"),
    // Keys, and ids of the tool.
    (r"\b[A-Z]{1,2}[A-Z2-7]{54,55}\b", "<key>"),
    (r"\b_INBOX\.[A-Za-z0-9.]+", "<inbox>"),
    (r"\b[A-Za-z0-9]{22}\b", "<id>"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
    // Figures of one run.
    (r#""(rtt|seq|mem|cpu|cores|cid|port|id)": ?[\d.]+"#, "\"$1\":<n>"),
    (r#""(uptime|idle)": ?"[^"]*""#, "\"$1\":<n>"),
    (r"\b(cid:|Client ID: |ID: )\d+\b", "$1<n>"),
    (r"│ \d+ │ (.*127\.0\.0\.1):\d+ │", "│ <n> │ $1:<n> │"),
    (r"^(Uptime: ).*", "$1<n>"),
    (r"\d+\.\d+s\b", "<span>"),
    (r"\.tmp[A-Za-z0-9]{6}\b", "<folder>"),
    (r"(JS\.SNAPSHOT\.RESTORE\.[A-Z]+)\.[A-Za-z0-9]+", "$1.<id>"),
    // How wide a column is.
    (r"[─━═]+", "─"),
    (r"-{3,}", "---"),
    (r"\s+", " "),
];

pub(super) struct Normal {
    words: Vec<(String, &'static str)>,
    parts: Vec<(Regex, &'static str)>,
    header: Regex,
}

impl Normal {
    pub(super) fn new(server: &str, version: &str, address: SocketAddr) -> Self {
        let words = vec![
            (server.to_owned(), "<server>"),
            (address.to_string(), "<address>"),
            (address.port().to_string(), "<port>"),
            (version.to_owned(), "<version>"),
        ];
        let parts = PARTS.iter().map(|(regex, stands)| (Regex::new(regex).unwrap(), *stands));
        let header = Regex::new(r"^(<time> )?[A-Za-z][A-Za-z-]*: ").unwrap();
        Self { words, parts: parts.collect(), header }
    }

    /// The lines of a text that are worth a comparison.
    pub(super) fn lines(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        // The tool prints headers in any order; below a title they are indented.
        let (mut headers, mut titled) = (Vec::new(), false);
        for line in text.lines() {
            let normal = self.line(line);
            titled = normal == "Headers:"
                || titled && normal.is_empty()
                || titled && self.header.is_match(&normal);
            if self.header.is_match(&normal) && (titled || !line.starts_with(' ')) {
                headers.push(normal);
                continue;
            }
            headers.sort();
            lines.append(&mut headers);
            match serde_json::from_str::<Value>(line) {
                Ok(object @ Value::Object(_)) => {
                    let fields = serde_json::to_string_pretty(&object).unwrap();
                    lines.extend(fields.lines().map(|field| self.line(field)));
                }
                _ => lines.push(normal),
            }
        }
        headers.sort();
        lines.append(&mut headers);
        lines.retain(|line| !line.is_empty());
        lines
    }

    fn line(&self, line: &str) -> String {
        // The tool writes other spaces at random, so that nobody compares what it prints.
        let mut line = line.replace('\u{a0}', " ");
        for (word, stands) in &self.words {
            line = line.replace(word.as_str(), stands);
        }
        for (regex, stands) in &self.parts {
            line = regex.replace_all(&line, *stands).into_owned();
        }
        line.trim().to_owned()
    }
}
