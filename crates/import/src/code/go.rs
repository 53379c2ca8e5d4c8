//! Go as its grammar has it, to what is common to the languages.

use std::rc::Rc;

use tree_sitter::Node;

use super::syntax::{Argument, Call, Class, Expr, Field, Function, Kind, Parameter, Stmt, Target};
use super::tree::{DEPTH_MAX, Grammar, Source, parts, unescaped};

pub(super) const GRAMMAR: Grammar = Grammar { statement, kind };

fn statement(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let one = |name: &str| node.child_by_field_name(name);
    let before = || one("initializer").map(|one| source.statement(one, depth)).unwrap_or_default();
    match node.kind() {
        "function_declaration" | "method_declaration" => {
            vec![Stmt::Function(Rc::new(function(source, node, depth)))]
        }
        "var_spec" | "const_spec" | "short_var_declaration" | "assignment_statement" => {
            assigned(source, node, depth)
        }
        "return_statement" => returned(source, node, depth),
        "for_statement" => looped(source, node, depth),
        "if_statement" => {
            let mut all = before();
            let mut branches = vec![source.body(node, "consequence", depth)];
            if let Some(other) = one("alternative") {
                branches.push(source.statement(other, depth + 1));
            }
            let condition = one("condition").map(|one| source.expr(one, depth));
            all.push(Stmt::Branches(condition, branches));
            all
        }
        "expression_switch_statement" | "type_switch_statement" | "select_statement" => {
            let mut all = before();
            let cases = parts(node).into_iter().filter(|one| one.kind().ends_with("_case"));
            let cases = cases.map(|case| source.block(case, depth + 1)).collect();
            all.push(Stmt::Branches(None, cases));
            all
        }
        "import_spec" => imported(source, node).into_iter().collect(),
        "package_clause" => Vec::new(),
        "type_spec" => {
            structure(source, node).map(|one| Stmt::Class(Rc::new(one))).into_iter().collect()
        }
        "block"
        | "statement_list"
        | "var_declaration"
        | "const_declaration"
        | "var_spec_list"
        | "import_declaration"
        | "import_spec_list"
        | "labeled_statement"
        | "expression_statement"
        | "defer_statement"
        | "go_statement"
        | "send_statement"
        | "expression_list"
        | "inc_statement"
        | "type_declaration"
        | "ERROR" => source.block(node, depth),
        _ => vec![Stmt::Expr(source.expr(node, depth))],
    }
}

/// A package, under the name that the file has for it.
fn imported(source: Source<'_>, node: Node<'_>) -> Option<Stmt> {
    let path = source.text(node.child_by_field_name("path")?).trim_matches(['"', '`']);
    let name = match node.child_by_field_name("name") {
        Some(name) => source.text(name),
        // Behind a path may stand its version.
        None => path.rsplit('/').find(|part| !is_version(part))?,
    };
    let name = name.strip_prefix("go-").or(name.strip_suffix(".go")).unwrap_or(name);
    Some(Stmt::Import(name.to_owned(), path.to_owned(), None))
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.parse::<u32>().is_ok())
}

/// The fields of a structure, in their order.
fn structure(source: Source<'_>, node: Node<'_>) -> Option<Class> {
    let name = source.text(node.child_by_field_name("name")?).to_owned();
    let made = node.child_by_field_name("type").filter(|one| one.kind() == "struct_type")?;
    let fields = field_names(source, made)?.into_iter().map(|one| (one, None)).collect();
    Some(Class { name, fields, methods: Vec::new() })
}

fn field_names(source: Source<'_>, made: Node<'_>) -> Option<Vec<String>> {
    let list = parts(made).into_iter().find(|one| one.kind() == "field_declaration_list")?;
    let mut fields = Vec::new();
    for field in parts(list) {
        let mut cursor = field.walk();
        let names = field.children_by_field_name("name", &mut cursor);
        fields.extend(names.map(|one| source.text(one).to_owned()));
    }
    Some(fields)
}

/// The expressions of a list, or the one that stands alone.
fn list(node: Node<'_>) -> Vec<Node<'_>> {
    if node.kind() == "expression_list" { parts(node) } else { vec![node] }
}

fn assigned(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let mut cursor = node.walk();
    let left: Vec<Node<'_>> = match node.child_by_field_name("left") {
        Some(left) => list(left),
        None => node.children_by_field_name("name", &mut cursor).filter(Node::is_named).collect(),
    };
    let right = node.child_by_field_name("right").or_else(|| node.child_by_field_name("value"));
    let Some(right) = right.map(list) else { return Vec::new() };
    let target = |one: &Node<'_>| match source.text(*one) {
        "_" => Target::Nothing,
        _ => Target::One(source.expr(*one, depth)),
    };
    let op = node.child_by_field_name("operator").map(|one| source.text(one));
    if let (Some("+="), [left], [right]) = (op, left.as_slice(), right.as_slice()) {
        return vec![Stmt::Add(source.expr(*left, depth), source.expr(*right, depth))];
    }
    if left.len() == right.len() {
        let both = left.iter().zip(&right);
        return both
            .map(|(left, right)| Stmt::Assign(target(left), source.expr(*right, depth)))
            .collect();
    }
    match right.as_slice() {
        [right] => {
            let all = left.iter().map(target).collect();
            vec![Stmt::Assign(Target::Several(all), source.expr(*right, depth))]
        }
        _ => Vec::new(),
    }
}

/// Of several values the first is what is returned; behind it stands an error.
fn returned(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let all = parts(node).first().map(|one| list(*one)).unwrap_or_default();
    let mut rest = all.iter().map(|one| source.expr(*one, depth));
    let first = rest.next();
    // `return nil, err` gives nothing.
    let nothing = first.as_ref().is_some_and(|one| matches!(one.kind, Kind::Null));
    let mut out: Vec<Stmt> = rest.map(Stmt::Expr).collect();
    match first {
        Some(first) if !nothing => out.push(Stmt::Return(Some(first))),
        _ => {}
    }
    out
}

fn looped(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let inner = source.body(node, "body", depth);
    let Some(range) = parts(node).into_iter().find(|one| one.kind() == "range_clause") else {
        return vec![Stmt::Block(inner)];
    };
    let Some(right) = range.child_by_field_name("right") else { return inner };
    let items = source.expr(right, depth);
    let left = range.child_by_field_name("left").map(list).unwrap_or_default();
    let mut targets: Vec<Target> = left
        .iter()
        .map(|one| match source.text(*one) {
            "_" => Target::Nothing,
            _ => Target::One(source.expr(*one, depth)),
        })
        .collect();
    // A range goes over pairs: an index or a key, and the value.
    targets.resize_with(2, || Target::Nothing);
    let span = items.span;
    let callee = Expr { span, kind: Kind::Name("$pairs".to_owned()) };
    let argument = Argument::positional(items);
    let call = Call { callee, arguments: vec![argument] };
    let pairs = Expr { span, kind: Kind::Call(Box::new(call)) };
    vec![Stmt::For(Target::Several(targets), pairs, inner)]
}

fn function(source: Source<'_>, node: Node<'_>, depth: usize) -> Function {
    let name = node.child_by_field_name("name").map(|one| source.text(one).to_owned());
    let names = |list: Node<'_>| -> Vec<Parameter> {
        parts(list)
            .into_iter()
            .flat_map(|one| {
                let rest = one.kind() == "variadic_parameter_declaration";
                let mut cursor = one.walk();
                let names: Vec<Node<'_>> =
                    one.children_by_field_name("name", &mut cursor).collect();
                names
                    .into_iter()
                    .map(|name| Parameter {
                        name: source.text(name).to_owned(),
                        default: None,
                        rest,
                    })
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let this = node.child_by_field_name("receiver").and_then(|one| names(one).pop());
    Function {
        name: name.unwrap_or_default(),
        this: this.map(|one| one.name),
        parameters: node.child_by_field_name("parameters").map(names).unwrap_or_default(),
        body: source.body(node, "body", depth + 1),
    }
}

fn kind(source: Source<'_>, node: Node<'_>, depth: usize) -> Kind {
    let all = || parts(node).into_iter().map(|one| source.expr(one, depth)).collect::<Vec<_>>();
    let boxed = |name: &str| Some(Box::new(source.expr(node.child_by_field_name(name)?, depth)));
    let other = || Kind::Other(all());
    match node.kind() {
        "nil" => Kind::Null,
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        "int_literal" | "float_literal" => source.number(node),
        "interpreted_string_literal" | "raw_string_literal" => {
            let text = source.text(node);
            let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
            let raw = node.kind() == "raw_string_literal";
            Kind::Text(if raw { inner.to_owned() } else { unescaped(inner) })
        }
        "identifier" | "field_identifier" | "package_identifier" | "type_identifier" => {
            Kind::Name(source.text(node).to_owned())
        }
        "selector_expression" => match (boxed("operand"), node.child_by_field_name("field")) {
            (Some(object), Some(name)) => Kind::Member(object, source.text(name).to_owned()),
            _ => other(),
        },
        "index_expression" => match (boxed("operand"), boxed("index")) {
            (Some(value), Some(index)) => Kind::Index(value, index),
            _ => other(),
        },
        "call_expression" | "type_conversion_expression" => {
            call(source, node, depth).map_or_else(other, |call| Kind::Call(Box::new(call)))
        }
        "composite_literal" => composite(source, node, depth),
        "literal_value" => elements(source, node, None, depth),
        "parenthesized_expression" | "literal_element" | "expression_list" => {
            all().drain(..).next().map_or(Kind::Null, |one| one.kind)
        }
        "unary_expression" => unary(source, node, boxed("operand")).unwrap_or_else(other),
        "binary_expression" => match (boxed("left"), boxed("right")) {
            (Some(left), Some(right)) => Kind::Binary(source.op(node), left, right),
            _ => other(),
        },
        "func_literal" => Kind::Function(Rc::new(function(source, node, depth))),
        "variadic_argument" => all().pop().map_or_else(other, |one| Kind::Spread(Box::new(one))),
        _ => other(),
    }
}

/// What a sign in front of something leaves of it: a pointer is what it points to.
fn unary(source: Source<'_>, node: Node<'_>, inner: Option<Box<Expr>>) -> Option<Kind> {
    let inner = inner?;
    match source.text(node).chars().next() {
        Some('&' | '*' | '+') => Some(inner.kind),
        Some('-') => Some(Kind::Minus(inner)),
        _ => Some(Kind::Other(vec![*inner])),
    }
}

fn call(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Call> {
    let argument = |one: Node<'_>| Argument::positional(source.expr(one, depth));
    if node.kind() == "type_conversion_expression" {
        let callee = source.name(node.child_by_field_name("type")?);
        let operand = argument(node.child_by_field_name("operand")?);
        return Some(Call { callee, arguments: vec![operand] });
    }
    let callee = source.expr(node.child_by_field_name("function")?, depth);
    let given = node.child_by_field_name("arguments")?;
    Some(Call { callee, arguments: parts(given).into_iter().map(argument).collect() })
}

/// A structure, a list or a map with its type.
fn composite(source: Source<'_>, node: Node<'_>, depth: usize) -> Kind {
    let (Some(made), Some(body)) =
        (node.child_by_field_name("type"), node.child_by_field_name("body"))
    else {
        return Kind::Other(Vec::new());
    };
    elements(source, body, Some(made), depth)
}

/// Key and value of an element.
fn pair(node: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
    Some((node.child_by_field_name("key")?, node.child_by_field_name("value")?))
}

/// What stands in brackets. Elements without a type of their own have that of their list.
fn elements(source: Source<'_>, body: Node<'_>, made: Option<Node<'_>>, depth: usize) -> Kind {
    if depth > DEPTH_MAX {
        return Kind::Other(Vec::new());
    }
    let inner = |name: &str| made.and_then(|made| made.child_by_field_name(name));
    let value = |node: Node<'_>, of: Option<Node<'_>>| {
        let node = if node.kind() == "literal_element" {
            node.named_child(0).unwrap_or(node)
        } else {
            node
        };
        match (node.kind(), of) {
            ("literal_value", of) => {
                // A list of pointers is one of what they point to.
                let of = of.map(|of| {
                    if of.kind() == "pointer_type" { of.named_child(0).unwrap_or(of) } else { of }
                });
                source.at(node, elements(source, node, of, depth + 1))
            }
            _ => source.expr(node, depth + 1),
        }
    };
    match made.map(|made| made.kind()) {
        Some("slice_type" | "array_type" | "implicit_length_array_type") => {
            let of = inner("element");
            Kind::List(
                parts(body)
                    .into_iter()
                    .map(|one| value(pair(one).map_or(one, |(_, value)| value), of))
                    .collect(),
            )
        }
        Some("map_type") => {
            let of = inner("value");
            let pairs = parts(body).into_iter().filter_map(pair);
            Kind::Map(pairs.map(|(key, one)| (Some(value(key, None)), value(one, of))).collect())
        }
        _ => {
            let name = made.map(|made| source.text(made).to_owned()).unwrap_or_default();
            // A structure without a name says itself what its fields are.
            let own = made.filter(|made| made.kind() == "struct_type");
            let own = own.and_then(|made| field_names(source, made)).unwrap_or_default();
            let mut fields = Vec::new();
            for (index, one) in parts(body).into_iter().enumerate() {
                let (name, name_node, one) = if let Some((key, value)) = pair(one) {
                    (source.text(key).to_owned(), key, value)
                } else {
                    let name = own.get(index).cloned();
                    (name.unwrap_or_else(|| format!("#{index}")), one, one)
                };
                let name_span = source.span(name_node);
                fields.push(Field { name: Some(name), name_span, value: value(one, None) });
            }
            Kind::Make(name, fields)
        }
    }
}
