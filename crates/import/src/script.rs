//! Texts inside other texts: scripts and lists in manifests.

use watershed_topology::source::Span;
use watershed_topology::yaml::{Node, Style, Value};

/// Whether a file's name ends with one of these, after a dot.
pub(super) fn has_extension(name: &str, extensions: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
}

/// Whether a file is a shell script, by its name or its first line.
pub(super) fn is_script(name: &str, text: &str) -> bool {
    has_extension(name, &["sh", "bash"])
        || (text.starts_with("#!") && text.lines().next().is_some_and(|line| line.contains("sh")))
}

/// What a program is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Language {
    Python,
    Go,
    JavaScript,
    TypeScript,
    Tsx,
    Rust,
    Java,
}

/// The language that a word means: behind the sign of a block, or as the ending of a file.
pub(super) fn of_word(word: &str) -> Option<Language> {
    Some(match word {
        "py" | "python" | "python3" => Language::Python,
        "go" | "golang" => Language::Go,
        "js" | "mjs" | "cjs" | "jsx" | "javascript" => Language::JavaScript,
        "ts" | "mts" | "cts" | "typescript" => Language::TypeScript,
        "tsx" => Language::Tsx,
        "rs" | "rust" => Language::Rust,
        "java" => Language::Java,
        _ => return None,
    })
}

/// The language of a file, by its name.
pub(super) fn language(name: &str) -> Option<Language> {
    of_word(name.rsplit_once('.')?.1)
}

/// What holds scripts, and is known by its name.
pub(super) enum Container {
    Makefile,
    Dockerfile,
    Markdown,
}

/// What a file is, by its name, that holds scripts.
pub(super) fn container(name: &str) -> Option<Container> {
    let base = name.rsplit('/').next().unwrap_or_default();
    if base == "Makefile"
        || base == "GNUmakefile"
        || base == "makefile"
        || has_extension(base, &["mk"])
    {
        Some(Container::Makefile)
    } else if base.starts_with("Dockerfile")
        || base.starts_with("Containerfile")
        || has_extension(base, &["dockerfile"])
    {
        Some(Container::Dockerfile)
    } else if has_extension(base, &["md", "markdown"]) {
        Some(Container::Markdown)
    } else {
        None
    }
}

/// Where a file is a template of Helm, if it is one that has to do with this.
pub(super) fn template(name: &str, text: &str) -> Option<usize> {
    let lower = text.to_lowercase();
    let about = ["jetstream", "stream add", "str add", "consumer add", "con add", "kv add"];
    let helm = [".Values", ".Release.", "include \""];
    if !has_extension(name, &["yaml", "yml", "tpl"])
        || !lower.contains("nats")
        || !about.iter().any(|word| lower.contains(word))
        || !helm.iter().any(|word| text.contains(word))
    {
        return None;
    }
    // Workflows write `${{ … }}`, playbooks `{{ name }}`.
    let helm = |at: &usize| {
        let rest = text.get(at + 2..).unwrap_or_default();
        let rest = rest.trim_start_matches('-').trim_start();
        let words =
            [".Values", ".Release", ".Chart", "include ", "range ", "if ", "with ", "template "];
        let own = !text.get(..*at).unwrap_or_default().ends_with('$');
        own && words.iter().any(|word| rest.starts_with(word))
    };
    text.match_indices("{{").map(|(at, _)| at).find(helm)
}

/// The text of a block in a manifest, at the offsets that it has in the file: everything else is
/// white space. `None` for texts that are not written as they are.
pub(super) fn masked(node: &Node, text: &str) -> Option<String> {
    let Value::Scalar(scalar) = &node.value else { return None };
    let Span { start, end, .. } = node.span;
    let (start, end) = (start as usize, end as usize);
    let inner = text.get(start..end)?;
    let from = match scalar.style {
        // Behind the sign that begins it, and what says how it ends.
        Style::Block => start + inner.find('\n')?,
        Style::Plain => start,
        Style::Quoted => return quoted(text, start, end),
    };
    let mut masked = blank(text.get(..from)?);
    masked.push_str(text.get(from..end)?);
    Some(masked)
}

/// White space in place of a text: as many bytes, in as many lines.
fn blank(text: &str) -> String {
    let blank = |c: char| match c {
        '\n' => "\n".to_owned(),
        c => " ".repeat(c.len_utf8()),
    };
    text.chars().map(blank).collect()
}

/// What stands in quotes, where every sign of it stands at its own place: an escape is two bytes for
/// one, and white space is left in its stead. `None` if another escape is in it.
fn quoted(text: &str, start: usize, end: usize) -> Option<String> {
    let inner = text.get(start..end)?;
    let quote = inner.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let inner = inner.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut masked = blank(text.get(..=start)?);
    let mut rest = inner.chars().peekable();
    let mut open = false;
    while let Some(c) = rest.next() {
        match (quote, c, rest.peek()) {
            ('"', '\\', Some('"')) => {
                rest.next();
                // The space is outside of what these quotes are around.
                masked.push_str(if open { "\" " } else { " \"" });
                open = !open;
            }
            ('"', '\\', Some('n' | 't')) => {
                masked.push_str(if rest.next() == Some('n') { " \n" } else { "  " });
            }
            ('"', '\\', _) | ('\'', '\'', _) => return None,
            _ => masked.push(c),
        }
    }
    Some(masked)
}
