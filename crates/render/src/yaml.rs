//! JSON as YAML that people read: blocks, and long texts as they are.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// Keys that people write first; the others stay in their order.
const FIRST: [&str; 4] = ["apiVersion", "kind", "metadata", "name"];

/// The text of a document.
pub(crate) fn text(value: &Json) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

/// A value that begins on a line of its own.
fn block(out: &mut String, value: &Json, indent: usize) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            let mut fields: Vec<(&String, &Json)> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| {
                FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len())
            });
            for (key, value) in fields {
                let _ = write!(out, "{:indent$}{}:", "", scalar(key));
                after(out, value, indent, indent);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(out, "{:indent$}-", "");
                match item {
                    Json::Object(fields) if !fields.is_empty() => {
                        let mut inner = String::new();
                        block(&mut inner, item, indent + 2);
                        let _ = write!(out, " {}", inner.trim_start());
                    }
                    _ => after(out, item, indent, indent),
                }
            }
        }
        other => {
            let _ = writeln!(out, "{:indent$}{}", "", flow(other));
        }
    }
}

/// A value behind a key or a dash.
fn after(out: &mut String, value: &Json, indent: usize, list_indent: usize) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            block(out, value, indent + 2);
        }
        Json::Array(items) if !items.is_empty() => {
            if items.iter().all(|item| !item.is_object() && !item.is_array()) {
                let items: Vec<String> = items.iter().map(flow).collect();
                let _ = writeln!(out, " [{}]", items.join(", "));
                return;
            }
            out.push('\n');
            block(out, value, list_indent + 2);
        }
        Json::String(text) if text.contains('\n') && is_literal(text) => {
            out.push_str(" |\n");
            for line in text.lines() {
                if line.is_empty() {
                    out.push('\n');
                } else {
                    let _ = writeln!(out, "{:1$}{line}", "", indent + 2);
                }
            }
        }
        other => {
            let _ = writeln!(out, " {}", flow(other));
        }
    }
}

/// Whether a text comes back from a literal block as it is.
fn is_literal(text: &str) -> bool {
    text.ends_with('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control())
}

fn flow(value: &Json) -> String {
    match value {
        Json::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text: in quotes where it would be something else without.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let word = matches!(
        text.to_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
    );
    if begins && !word && text.chars().all(plain) {
        text.to_owned()
    } else {
        Json::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_lists_and_long_texts() {
        let value = json!({
            "a": {"b": [1, "two", "yes"], "c": [{"d": "x: y", "e": {"f": null}}, {"g": []}]},
            "text": "first\n  second\n\nlast\n",
            "odd": " leads\n",
            "empty": {},
        });
        insta::assert_snapshot!(text(&value), @r#"
        a:
          b: [1, two, "yes"]
          c:
            - d: "x: y"
              e:
                f: null
            - g: []
        empty: {}
        odd: " leads\n"
        text: |
          first
            second

          last
        "#);
    }
}
