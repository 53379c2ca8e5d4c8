//! How the author wants to be judged.

use regex_lite::Regex;
use serde_json::Value as Json;

use super::fields::Reader;
use crate::diagnostic::{Diagnostic, Severity};
use crate::lint::{RULES, find};
use crate::model::{Convention, LintSettings};
use crate::schema::{LINT, nearest};
use crate::source::Spanned;
use crate::yaml::Node;

pub(super) fn lint(reader: &mut Reader, node: &Node) -> LintSettings {
    let mut settings = LintSettings::default();
    let entries = reader.mapping(node, "`lint`");
    let fields = reader.fields(entries, &[LINT], &[], "`lint`");
    if let Some(text) = fields.json.get("target_version").and_then(Json::as_str) {
        match text.parse() {
            Ok(version) => settings.target_version = Some(version),
            Err(error) => {
                let span = fields.place("target_version");
                reader.error("F004", span, format!("{error}"));
            }
        }
    }
    let names = fields.json.get("names").and_then(Json::as_object);
    for (kind, pattern) in names.into_iter().flatten() {
        let span = fields.place(&format!("names.{kind}"));
        let text = pattern.as_str().unwrap_or_default();
        match Regex::new(&format!("^(?:{text})$")) {
            Ok(whole) => {
                let pattern = Spanned::new(text.to_owned(), span);
                settings.names.insert(kind.clone(), Convention { pattern, whole });
            }
            Err(error) => {
                reader.error("F004", span, format!("invalid regular expression `{text}`: {error}"));
            }
        }
    }
    let levels = entries.iter().find(|entry| entry.key == "levels");
    let levels = levels.map(|levels| reader.mapping(&levels.node, "`levels`"));
    for entry in levels.unwrap_or_default() {
        let Some(rule) = find(&entry.key) else {
            let message = format!("unknown rule `{}`", entry.key);
            let found = Diagnostic::new("F003", Severity::Error, entry.key_span, message);
            reader.push(match nearest(&entry.key, RULES.iter().map(|rule| rule.code)) {
                Some(meant) => found.fix(format!("did you mean `{meant}`?")),
                None => found,
            });
            continue;
        };
        let level = match reader.text(&entry.node, &entry.key).as_deref() {
            Some("error") => Some(Severity::Error),
            Some("warning") => Some(Severity::Warning),
            Some("info") => Some(Severity::Info),
            Some("off" | "allow") => None,
            Some(other) => {
                let message = format!(
                    "a level is `error`, `warning`, `info` or `off`, and this is `{other}`"
                );
                reader.error("F004", entry.node.span, message);
                continue;
            }
            None => continue,
        };
        settings.levels.insert(rule.code.to_owned(), level);
    }
    settings
}
