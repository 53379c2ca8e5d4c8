//! How the author wants to be judged.

use serde_json::Value as Json;

use super::fields::Reader;
use crate::diagnostic::{Diagnostic, Severity};
use crate::lint::{RULES, find};
use crate::model::LintSettings;
use crate::schema::{LINT, nearest};
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
