//! A drawing for Mermaid, which GitHub and GitLab show in Markdown.

use std::fmt::Write as _;

use crate::graph::{Graph, Kind, Node};

pub(crate) fn render(graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    let several = graph.groups.len() > 1;
    for (index, group) in graph.groups.iter().enumerate() {
        if several {
            let _ = writeln!(out, "  subgraph g{index} [{}]", text(&group.name));
        }
        for node in &group.nodes {
            let _ = writeln!(out, "  {}", shape(node));
        }
        if several {
            out.push_str("  end\n");
        }
    }
    for edge in &graph.edges {
        let arrow = if edge.aside { "-.->" } else { "-->" };
        let label =
            if edge.label.is_empty() { String::new() } else { format!("|{}|", text(&edge.label)) };
        let _ = writeln!(out, "  n{} {arrow}{label} n{}", edge.from, edge.to);
    }
    out
}

fn shape(node: &Node) -> String {
    let lines: Vec<String> =
        std::iter::once(&node.name).chain(&node.detail).map(|line| escaped(line)).collect();
    let label = format!("\"{}\"", lines.join("<br/>"));
    let (open, close) = match node.kind {
        Kind::Service => ("[", "]"),
        Kind::Stream => ("[(", ")]"),
        Kind::Bucket => ("[[", "]]"),
        Kind::Consumer => ("([", "])"),
    };
    format!("n{}{open}{label}{close}", node.id)
}

fn text(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Without what Mermaid or HTML would take for its own.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '#' => out.push_str("#35;"),
            '&' => out.push_str("#amp;"),
            '`' => out.push_str("#96;"),
            '*' => out.push_str("#42;"),
            '\n' | '\r' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}
