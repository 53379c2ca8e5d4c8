//! The pages that are made of what the program itself says.

use std::fmt::Write as _;
use std::path::Path;

use watershed_topology::SourceMap;
use watershed_topology::json_schema::json_schema;
use watershed_topology::lint::{FILE_RULES, RULES, Rule};
use watershed_topology::read::{Document, read};

/// Holds a page against what it should be. `WATERSHED_WRITE=1` writes it.
#[track_caller]
fn check(page: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    if std::env::var_os("WATERSHED_WRITE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "write it with WATERSHED_WRITE=1 cargo test -p watershed reference";
    assert!(found == expected, "docs/{page} is not what the program says; {hint}");
}

/// What a rule says about its own bad example.
fn finding(rule: &Rule) -> String {
    let mut sources = SourceMap::default();
    let text = format!("watershed: 1\nname: x\n{}", rule.bad);
    let file = sources.add("watershed.yaml", &text);
    let found = read(&sources, vec![Document::new(&sources, file)], Vec::new(), None);
    let own = found.diagnostics.iter().filter(|found| found.code == rule.code);
    own.map(|found| found.plain(&sources)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_rules_are_what_the_page_says() {
    let mut page = String::from(
        "# Rules of the linter\n\nMade from the rules themselves (`watershed explain CODE` says the \
         same). Severities are changed by `lint: { levels: { CODE: off } }`, and a finding is allowed \
         where it is by a comment: `# allow CODE: the reason`.\n",
    );
    for rule in RULES {
        let _ = writeln!(page, "\n## {} {}\n\n{}.", rule.code, rule.name, rule.severity.word());
        let _ = writeln!(page, "{}", rule.about);
        if let Some(says) = rule.server.sentence() {
            let _ = writeln!(page, "{says}");
        }
        let (bad, good) = (rule.bad.trim_end(), rule.good.trim_end());
        let _ = writeln!(page, "\n```yaml\n# wrong\n{bad}\n# right\n{good}\n```");
        let _ = writeln!(page, "\n```\n{}\n```", finding(rule));
    }
    page.push_str("\n# What is wrong with a file as a text\n");
    for rule in FILE_RULES {
        let _ = writeln!(page, "\n## {} {}\n\n{}", rule.code, rule.name, rule.about);
    }
    check("rules.md", &page);
}

#[test]
fn the_schema_is_what_files_are_read_by() {
    let schema = json_schema();
    check(
        "watershed.schema.json",
        &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()),
    );
}
