//! A drawing for Graphviz.

use std::fmt::Write as _;

use crate::graph::{Graph, Kind};

pub(crate) fn render(graph: &Graph) -> String {
    let mut out = String::from(
        "digraph topology {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n",
    );
    for (index, group) in graph.groups.iter().enumerate() {
        let _ = writeln!(out, "  subgraph cluster_{index} {{\n    label={};", text(&group.name));
        for node in &group.nodes {
            let lines: Vec<&str> =
                std::iter::once(&node.name).chain(&node.detail).map(String::as_str).collect();
            let shape = match node.kind {
                Kind::Service => "box",
                Kind::Stream => "cylinder",
                Kind::Bucket => "folder",
                Kind::Consumer => "ellipse",
            };
            let _ = writeln!(
                out,
                "    n{} [shape={shape}, label={}];",
                node.id,
                text(&lines.join("\n"))
            );
        }
        out.push_str("  }\n");
    }
    for edge in &graph.edges {
        let style = if edge.aside { ", style=dashed" } else { "" };
        let _ =
            writeln!(out, "  n{} -> n{} [label={}{style}];", edge.from, edge.to, text(&edge.label));
    }
    out.push_str("}\n");
    out
}

/// A quoted string; lines end with `\n`.
fn text(text: &str) -> String {
    let escaped =
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
