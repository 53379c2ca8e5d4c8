//! Scripts inside other files: compose files, manifests, workflows, playbooks, Makefiles, Dockerfiles,
//! Markdown.
//!
//! A script that stands in its file to the byte is read at its places. One that is put together, of
//! the words of a list or with variables of another language, stands where its container does.

use std::fmt::Write as _;

use watershed_topology::source::{FileId, Span, offset};
use watershed_topology::yaml::{Node, Value, parse_all};

use super::importer::{Importer, Written};
use super::script::{Language, masked, of_word};
use super::shell::{self, Files};
use super::value::plain;

/// Keys whose text, or list of words, is a command.
const COMMANDS: &[&str] = &[
    "command",
    "args",
    "entrypoint",
    "run",
    "script",
    "shell",
    "cmd",
    "ansible.builtin.shell",
    "ansible.builtin.command",
    "before_script",
    "after_script",
];

/// Levels that are looked into.
const DEPTH_MAX: usize = 40;

/// Takes in the scripts of a document, wherever it has them.
pub(super) fn commands(importer: &mut Importer, files: Files<'_>, node: &Node, text: &str) {
    walk(importer, files, node, text, 0);
}

fn walk(importer: &mut Importer, files: Files<'_>, node: &Node, text: &str, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    match &node.value {
        Value::Mapping(entries) => {
            if let Some(span) = switched_on(node) {
                importer.jetstream.get_or_insert(span);
            }
            // An entrypoint and its words are one command.
            let joined = exec(node);
            if let Some((script, span)) = &joined {
                shell::put_together(importer, files, *span, script);
            }
            for entry in entries {
                let is = COMMANDS.contains(&entry.key.as_str());
                match &entry.node.value {
                    Value::Scalar(_) if is => inside(importer, files, &entry.node, text),
                    Value::Sequence(items) if is => {
                        for item in items.iter().filter(|_| joined.is_none()) {
                            match item.value {
                                Value::Scalar(_) => inside(importer, files, item, text),
                                _ => walk(importer, files, item, text, depth + 1),
                            }
                        }
                    }
                    _ => walk(importer, files, &entry.node, text, depth + 1),
                }
            }
        }
        Value::Sequence(items) => {
            for item in items {
                walk(importer, files, item, text, depth + 1);
            }
        }
        Value::Scalar(_) => {}
    }
}

/// Where the command of a server switches JetStream on.
fn switched_on(node: &Node) -> Option<Span> {
    let image = plain(&node.get("image")?.node)?;
    if !image.contains("nats") {
        return None;
    }
    let is_flag = |text: &str| {
        let mut words = text.split(|c: char| c.is_whitespace() || c == '=' || c == '"');
        words.any(|word| matches!(word, "-js" | "--js" | "-jetstream" | "--jetstream"))
    };
    ["entrypoint", "command", "args"].into_iter().find_map(|key| {
        let entry = node.get(key)?;
        let found = match &entry.node.value {
            Value::Sequence(items) => items.iter().filter_map(plain).any(is_flag),
            Value::Scalar(scalar) => is_flag(&scalar.text),
            Value::Mapping(_) => false,
        };
        found.then_some(entry.node.span)
    })
}

/// A command that is given as words, of which none is a script: `["nats", "stream", "add", …]`.
fn exec(node: &Node) -> Option<(String, Span)> {
    let list = |key: &str| -> Option<(Vec<String>, Span)> {
        let entry = node.get(key)?;
        let items: Vec<&Node> = match &entry.node.value {
            Value::Sequence(items) => items.iter().collect(),
            Value::Scalar(_) => vec![&entry.node],
            Value::Mapping(_) => return None,
        };
        let words: Option<Vec<String>> =
            items.iter().map(|one| plain(one).map(str::to_owned)).collect();
        Some((words?, entry.node.span))
    };
    let (mut words, mut span) = (Vec::new(), None);
    for key in ["entrypoint", "command", "args"] {
        if let Some((mut more, place)) = list(key) {
            words.append(&mut more);
            span = span.or(Some(place));
        }
    }
    let first = words.first()?;
    let tool = first == "nats" || first.ends_with("/nats");
    if !tool || words.len() < 3 {
        return None;
    }
    let quoted: Vec<String> =
        words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
    Some((quoted.join(" "), span?))
}

/// A text that is a script.
fn inside(importer: &mut Importer, files: Files<'_>, node: &Node, text: &str) {
    let Some(own) = plain(node).filter(|own| own.contains("nats")) else { return };
    // Where `$` is a sign of the container's own, two of them are one of the shell's.
    if own.contains("$$") {
        let script = own.replace("$$", "$");
        return shell::put_together(importer, files, node.span, &script);
    }
    match masked(node, text) {
        Some(inside) => shell::script(importer, files, node.span.file, &inside),
        None => shell::put_together(importer, files, node.span, own),
    }
}

/// Takes in a Makefile: the recipes, with variables of the file put in.
pub(super) fn makefile(importer: &mut Importer, files: Files<'_>, file: FileId, text: &str) {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut at = 0;
    let mut lines = text.split_inclusive('\n');
    while let Some(first) = lines.next() {
        let start = at;
        at += first.len();
        let mut line = first.trim_end_matches('\n').to_owned();
        while line.ends_with('\\') {
            let Some(next) = lines.next() else { break };
            at += next.len();
            line.truncate(line.len() - 1);
            line.push_str(next.trim_end_matches('\n').trim_start_matches('\t'));
        }
        if let Some(recipe) = line.strip_prefix('\t') {
            if !recipe.contains("nats") && !recipe.contains("$(") {
                continue;
            }
            let recipe = recipe.trim_start_matches(['@', '-', '+', ' ']);
            let script = made(recipe, &variables);
            if script.contains("nats") {
                let span = Span { file, start: offset(start), end: offset(start) };
                shell::put_together(importer, files, span, &script);
            }
        } else if let Some((name, value)) = line.split_once('=') {
            let name = name.trim_end_matches([':', '?', '+', ' ', '\t']).trim();
            if !name.is_empty() && !name.contains([' ', '\t', ':']) && variables.len() < 1000 {
                let value = made(value.trim(), &variables);
                variables.push((name.to_owned(), value));
            }
        }
    }
}

/// A text with variables of make put in; of those that are not known, the shell is left to say so.
fn made(text: &str, variables: &[(String, String)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
            continue;
        }
        let close = match rest.chars().next() {
            Some('(') => ')',
            Some('{') => '}',
            _ => {
                out.push('$');
                continue;
            }
        };
        let Some(end) = rest.find(close) else { break };
        let name = rest.get(1..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        match variables.iter().rfind(|(known, _)| known == name) {
            Some((_, value)) if out.len() < 64 * 1024 => out.push_str(value),
            _ => {
                let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
                let name: String = name.chars().map(plain).collect();
                let _ = write!(out, "${{{name}}}");
            }
        }
    }
    out.push_str(rest);
    out
}

/// Takes in a Dockerfile: `RUN`, `CMD` and `ENTRYPOINT`.
pub(super) fn dockerfile(importer: &mut Importer, files: Files<'_>, file: FileId, text: &str) {
    let mut masked = String::new();
    let mut goes_on = false;
    for line in text.split_inclusive('\n') {
        let word = ["RUN ", "CMD ", "ENTRYPOINT "].iter().find(|word| line.starts_with(**word));
        let continues = line.trim_end().ends_with('\\');
        let behind = word.map_or(0, |word| word.len());
        let own = line.get(behind..).unwrap_or_default();
        if word.is_some() && own.trim_start().starts_with('[') {
            // A list of words, as JSON.
            let (roots, _) = parse_all(file, own);
            let words: Vec<String> = match roots.first().map(|root| &root.value) {
                Some(Value::Sequence(items)) => {
                    items.iter().filter_map(|one| plain(one).map(str::to_owned)).collect()
                }
                _ => Vec::new(),
            };
            let quoted: Vec<String> =
                words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
            let start = offset(masked.len());
            let script = quoted.join(" ");
            if script.contains("nats") {
                shell::put_together(importer, files, Span { file, start, end: start }, &script);
            }
            masked.push_str(&blank(line));
        } else if word.is_some() || goes_on {
            masked.push_str(&" ".repeat(behind));
            masked.push_str(own);
        } else {
            masked.push_str(&blank(line));
        }
        goes_on = continues && (word.is_some() || goes_on);
    }
    if masked.contains("nats") {
        shell::script(importer, files, file, &masked);
    }
}

/// Takes in Markdown: blocks of code that are shell, and those that are programs.
pub(super) fn markdown(importer: &mut Importer, files: Files<'_>, file: FileId, text: &str) {
    let mut masked = String::new();
    let mut block = None;
    // The program that is read, and where it begins.
    let mut program: Option<(Language, String)> = None;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if let Some(language) = trimmed.strip_prefix("```") {
            let shell = matches!(language, "sh" | "bash" | "shell" | "console" | "zsh" | "");
            if let Some((language, text)) = program.take() {
                importer.programs.push(Written { file, language, text, block: true });
            } else if let (None, Some(language)) = (block, of_word(language)) {
                program = Some((language, blank(&masked)));
                if let Some((_, text)) = &mut program {
                    text.push_str(&blank(line));
                }
            }
            block = if block.is_some() { None } else { Some(shell) };
            masked.push_str(&blank(line));
            continue;
        }
        if let Some((_, text)) = &mut program {
            text.push_str(line);
        }
        if block == Some(true) {
            match line.strip_prefix("$ ") {
                Some(rest) => {
                    masked.push_str("  ");
                    masked.push_str(rest);
                }
                None => masked.push_str(line),
            }
        } else {
            masked.push_str(&blank(line));
        }
    }
    if masked.contains("nats") {
        shell::script(importer, files, file, &masked);
    }
}

/// White space in place of a line: as many bytes.
fn blank(line: &str) -> String {
    line.chars()
        .map(|c| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) })
        .collect()
}
