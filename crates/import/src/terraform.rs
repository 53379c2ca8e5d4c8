//! Terraform: resources `jetstream_stream`, `jetstream_consumer`, `jetstream_kv_bucket`,
//! `jetstream_obj_bucket`.
//!
//! Literals, sums and products of them and references between these resources are followed. What
//! comes from variables, functions or other resources is listed.

use hcl_edit::Span as _;
use hcl_edit::expr::{BinaryOperator, Expression, ObjectKey, Traversal, TraversalOperator};
use hcl_edit::structure::{Attribute, Block, Body, Structure};

use super::api::{attach, bucket, made};
use super::findings::line_start;
use super::importer::Importer;
use super::value::{Dialect, fields, grouped};
use watershed_topology::lower::Fields;
use watershed_topology::schema::{CONSUMER, Field, KEY_VALUE, OBJECT_STORE, STREAM};
use watershed_topology::source::{FileId, Span, Spanned, offset};
use watershed_topology::yaml::{Entry, Node, Scalar, Style, Value};

/// Brackets inside brackets; the parser goes as deep as the text does.
const DEPTH_MAX: usize = 64;

/// Attributes that have other names than the API's fields.
const RENAMED: &[(&str, &str)] = &[
    ("replicas", "num_replicas"),
    ("source", "sources"),
    ("max_delivery", "max_deliver"),
    ("delivery_subject", "deliver_subject"),
    ("delivery_group", "deliver_group"),
    ("ratelimit", "rate_limit_bps"),
    ("heartbeat", "idle_heartbeat"),
    ("memory", "mem_storage"),
    ("start_time", "opt_start_time"),
    ("stream_sequence", "opt_start_seq"),
    ("start_seq", "opt_start_seq"),
    ("max_bucket_size", "max_bytes"),
];

/// Attributes that are one field together.
const GROUPS: &[(&str, &str, &str)] = &[
    ("placement_cluster", "placement", "cluster"),
    ("placement_tags", "placement", "tags"),
    ("republish_source", "republish", "src"),
    ("republish_destination", "republish", "dest"),
    ("republish_headers_only", "republish", "headers_only"),
];

/// Attributes that are no fields.
const OTHERS: &[&str] =
    &["name", "stream_id", "durable_name", "id", "lifecycle", "depends_on", "provider"];

/// Takes in a Terraform file.
pub(super) fn module(importer: &mut Importer, file: FileId, text: &str) {
    let whole = Span { file, start: 0, end: 0 };
    if depth(text) > DEPTH_MAX {
        return importer
            .findings
            .skipped(whole, format!("more than {DEPTH_MAX} levels of nesting"));
    }
    let body = match hcl_edit::parser::parse_body(text) {
        Ok(body) => body,
        Err(error) => {
            let span = line_start(file, text, error.location().line());
            importer.recognized = true;
            return importer.findings.skipped(span, format!("invalid HCL: {}", error.message()));
        }
    };
    let mut module = Module { importer, file, body: &body };
    for block in body.iter().filter_map(Structure::as_block) {
        module.resource(block);
    }
}

/// The deepest that brackets stand in each other.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

struct Module<'a> {
    importer: &'a mut Importer,
    file: FileId,
    body: &'a Body,
}

impl Module<'_> {
    fn span(&self, range: Option<std::ops::Range<usize>>) -> Span {
        let range = range.unwrap_or_default();
        Span { file: self.file, start: offset(range.start), end: offset(range.end) }
    }

    fn resource(&mut self, block: &Block) {
        let [kind, _] = block.labels.as_slice() else { return };
        if block.ident.as_str() != "resource" {
            return;
        }
        let table = match kind.as_str() {
            "jetstream_stream" => STREAM,
            "jetstream_consumer" => CONSUMER,
            "jetstream_kv_bucket" => KEY_VALUE,
            "jetstream_obj_bucket" => OBJECT_STORE,
            _ => return,
        };
        self.importer.recognized = true;
        self.importer.findings.forget();
        let found = self.fields(&block.body, table);
        let name = |module: &mut Self, key: &str| {
            let attribute = attribute(&block.body, key)?;
            let span = module.span(attribute.value.span());
            let text = module.text(&attribute.value)?;
            Some(Spanned::new(text, span))
        };
        let own = if table.as_ptr() == CONSUMER.as_ptr() { "durable_name" } else { "name" };
        let Some(name_of) = name(self, own) else {
            let span = self.span(block.ident.span());
            let message = format!("a `{}` whose `{own}` is not known here", kind.as_str());
            return self.importer.findings.skipped(span, message);
        };
        match kind.as_str() {
            "jetstream_stream" => {
                // The provider's default, which is not the API's.
                let mut found = found;
                found.json.entry("allow_direct").or_insert_with(|| true.into());
                let stream = made(self.importer, name_of, found);
                self.importer.stream(stream);
            }
            "jetstream_consumer" => {
                // The provider's default, which is not the API's.
                let mut found = found;
                found.json.entry("ack_policy").or_insert_with(|| "explicit".into());
                found.json.entry("max_ack_pending").or_insert_with(|| 20_000.into());
                let Some(stream) = name(self, "stream_id") else {
                    let message =
                        format!("which stream `{}` is of is not known here", name_of.value);
                    return self.importer.findings.skipped(name_of.span, message);
                };
                attach(self.importer, &stream.value, name_of, found);
            }
            kind => bucket(self.importer, kind == "jetstream_kv_bucket", &name_of, found),
        }
    }

    fn fields(&mut self, body: &Body, table: &'static [Field]) -> Fields {
        let mut entries = self.entries(body);
        if table.as_ptr() != CONSUMER.as_ptr() {
            entries = grouped(entries, GROUPS);
        }
        let mut start = None;
        // Where a consumer starts is a switch each.
        entries.retain(|entry| {
            let policy = match entry.key.as_str() {
                "deliver_all" => "all",
                "deliver_last" => "last",
                "deliver_new" => "new",
                "deliver_last_per_subject" => "last_per_subject",
                _ => return true,
            };
            if matches!(&entry.node.value, Value::Scalar(scalar) if scalar.text == "true") {
                start = Some((policy, entry.node.span));
            }
            false
        });
        let mut no_ack = None;
        entries.retain(|entry| {
            let ack = entry.key == "ack";
            if ack {
                no_ack =
                    Some(matches!(&entry.node.value, Value::Scalar(one) if one.text == "false"));
            }
            !ack
        });
        let findings = &mut self.importer.findings;
        let mut found = fields(&entries, table, OTHERS, Dialect::Terraform, findings);
        if let Some((policy, span)) = start {
            found.json.insert("deliver_policy".into(), policy.into());
            found.places.insert("deliver_policy".into(), span);
        } else if found.json.contains_key("opt_start_seq") {
            found.json.insert("deliver_policy".into(), "by_start_sequence".into());
        } else if found.json.contains_key("opt_start_time") {
            found.json.insert("deliver_policy".into(), "by_start_time".into());
        }
        if let Some(no_ack) = no_ack {
            found.json.insert("no_ack".into(), no_ack.into());
        }
        found
    }

    /// The attributes of a body, and its blocks as mappings: several of a kind are a list.
    fn entries(&mut self, body: &Body) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for structure in body {
            let (key, key_span, node) = match structure {
                Structure::Attribute(attribute) => {
                    let span = self.span(attribute.key.span());
                    let key = attribute.key.as_str();
                    if OTHERS.contains(&key) {
                        continue;
                    }
                    let Some(node) = self.node(&attribute.value) else {
                        let message = format!("what `{key}` is, is not known here");
                        self.importer.findings.skipped(span, message);
                        continue;
                    };
                    (key, span, node)
                }
                Structure::Block(block) => {
                    let span = self.span(block.ident.span());
                    let mut inner = self.entries(&block.body);
                    // `name` is a field of an origin.
                    if let Some(attribute) = attribute(&block.body, "name")
                        && let Some(node) = self.node(&attribute.value)
                    {
                        let key_span = self.span(attribute.key.span());
                        inner.push(Entry { key: "name".into(), key_span, node });
                    }
                    (block.ident.as_str(), span, Node { span, value: Value::Mapping(inner) })
                }
            };
            let name = RENAMED.iter().find(|(own, _)| *own == key).map_or(key, |(_, api)| *api);
            let list = name == "sources";
            match entries.iter_mut().find(|entry| entry.key == name) {
                Some(Entry { node: Node { value: Value::Sequence(items), .. }, .. }) => {
                    items.push(node);
                }
                Some(_) => {}
                None => {
                    let span = node.span;
                    let list = list && !matches!(node.value, Value::Sequence(_));
                    let value = if list { Value::Sequence(vec![node]) } else { node.value };
                    entries.push(Entry { key: name.into(), key_span, node: Node { span, value } });
                }
            }
        }
        entries
    }

    /// An expression as a node, if its value is known.
    fn node(&mut self, expression: &Expression) -> Option<Node> {
        let span = self.span(expression.span());
        let value = match expression {
            Expression::Array(array) => {
                Value::Sequence(array.iter().filter_map(|item| self.node(item)).collect())
            }
            Expression::Object(object) => {
                let mut entries = Vec::new();
                for (key, value) in object {
                    let key = match key {
                        ObjectKey::Ident(ident) => ident.as_str().to_owned(),
                        ObjectKey::Expression(key) => self.text(key)?,
                    };
                    let node = self.node(value.expr())?;
                    entries.push(Entry { key, key_span: span, node });
                }
                Value::Mapping(entries)
            }
            Expression::Parenthesis(inner) => return self.node(inner.inner()),
            _ => {
                let text = self.text(expression)?;
                Value::Scalar(Scalar { text, style: Style::Plain })
            }
        };
        Some(Node { span, value })
    }

    /// A value as text.
    fn text(&mut self, expression: &Expression) -> Option<String> {
        match expression {
            Expression::Bool(value) => Some(value.to_string()),
            Expression::String(text) => Some(text.as_str().to_owned()),
            Expression::Traversal(traversal) => self.reference(traversal),
            _ => number(expression).map(|number| number.to_string()),
        }
    }

    /// `jetstream_stream.NAME.id`: the name of the stream that is declared under that name.
    fn reference(&mut self, traversal: &Traversal) -> Option<String> {
        let Expression::Variable(kind) = &traversal.expr else { return None };
        let [label, which] = traversal.operators.as_slice() else { return None };
        let name = |operator: &TraversalOperator| match operator {
            TraversalOperator::GetAttr(ident) => Some(ident.as_str().to_owned()),
            _ => None,
        };
        let (label, which) = (name(label.value())?, name(which.value())?);
        if !matches!(which.as_str(), "id" | "name") {
            return None;
        }
        let body = self.body;
        let block = body.iter().filter_map(Structure::as_block).find(|block| {
            let labels: Vec<&str> =
                block.labels.iter().map(hcl_edit::structure::BlockLabel::as_str).collect();
            labels == [kind.as_str(), label.as_str()]
        })?;
        let value = &attribute(&block.body, "name")?.value;
        // A name that is a reference itself leads nowhere that is known.
        value.as_str().map(str::to_owned)
    }
}

fn attribute<'b>(body: &'b Body, key: &str) -> Option<&'b Attribute> {
    body.iter().filter_map(Structure::as_attribute).find(|attribute| attribute.key.as_str() == key)
}

/// A whole number, or a sum or product of some.
fn number(expression: &Expression) -> Option<i64> {
    match expression {
        Expression::Number(number) => number.value().as_i64(),
        Expression::Parenthesis(inner) => number(inner.inner()),
        Expression::UnaryOp(operation) => number(&operation.expr)?.checked_neg(),
        Expression::BinaryOp(operation) => {
            let (left, right) = (number(&operation.lhs_expr)?, number(&operation.rhs_expr)?);
            match operation.operator.value() {
                BinaryOperator::Plus => left.checked_add(right),
                BinaryOperator::Minus => left.checked_sub(right),
                BinaryOperator::Mul => left.checked_mul(right),
                BinaryOperator::Div => left.checked_div(right),
                _ => None,
            }
        }
        _ => None,
    }
}
