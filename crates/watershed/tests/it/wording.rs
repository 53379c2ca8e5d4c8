//! What people read is plain English: help texts, messages, rules, pages.
//!
//! `tests/wording.txt` lists the texts that are still to be written better. The list only shrinks: an
//! entry that is not needed any more fails the test, too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::server::succeed;

/// Words that have a better form, and that form.
const PATTERNS: &[(&str, &str)] = &[
    ("is no", "invalid X, not an X"),
    ("has no", "unknown X, missing X, without X"),
    ("if absent", "[default: …]"),
    ("so many", "N"),
    ("put right", "fixed"),
    ("for ever", "forever"),
];

/// Words that look like what is not meant.
const FINE: &[&str] = &["is no longer", "is no more"];

/// The patterns that a text has.
fn patterns(text: &str) -> Vec<&'static str> {
    let mut text = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    for fine in FINE {
        text = text.replace(fine, "");
    }
    let whole = |pattern: &&str| {
        text.match_indices(pattern).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + pattern.len()..]);
            !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
        })
    };
    PATTERNS.iter().map(|(pattern, _)| *pattern).filter(whole).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Files below a folder that end so, without tests.
fn files(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, end, found);
        } else if path.extension().is_some_and(|is| is == end) && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The texts in a source, but for comments.
fn texts(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['/', '"', '\'', 'r']) {
        let (before, from) = rest.split_at(at);
        let after = &from[1..];
        // A raw text is no name that ends with an r.
        let hashes = after.len() - after.trim_start_matches('#').len();
        let raw = from.starts_with('r')
            && after[hashes..].starts_with('"')
            && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        rest = if from.starts_with("//") {
            from.find('\n').map_or("", |end| &from[end..])
        } else if from.starts_with("/*") {
            from.find("*/").map_or("", |end| &from[end + 2..])
        } else if raw {
            let text = &after[hashes + 1..];
            let end = format!("\"{}", "#".repeat(hashes));
            let (text, rest) = text.split_once(&end).unwrap_or((text, ""));
            found.push(text.to_owned());
            rest
        } else if from.starts_with('"') {
            let (text, rest) = quoted(after);
            found.push(text);
            rest
        } else if let Some(behind) = from.strip_prefix("'\"'") {
            behind
        } else if from.starts_with("'\\") {
            // A character; of others the first letter is passed over, as of a lifetime.
            after[2..].find('\'').map_or("", |end| &after[end + 3..])
        } else {
            after
        };
    }
    found
}

/// A text up to its closing quote, and what comes behind that.
fn quoted(source: &str) -> (String, &str) {
    let mut text = String::new();
    let mut rest = source;
    while let Some(at) = rest.find(['\\', '"']) {
        text += &rest[..at];
        let (sign, after) = rest[at..].split_at(1);
        if sign == "\"" {
            return (text, after);
        }
        let mut signs = after.chars();
        rest = match signs.next() {
            // A line that goes on in the next one goes on at its first word.
            Some('\n') => after.trim_start(),
            Some('n') => {
                text.push(' ');
                signs.as_str()
            }
            Some(sign) => {
                text.push(sign);
                signs.as_str()
            }
            None => "",
        };
    }
    (text, "")
}

/// Every command's help.
fn helps() -> Vec<(String, String)> {
    let all = succeed(&["--help"]);
    let commands = all.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.trim().is_empty());
    let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 10, "{all}");
    let own = names.iter().filter(|name| **name != "help");
    own.map(|name| ((*name).to_owned(), succeed(&[name, "--help"]))).collect()
}

/// Whether a help text begins like `Shows streams` instead of `Show streams`.
fn is_third_person(help: &str) -> bool {
    let first = help.split_whitespace().next().unwrap_or_default();
    first.ends_with('s') && !first.ends_with("ss") && first.chars().all(char::is_alphabetic)
}

/// Everything that has a pattern: where, and the text in one line.
fn found() -> BTreeSet<String> {
    let root = root();
    let mut all = BTreeSet::new();
    let mut take = |place: &str, text: &str| {
        if !patterns(text).is_empty() {
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            all.insert(format!("{place}: {line}"));
        }
    };
    for krate in std::fs::read_dir(root.join("crates")).unwrap() {
        let mut sources = Vec::new();
        files(&krate.unwrap().path().join("src"), "rs", &mut sources);
        for path in sources {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            let source = std::fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for text in texts(code) {
                take(&name, &text);
            }
        }
    }
    let mut pages = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    files(&root.join("docs"), "md", &mut pages);
    for path in pages {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        // What the rules say is in the sources, and the page is made of it.
        if name != "docs/rules.md" {
            let page = std::fs::read_to_string(&path).unwrap();
            page.split("\n\n")
                .flat_map(|part| part.split("\n* "))
                .for_each(|part| take(&name, part));
        }
    }
    let helps = helps();
    for (command, help) in &helps {
        for part in help.split("\n\n").flat_map(|part| part.split("\n  ")) {
            take(&format!("watershed {command} --help"), part);
        }
    }
    for (command, help) in helps.iter().filter(|(_, help)| is_third_person(help)) {
        all.insert(format!("watershed {command} --help: {}", help.lines().next().unwrap()));
    }
    all
}

#[test]
fn what_people_read_is_plain_english() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wording.txt");
    let list = std::fs::read_to_string(list).unwrap();
    let allowed = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let allowed: BTreeSet<String> = allowed.map(str::to_owned).collect();
    let found = found();
    let lines =
        |set: Vec<&String>| set.iter().fold(String::new(), |all, line| all + "  " + line + "\n");
    let new = lines(found.difference(&allowed).collect());
    let hints: Vec<String> =
        PATTERNS.iter().map(|(pattern, better)| format!("`{pattern}`: {better}")).collect();
    assert!(new.is_empty(), "to be written better ({}):\n{new}", hints.join("; "));
    let gone = lines(allowed.difference(&found).collect());
    assert!(gone.is_empty(), "no longer there, so no longer in tests/wording.txt:\n{gone}");
}

#[test]
fn patterns_are_found() {
    let check = |text: &str, expected: &[&str]| assert_eq!(patterns(text), expected, "{text}");
    check("this is no\n    YAML", &["is no"]);
    check("Stays for ever", &["for ever"]);
    check("`A` has no `b`; c if absent", &["has no", "if absent"]);
    check("it is no longer there, for every one; this note", &[]);
    assert!(is_third_person("Shows streams") && !is_third_person("Show streams"));
    let source = r##"
//! "no"
#[error("a")] fn x<'a>() { let b = "b\n\"c\
    d"; /* "no" */ f(r"e", r#"f"#, '"', '\'', for_r, "g", '\u{22}', 'r', "h") }"##;
    assert_eq!(texts(source), ["a", "b \"cd", "e", "f", "g", "h"]);
}
