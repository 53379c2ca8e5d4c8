//! Java as its grammar has it, to what is common to the languages.

use std::rc::Rc;

use tree_sitter::Node;

use super::syntax::{Argument, Call, Class, Function, Kind, Parameter, Stmt, Target};
use super::tree::{Grammar, Source, parts, unescaped};

pub(super) const GRAMMAR: Grammar = Grammar { statement, kind };

/// Names of a path that are read.
const NAMES_MAX: usize = 16;

/// The statements under a name: a block of them, or one alone.
fn body(source: Source<'_>, node: Node<'_>, name: &str, depth: usize) -> Vec<Stmt> {
    match node.child_by_field_name(name) {
        Some(one) if matches!(one.kind(), "block" | "constructor_body") => source.block(one, depth),
        Some(one) => source.statement(one, depth + 1),
        None => Vec::new(),
    }
}

fn statement(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let value = |name: &str| node.child_by_field_name(name).map(|one| source.expr(one, depth));
    match node.kind() {
        "class_declaration"
        | "record_declaration"
        | "enum_declaration"
        | "interface_declaration" => classes(source, node, depth),
        "method_declaration" => vec![Stmt::Function(Rc::new(function(source, node, depth)))],
        "local_variable_declaration" | "field_declaration" => declared(source, node, depth),
        "return_statement" => {
            vec![Stmt::Return(parts(node).first().map(|one| source.expr(*one, depth)))]
        }
        "enhanced_for_statement" => {
            let name = node.child_by_field_name("name").map(|one| source.name(one));
            let (Some(name), Some(items)) = (name, value("value")) else { return Vec::new() };
            vec![Stmt::For(Target::One(name), items, body(source, node, "body", depth))]
        }
        "for_statement" | "while_statement" | "do_statement" => {
            vec![Stmt::Block(body(source, node, "body", depth))]
        }
        "if_statement" => {
            let mut branches = vec![body(source, node, "consequence", depth)];
            if node.child_by_field_name("alternative").is_some() {
                branches.push(body(source, node, "alternative", depth));
            }
            vec![Stmt::Branches(value("condition"), branches)]
        }
        "switch_expression" => {
            let cases = node.child_by_field_name("body").map(parts).unwrap_or_default();
            let cases = cases.into_iter().map(|case| source.block(case, depth)).collect();
            vec![Stmt::Branches(None, cases)]
        }
        "try_statement" | "try_with_resources_statement" => tried(source, node, depth),
        "expression_statement" => {
            parts(node).into_iter().map(|one| simple(source, one, depth)).collect()
        }
        "block" | "labeled_statement" | "synchronized_statement" | "ERROR" => {
            source.block(node, depth)
        }
        "import_declaration" | "package_declaration" | "switch_label" => Vec::new(),
        _ => vec![Stmt::Expr(source.expr(node, depth))],
    }
}

fn tried(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let mut all = Vec::new();
    let resources = node.child_by_field_name("resources").map(parts).unwrap_or_default();
    for one in resources {
        if let (Some(name), Some(value)) =
            (one.child_by_field_name("name"), one.child_by_field_name("value"))
        {
            all.push(Stmt::Assign(Target::One(source.name(name)), source.expr(value, depth)));
        }
    }
    all.extend(body(source, node, "body", depth));
    let mut handlers = Vec::new();
    for one in parts(node) {
        match one.kind() {
            "catch_clause" => handlers.push(body(source, one, "body", depth)),
            "finally_clause" => all.extend(source.block(one, depth)),
            _ => {}
        }
    }
    if !handlers.is_empty() {
        all.push(Stmt::Branches(None, handlers));
    }
    all
}

fn simple(source: Source<'_>, node: Node<'_>, depth: usize) -> Stmt {
    let part = |name: &str| node.child_by_field_name(name).map(|one| source.expr(one, depth));
    if node.kind() != "assignment_expression" {
        return Stmt::Expr(source.expr(node, depth));
    }
    let op = node.child_by_field_name("operator").map(|one| source.text(one));
    match (part("left"), part("right"), op) {
        (Some(left), Some(right), Some("+=")) => Stmt::Add(left, right),
        (Some(left), Some(right), _) => Stmt::Assign(Target::One(left), right),
        _ => Stmt::Block(Vec::new()),
    }
}

fn declared(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let mut cursor = node.walk();
    let all: Vec<Node<'_>> = node.children_by_field_name("declarator", &mut cursor).collect();
    let one = |one: Node<'_>| {
        let name = source.name(one.child_by_field_name("name")?);
        let value = source.expr(one.child_by_field_name("value")?, depth);
        Some(Stmt::Assign(Target::One(name), value))
    };
    all.into_iter().filter_map(one).collect()
}

/// A class, and those that stand in it.
fn classes(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let name = node.child_by_field_name("name").map(|one| source.text(one).to_owned());
    let mut class =
        Class { name: name.unwrap_or_default(), fields: Vec::new(), methods: Vec::new() };
    let mut all = Vec::new();
    // What a record is made of are its fields.
    for one in node.child_by_field_name("parameters").map(parts).unwrap_or_default() {
        if let Some(name) = one.child_by_field_name("name") {
            class.fields.push((source.text(name).to_owned(), None));
        }
    }
    let members = node.child_by_field_name("body").map(parts).unwrap_or_default();
    let inner = members.iter().filter(|one| one.kind() == "enum_body_declarations");
    let inner: Vec<Node<'_>> = inner.flat_map(|one| parts(*one)).collect();
    for one in members.into_iter().chain(inner) {
        match one.kind() {
            "method_declaration" | "constructor_declaration" => {
                class.methods.push(Rc::new(function(source, one, depth + 1)));
            }
            "field_declaration" | "constant_declaration" => {
                let mut cursor = one.walk();
                for each in one.children_by_field_name("declarator", &mut cursor) {
                    let Some(name) = each.child_by_field_name("name") else { continue };
                    let value = each.child_by_field_name("value");
                    let value = value.map(|one| source.expr(one, depth + 1));
                    class.fields.push((source.text(name).to_owned(), value));
                }
            }
            "class_declaration"
            | "record_declaration"
            | "enum_declaration"
            | "interface_declaration" => all.extend(source.statement(one, depth + 1)),
            _ => {}
        }
    }
    all.push(Stmt::Class(Rc::new(class)));
    all
}

fn function(source: Source<'_>, node: Node<'_>, depth: usize) -> Function {
    let name = node.child_by_field_name("name").map(|one| source.text(one).to_owned());
    let name = match node.kind() {
        "constructor_declaration" => "constructor".to_owned(),
        _ => name.unwrap_or_default(),
    };
    let list = node.child_by_field_name("parameters");
    let parameters = match list {
        Some(one) if one.kind() == "identifier" => vec![one],
        Some(list) => parts(list),
        None => Vec::new(),
    };
    let parameter = |one: Node<'_>| {
        let rest = one.kind() == "spread_parameter";
        let inner = if rest { parts(one).pop()? } else { one };
        let name = inner.child_by_field_name("name").unwrap_or(inner);
        Some(Parameter { name: source.text(name).to_owned(), default: None, rest })
    };
    let parameters = parameters.into_iter().filter_map(parameter).collect();
    let body = match node.child_by_field_name("body") {
        Some(inner) if matches!(inner.kind(), "block" | "constructor_body") => {
            source.block(inner, depth + 1)
        }
        Some(inner) => vec![Stmt::Return(Some(source.expr(inner, depth + 1)))],
        None => Vec::new(),
    };
    let this = (node.kind() != "lambda_expression").then(|| "this".to_owned());
    Function { name, this, parameters, body }
}

fn kind(source: Source<'_>, node: Node<'_>, depth: usize) -> Kind {
    let all = || parts(node).into_iter().map(|one| source.expr(one, depth)).collect::<Vec<_>>();
    let boxed = |name: &str| Some(Box::new(source.expr(node.child_by_field_name(name)?, depth)));
    let other = || Kind::Other(all());
    match node.kind() {
        "null_literal" => Kind::Null,
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        "string_literal" => {
            let text = source.text(node).trim_matches('"');
            Kind::Text(unescaped(text))
        }
        kind if kind.ends_with("_literal") => source.number(node),
        "identifier" | "this" | "type_identifier" | "super" => {
            Kind::Name(source.text(node).to_owned())
        }
        "scoped_identifier" | "scoped_type_identifier" => {
            let mut names = source.text(node).split('.').map(str::trim).take(NAMES_MAX);
            let first = Kind::Name(names.next().unwrap_or_default().to_owned());
            names.fold(first, |kind, name| {
                Kind::Member(Box::new(source.at(node, kind)), name.to_owned())
            })
        }
        "field_access" => match (boxed("object"), node.child_by_field_name("field")) {
            (Some(object), Some(name)) => Kind::Member(object, source.text(name).to_owned()),
            _ => other(),
        },
        "array_access" => match (boxed("array"), boxed("index")) {
            (Some(value), Some(index)) => Kind::Index(value, index),
            _ => other(),
        },
        "method_invocation" | "object_creation_expression" => {
            call(source, node, depth).map_or_else(other, |call| Kind::Call(Box::new(call)))
        }
        "array_creation_expression" => boxed("value").map_or_else(other, |one| one.kind),
        "array_initializer" => Kind::List(all()),
        "parenthesized_expression" => all().pop().map_or_else(other, |one| one.kind),
        "cast_expression" => boxed("value").map_or_else(other, |one| one.kind),
        "binary_expression" => match (boxed("left"), boxed("right")) {
            (Some(left), Some(right)) => Kind::Binary(source.op(node), left, right),
            _ => other(),
        },
        "unary_expression" => match boxed("operand") {
            Some(inner) if source.text(node).starts_with('-') => Kind::Minus(inner),
            _ => other(),
        },
        "ternary_expression" => {
            match (boxed("condition"), boxed("consequence"), boxed("alternative")) {
                (Some(condition), Some(then), Some(otherwise)) => {
                    Kind::Choice(condition, then, otherwise)
                }
                _ => other(),
            }
        }
        "assignment_expression" => boxed("right").map_or_else(other, |one| one.kind),
        "lambda_expression" => Kind::Function(Rc::new(function(source, node, depth))),
        _ => other(),
    }
}

fn call(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Call> {
    let argument = |one: Node<'_>| Argument::positional(source.expr(one, depth));
    let given = node.child_by_field_name("arguments").map(parts).unwrap_or_default();
    let arguments = given.into_iter().map(argument).collect();
    if node.kind() == "object_creation_expression" {
        let made = node.child_by_field_name("type")?;
        let name = source.text(made).split('<').next().unwrap_or_default();
        let callee = source.at(made, Kind::Name(name.to_owned()));
        return Some(Call { callee, arguments });
    }
    let name = node.child_by_field_name("name")?;
    let callee = match node.child_by_field_name("object") {
        Some(object) => {
            let object = Box::new(source.expr(object, depth));
            source.at(name, Kind::Member(object, source.text(name).to_owned()))
        }
        None => source.name(name),
    };
    Some(Call { callee, arguments })
}
