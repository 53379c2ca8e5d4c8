//! Rust as its grammar has it, to what is common to the languages.
//!
//! The grammar reads the arguments of a macro as tokens; they are parsed again as a list of expressions.

use std::rc::Rc;

use tree_sitter::Node;

use super::syntax::{Argument, Call, Class, Expr, Field, Function, Kind, Parameter, Stmt, Target};
use super::tree::{DEPTH_MAX, Grammar, Source, parse, parts, unescaped};

pub(super) const GRAMMAR: Grammar = Grammar { statement, kind };

/// Longest arguments of a macro that are parsed, in bytes.
const MACRO_MAX: usize = 8 << 10;

/// Names of a path that are read.
const NAMES_MAX: usize = 16;

/// The statements of a block; its last expression is what it gives.
fn block(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let mut all = source.block(node, depth);
    let last = parts(node).pop().is_some_and(|one| {
        !one.kind().ends_with("_statement") && !one.kind().ends_with("_declaration")
    });
    if let (true, Some(Stmt::Expr(value))) = (last, all.last().cloned()) {
        all.pop();
        all.push(Stmt::Return(Some(value)));
    }
    all
}

fn statement(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let part = |name: &str| node.child_by_field_name(name);
    match node.kind() {
        "function_item" => vec![Stmt::Function(Rc::new(function(source, node, depth)))],
        "const_item" | "static_item" => match (part("name"), part("value")) {
            (Some(name), Some(value)) => {
                let target = Target::One(source.expr(name, depth));
                vec![Stmt::Assign(target, source.expr(value, depth))]
            }
            _ => Vec::new(),
        },
        "let_declaration" => match (part("pattern"), part("value")) {
            (Some(pattern), Some(value)) => {
                vec![Stmt::Assign(target(source, pattern, depth), source.expr(value, depth))]
            }
            _ => Vec::new(),
        },
        "impl_item" => implementation(source, node, depth),
        "mod_item" => {
            // Tests of a module stand in it.
            let name = part("name").map(|name| source.text(name)).unwrap_or_default();
            match part("body").filter(|_| !name.starts_with("test")) {
                Some(body) => source.block(body, depth),
                None => Vec::new(),
            }
        }
        "use_declaration"
        | "struct_item"
        | "enum_item"
        | "trait_item"
        | "type_item"
        | "attribute_item"
        | "inner_attribute_item" => Vec::new(),
        "expression_statement" | "declaration_list" | "ERROR" => source.block(node, depth),
        "if_expression" | "match_expression" => branches(source, node, depth),
        "for_expression" => {
            let pattern = part("pattern").map(|one| target(source, one, depth));
            let (Some(pattern), Some(value)) = (pattern, part("value")) else { return Vec::new() };
            let body = source.body(node, "body", depth);
            vec![Stmt::For(pattern, source.expr(value, depth), body)]
        }
        "while_expression" | "loop_expression" => {
            let body = source.body(node, "body", depth);
            vec![Stmt::Block(body)]
        }
        "block" | "unsafe_block" => vec![Stmt::Block(source.block(node, depth))],
        "assignment_expression" => match (part("left"), part("right")) {
            (Some(left), Some(right)) => {
                let target = Target::One(source.expr(left, depth));
                vec![Stmt::Assign(target, source.expr(right, depth))]
            }
            _ => Vec::new(),
        },
        "return_expression" => {
            vec![Stmt::Return(parts(node).first().map(|one| source.expr(*one, depth)))]
        }
        _ => vec![Stmt::Expr(source.expr(node, depth))],
    }
}

fn branches(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let part = |name: &str| node.child_by_field_name(name);
    if node.kind() == "match_expression" {
        let value = part("value").map(|one| Stmt::Expr(source.expr(one, depth)));
        let arms = part("body").map(parts).unwrap_or_default();
        let arms = arms
            .into_iter()
            .filter_map(|arm| Some(source.statement(arm.child_by_field_name("value")?, depth + 1)));
        let arms = Stmt::Branches(None, arms.collect());
        return value.into_iter().chain([arms]).collect();
    }
    let condition = part("condition").filter(|one| !one.kind().starts_with("let"));
    let tried = part("condition").and_then(|one| one.child_by_field_name("value"));
    let tried = tried.map(|one| Stmt::Expr(source.expr(one, depth)));
    let mut all = vec![part("consequence").map(|one| source.block(one, depth)).unwrap_or_default()];
    if let Some(other) = part("alternative") {
        all.push(source.block(other, depth));
    }
    let branches = Stmt::Branches(condition.map(|one| source.expr(one, depth)), all);
    tried.into_iter().chain([branches]).collect()
}

/// Methods and constants of a type.
fn implementation(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let name = node.child_by_field_name("type").map(|one| source.text(one)).unwrap_or_default();
    let name = name.split('<').next().unwrap_or_default();
    let source = Source { own: name, ..source };
    let mut class = Class { name: name.to_owned(), fields: Vec::new(), methods: Vec::new() };
    for one in node.child_by_field_name("body").map(parts).unwrap_or_default() {
        match one.kind() {
            "function_item" => class.methods.push(Rc::new(function(source, one, depth + 1))),
            "const_item" => {
                let Some(name) = one.child_by_field_name("name") else { continue };
                let value = one.child_by_field_name("value");
                let value = value.map(|one| source.expr(one, depth + 1));
                class.fields.push((source.text(name).to_owned(), value));
            }
            _ => {}
        }
    }
    vec![Stmt::Class(Rc::new(class))]
}

fn target(source: Source<'_>, node: Node<'_>, depth: usize) -> Target {
    match node.kind() {
        "tuple_pattern" | "slice_pattern" if depth <= DEPTH_MAX => {
            let all = parts(node).into_iter().map(|one| target(source, one, depth + 1));
            Target::Several(all.collect())
        }
        "identifier" => Target::One(source.name(node)),
        "mut_pattern" | "ref_pattern" | "reference_pattern" | "captured_pattern" => {
            parts(node).pop().map_or(Target::Nothing, |one| target(source, one, depth + 1))
        }
        _ => Target::Nothing,
    }
}

fn function(source: Source<'_>, node: Node<'_>, depth: usize) -> Function {
    let name = node.child_by_field_name("name").map(|one| source.text(one).to_owned());
    let (mut parameters, mut this) = (Vec::new(), None);
    for one in node.child_by_field_name("parameters").map(parts).unwrap_or_default() {
        let pattern = one.child_by_field_name("pattern").unwrap_or(one);
        if one.kind() == "self_parameter" {
            this = Some("self".to_owned());
            continue;
        }
        let name = source.text(pattern).trim_start_matches("mut ").to_owned();
        parameters.push(Parameter { name, default: None, rest: false });
    }
    let body = match node.child_by_field_name("body") {
        Some(inner) if inner.kind() == "block" => block(source, inner, depth + 1),
        Some(inner) => vec![Stmt::Return(Some(source.expr(inner, depth + 1)))],
        None => Vec::new(),
    };
    Function { name: name.unwrap_or_default(), this, parameters, body }
}

fn kind(source: Source<'_>, node: Node<'_>, depth: usize) -> Kind {
    let all = || parts(node).into_iter().map(|one| source.expr(one, depth)).collect::<Vec<_>>();
    let boxed = |name: &str| Some(Box::new(source.expr(node.child_by_field_name(name)?, depth)));
    let other = || Kind::Other(all());
    match node.kind() {
        "boolean_literal" => Kind::Bool(source.text(node) == "true"),
        "integer_literal" | "float_literal" => source.number(node),
        "string_literal" => Kind::Text(unescaped(inner(source.text(node)))),
        "raw_string_literal" => Kind::Text(inner(source.text(node)).to_owned()),
        "identifier"
        | "type_identifier"
        | "self"
        | "field_identifier"
        | "scoped_identifier"
        | "scoped_type_identifier" => path(source, node),
        "generic_function" => boxed("function").map_or_else(other, |one| one.kind),
        "field_expression" => match (boxed("value"), node.child_by_field_name("field")) {
            (Some(object), Some(name)) => Kind::Member(object, source.text(name).to_owned()),
            _ => other(),
        },
        "call_expression" => call(source, node, depth).map_or_else(other, called),
        "macro_invocation" => invoked(source, node, depth).unwrap_or_else(other),
        "array_expression" | "tuple_expression" => Kind::List(all()),
        "reference_expression" => boxed("value").map_or_else(other, |one| one.kind),
        "await_expression"
        | "try_expression"
        | "parenthesized_expression"
        | "type_cast_expression" => all().into_iter().next().map_or_else(other, |one| one.kind),
        "struct_expression" => structure(source, node, depth).unwrap_or_else(other),
        "binary_expression" => match (boxed("left"), boxed("right")) {
            (Some(left), Some(right)) => Kind::Binary(source.op(node), left, right),
            _ => other(),
        },
        "unary_expression" => match (source.text(node).chars().next(), all().pop()) {
            (Some('-'), Some(one)) => Kind::Minus(Box::new(one)),
            (Some('*'), Some(one)) => one.kind,
            _ => other(),
        },
        "index_expression" => match <[Expr; 2]>::try_from(all()) {
            Ok([value, index]) => Kind::Index(Box::new(value), Box::new(index)),
            Err(_) => other(),
        },
        "closure_expression" => Kind::Function(Rc::new(function(source, node, depth))),
        "async_block" | "block" | "unsafe_block" | "if_expression" | "match_expression" => {
            at_once(source, node, depth)
        }
        _ => other(),
    }
}

/// What stands between quotes, whatever stands before and behind them.
fn inner(text: &str) -> &str {
    let from = text.find('"').map_or(text.len(), |at| at + 1);
    let to = text.rfind('"').unwrap_or(text.len());
    text.get(from..to).unwrap_or_default()
}

/// `a::b::c`, with the name of the type for `Self`.
fn path(source: Source<'_>, node: Node<'_>) -> Kind {
    let text = source.text(node);
    let mut names = text.split("::").map(|name| name.split('<').next().unwrap_or_default().trim());
    let names = names.by_ref().filter(|name| !name.is_empty()).take(NAMES_MAX);
    let mut names = names.skip_while(|name| matches!(*name, "crate" | "super"));
    let first = names.next().unwrap_or_default();
    let first = if first == "Self" && !source.own.is_empty() { source.own } else { first };
    names.fold(Kind::Name(first.to_owned()), |kind, name| {
        Kind::Member(Box::new(source.at(node, kind)), name.to_owned())
    })
}

/// A block that stands where a value does: a function that is called at once.
fn at_once(source: Source<'_>, node: Node<'_>, depth: usize) -> Kind {
    let body = match node.kind() {
        "if_expression" | "match_expression" => branches(source, node, depth),
        "block" => block(source, node, depth),
        _ => parts(node).pop().map(|inner| block(source, inner, depth)).unwrap_or_default(),
    };
    let function = Function { body: body.into_iter().map(given).collect(), ..Function::default() };
    let callee = source.at(node, Kind::Function(Rc::new(function)));
    called(Call { callee, arguments: Vec::new() })
}

/// The last expression of a branch is what the branch gives.
fn given(statement: Stmt) -> Stmt {
    let Stmt::Branches(condition, branches) = statement else { return statement };
    let last = |mut branch: Vec<Stmt>| {
        if let Some(Stmt::Expr(value)) = branch.last().cloned() {
            branch.pop();
            branch.push(Stmt::Return(Some(value)));
        }
        branch
    };
    Stmt::Branches(condition, branches.into_iter().map(last).collect())
}

fn called(call: Call) -> Kind {
    Kind::Call(Box::new(call))
}

fn call(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Call> {
    let callee = source.expr(node.child_by_field_name("function")?, depth);
    let list = node.child_by_field_name("arguments")?;
    let argument = |one: Node<'_>| Argument::positional(source.expr(one, depth));
    Some(Call { callee, arguments: parts(list).into_iter().map(argument).collect() })
}

fn structure(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Kind> {
    let name = source.text(node.child_by_field_name("name")?);
    let name = if name == "Self" { source.own } else { name };
    let mut fields = Vec::new();
    for one in parts(node.child_by_field_name("body")?) {
        let field = match one.kind() {
            "field_initializer" => {
                let name = one.child_by_field_name("field")?;
                let value = source.expr(one.child_by_field_name("value")?, depth);
                let name_span = source.span(name);
                Field { name: Some(source.text(name).to_owned()), name_span, value }
            }
            "shorthand_field_initializer" => {
                let inner = one.named_child(0)?;
                let value = source.expr(inner, depth);
                Field { name: Some(source.text(inner).to_owned()), name_span: value.span, value }
            }
            "base_field_initializer" => {
                let value = source.expr(one.named_child(0)?, depth);
                Field { name: None, name_span: value.span, value }
            }
            _ => continue,
        };
        fields.push(field);
    }
    // What takes in the rest is behind, and counts less.
    fields.sort_by_key(|field| field.name.is_some());
    Some(Kind::Make(name.to_owned(), fields))
}

/// A macro: what is in its brackets, as arguments.
fn invoked(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Kind> {
    let name = source.text(node.child_by_field_name("macro")?);
    let tokens = parts(node).into_iter().find(|one| one.kind() == "token_tree")?;
    let text = source.text(tokens);
    let inside = text.get(1..text.len().checked_sub(1)?)?;
    if text.len() > MACRO_MAX || depth > DEPTH_MAX / 2 {
        return None;
    }
    let wrapped = format!("[{inside}];");
    let tree = parse(&tree_sitter_rust::LANGUAGE.into(), &wrapped)?;
    if tree.root_node().has_error() {
        return None;
    }
    let base = source.base + tokens.start_byte();
    let inner = Source { text: &wrapped, base, own: "", ..source };
    let list = parts(tree.root_node()).into_iter().next()?.named_child(0)?;
    // Each macro in another costs twice as much.
    let all: Vec<Expr> =
        parts(list).into_iter().map(|one| inner.expr(one, depth + DEPTH_MAX / 8)).collect();
    match name.rsplit("::").next().unwrap_or_default() {
        "vec" => Some(Kind::List(all)),
        "format" => formatted(inner, list, &all),
        _ => Some(Kind::Other(all)),
    }
}

/// `format!("a.{}.{name}", x)`.
fn formatted(source: Source<'_>, list: Node<'_>, all: &[Expr]) -> Option<Kind> {
    let nodes = parts(list);
    let (format, rest) = all.split_first()?;
    let Kind::Text(text) = &format.kind else { return None };
    let named = |name: &str| {
        nodes.iter().zip(all).find_map(|(node, value)| {
            let left = node.child_by_field_name("left")?;
            let right =
                matches!(value.kind, Kind::Other(_)).then(|| node.child_by_field_name("right"));
            (source.text(left) == name).then_some(())?;
            Some(source.expr(right??, DEPTH_MAX - 2))
        })
    };
    let mut next = rest.iter();
    let mut out = Vec::new();
    let mut left = text.as_str();
    let literal = |text: &str| Expr {
        span: format.span,
        kind: Kind::Text(text.replace("{{", "{").replace("}}", "}")),
    };
    while let Some(at) = left.find('{') {
        if left.get(at + 1..).is_some_and(|behind| behind.starts_with('{')) {
            out.push(literal(left.get(..at + 2).unwrap_or_default()));
            left = left.get(at + 2..).unwrap_or_default();
            continue;
        }
        out.push(literal(left.get(..at).unwrap_or_default()));
        let end = left.get(at..)?.find('}')? + at;
        let name = left.get(at + 1..end)?.split(':').next().unwrap_or_default();
        let value = match name.parse::<usize>() {
            Ok(index) => rest.get(index).cloned(),
            Err(_) if name.is_empty() => next.next().cloned(),
            Err(_) => named(name)
                .or_else(|| Some(Expr { span: format.span, kind: Kind::Name(name.to_owned()) })),
        };
        out.push(value?);
        left = left.get(end + 1..).unwrap_or_default();
    }
    out.push(literal(left));
    Some(Kind::Joined(out))
}
