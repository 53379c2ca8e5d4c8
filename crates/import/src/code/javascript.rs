//! JavaScript and TypeScript as their grammars have them, to what is common to the languages.

use std::rc::Rc;

use tree_sitter::Node;

use super::syntax::{Argument, Call, Class, Expr, Function, Kind, Parameter, Stmt, Target};
use super::tree::{DEPTH_MAX, Grammar, Source, parts, unescaped};

pub(super) const GRAMMAR: Grammar = Grammar { statement, kind };

/// The statements under a name: a block of them, or one alone.
fn body(source: Source<'_>, node: Node<'_>, name: &str, depth: usize) -> Vec<Stmt> {
    match node.child_by_field_name(name) {
        Some(one) if one.kind() == "statement_block" => source.block(one, depth),
        Some(one) => source.statement(one, depth + 1),
        None => Vec::new(),
    }
}

fn statement(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let value = |name: &str| node.child_by_field_name(name).map(|one| source.expr(one, depth));
    let one = match node.kind() {
        "function_declaration" | "generator_function_declaration" => {
            Stmt::Function(Rc::new(function(source, node, depth)))
        }
        "class_declaration" | "abstract_class_declaration" => {
            Stmt::Class(Rc::new(class(source, node, depth)))
        }
        "enum_declaration" => match enumeration(source, node, depth) {
            Some(class) => Stmt::Class(Rc::new(class)),
            None => return Vec::new(),
        },
        "variable_declarator" => return declared(source, node, depth),
        "return_statement" => Stmt::Return(parts(node).first().map(|one| source.expr(*one, depth))),
        "for_in_statement" => {
            let left = node.child_by_field_name("left").map(|one| target(source, one, depth));
            let (Some(left), Some(right)) = (left, value("right")) else { return Vec::new() };
            Stmt::For(left, right, body(source, node, "body", depth))
        }
        "for_statement" | "while_statement" | "do_statement" => {
            let before = node.child_by_field_name("initializer");
            let mut all = before.map(|one| source.statement(one, depth)).unwrap_or_default();
            all.extend(body(source, node, "body", depth));
            Stmt::Block(all)
        }
        "if_statement" => {
            let mut branches = vec![body(source, node, "consequence", depth)];
            if let Some(other) = node.child_by_field_name("alternative") {
                branches.push(source.block(other, depth));
            }
            Stmt::Branches(value("condition"), branches)
        }
        "switch_statement" => {
            let cases = node.child_by_field_name("body").map(parts).unwrap_or_default();
            Stmt::Branches(None, cases.into_iter().map(|case| source.block(case, depth)).collect())
        }
        "try_statement" => tried(source, node, depth),
        "import_statement" => return imports(source, node),
        "expression_statement" => {
            return parts(node).into_iter().map(|one| simple(source, one, depth)).collect();
        }
        "export_statement"
        | "lexical_declaration"
        | "variable_declaration"
        | "statement_block"
        | "labeled_statement"
        | "ambient_declaration"
        | "internal_module"
        | "module"
        | "ERROR" => {
            return source.block(node, depth);
        }
        "type_alias_declaration" | "interface_declaration" | "empty_statement" => {
            return Vec::new();
        }
        _ => Stmt::Expr(source.expr(node, depth)),
    };
    vec![one]
}

fn tried(source: Source<'_>, node: Node<'_>, depth: usize) -> Stmt {
    let mut all = body(source, node, "body", depth);
    if let Some(handler) = node.child_by_field_name("handler") {
        all.push(Stmt::Branches(None, vec![body(source, handler, "body", depth)]));
    }
    if let Some(last) = node.child_by_field_name("finalizer") {
        all.extend(body(source, last, "body", depth));
    }
    Stmt::Block(all)
}

fn simple(source: Source<'_>, node: Node<'_>, depth: usize) -> Stmt {
    let part = |name: &str| node.child_by_field_name(name);
    match (node.kind(), part("left"), part("right")) {
        ("assignment_expression", Some(left), Some(right)) => {
            Stmt::Assign(target(source, left, depth), source.expr(right, depth))
        }
        ("augmented_assignment_expression", Some(left), Some(right)) => {
            Stmt::Add(source.expr(left, depth), source.expr(right, depth))
        }
        _ => Stmt::Expr(source.expr(node, depth)),
    }
}

/// `const a = …`, `const { a, b: c } = …`, `const [a, b] = …`.
fn declared(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let (Some(name), Some(value)) =
        (node.child_by_field_name("name"), node.child_by_field_name("value"))
    else {
        return Vec::new();
    };
    let value = source.expr(value, depth);
    // A module that is loaded as it was before there were imports.
    if let Some(module) = required(&value) {
        let all = names(source, name);
        return all
            .into_iter()
            .map(|(own, local)| Stmt::Import(local, module.clone(), own))
            .collect();
    }
    if name.kind() != "object_pattern" {
        return vec![Stmt::Assign(target(source, name, depth), value)];
    }
    let member = |(own, local): (Option<String>, String)| {
        let kind = Kind::Member(Box::new(value.clone()), own.unwrap_or_else(|| local.clone()));
        let place = source.at(name, Kind::Name(local));
        Stmt::Assign(Target::One(place), Expr { span: value.span, kind })
    };
    names(source, name).into_iter().map(member).collect()
}

/// The module of `require("…")`.
fn required(value: &Expr) -> Option<String> {
    let Kind::Call(call) = &value.kind else { return None };
    match (&call.callee.kind, call.arguments.as_slice()) {
        (Kind::Name(name), [Argument { value, .. }]) if name == "require" => match &value.kind {
            Kind::Text(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The names that a pattern gives: what each is called there, and here.
fn names(source: Source<'_>, node: Node<'_>) -> Vec<(Option<String>, String)> {
    let text = |node: Node<'_>| source.text(node).to_owned();
    if node.kind() != "object_pattern" {
        return vec![(None, text(node))];
    }
    let one = |part: Node<'_>| match part.kind() {
        "shorthand_property_identifier_pattern" => Some((Some(text(part)), text(part))),
        "object_assignment_pattern" => {
            let left = part.child_by_field_name("left")?;
            Some((Some(text(left)), text(left)))
        }
        "pair_pattern" => {
            let (own, local) =
                (part.child_by_field_name("key")?, part.child_by_field_name("value")?);
            Some((Some(text(own)), text(local)))
        }
        _ => None,
    };
    parts(node).into_iter().filter_map(one).collect()
}

fn target(source: Source<'_>, node: Node<'_>, depth: usize) -> Target {
    match node.kind() {
        "array_pattern" if depth <= DEPTH_MAX => {
            let all = parts(node).into_iter().map(|one| target(source, one, depth + 1));
            Target::Several(all.collect())
        }
        "object_pattern" => Target::Nothing,
        _ => Target::One(source.expr(node, depth)),
    }
}

fn imports(source: Source<'_>, node: Node<'_>) -> Vec<Stmt> {
    let Some(from) = node.child_by_field_name("source") else { return Vec::new() };
    let module = source.text(from).trim_matches(['"', '\'']).to_owned();
    let text = |node: Node<'_>| source.text(node).to_owned();
    let mut all = Vec::new();
    for clause in parts(node).into_iter().filter(|one| one.kind() == "import_clause") {
        for one in parts(clause) {
            match one.kind() {
                "namespace_import" => {
                    let name = one.named_child(0).map(text);
                    all.extend(name.map(|name| Stmt::Import(name, module.clone(), None)));
                }
                "named_imports" => {
                    for each in parts(one) {
                        let Some(name) = each.child_by_field_name("name").map(text) else {
                            continue;
                        };
                        let alias = each.child_by_field_name("alias").map(text);
                        let local = alias.unwrap_or_else(|| name.clone());
                        all.push(Stmt::Import(local, module.clone(), Some(name)));
                    }
                }
                _ => {}
            }
        }
    }
    all
}

fn function(source: Source<'_>, node: Node<'_>, depth: usize) -> Function {
    let name = node.child_by_field_name("name").map(|one| source.text(one).to_owned());
    let list = node.child_by_field_name("parameters").map(parts).unwrap_or_default();
    let alone = node.child_by_field_name("parameter");
    let mut parameters = Vec::new();
    let mut body_of = Vec::new();
    for one in list.into_iter().chain(alone) {
        let Some((parameter, own)) = parameter(source, one, depth) else { continue };
        // `constructor(private readonly js: JetStreamClient)` makes a field of it.
        if own {
            let this = Box::new(source.at(one, Kind::Name("this".to_owned())));
            let place = source.at(one, Kind::Member(this, parameter.name.clone()));
            let value = source.at(one, Kind::Name(parameter.name.clone()));
            body_of.push(Stmt::Assign(Target::One(place), value));
        }
        body_of.extend(taken_apart(source, one, &parameter.name));
        parameters.push(parameter);
    }
    match node.child_by_field_name("body") {
        Some(inner) if inner.kind() == "statement_block" => {
            body_of.extend(source.block(inner, depth + 1));
        }
        Some(inner) => body_of.push(Stmt::Return(Some(source.expr(inner, depth + 1)))),
        None => {}
    }
    let this = (node.kind() == "method_definition").then(|| "this".to_owned());
    Function { name: name.unwrap_or_default(), this, parameters, body: body_of }
}

/// What a parameter gives that is a pattern: `({ name, subjects })`, `([key, value])`.
fn taken_apart(source: Source<'_>, node: Node<'_>, name: &str) -> Vec<Stmt> {
    let pattern = ["pattern", "left"].iter().find_map(|part| node.child_by_field_name(part));
    let pattern = pattern.unwrap_or(node);
    let whole = source.at(pattern, Kind::Name(name.to_owned()));
    match pattern.kind() {
        "array_pattern" => vec![Stmt::Assign(target(source, pattern, 0), whole)],
        "object_pattern" => names(source, pattern)
            .into_iter()
            .map(|(own, local)| {
                let own = own.unwrap_or_else(|| local.clone());
                let value = source.at(pattern, Kind::Member(Box::new(whole.clone()), own));
                Stmt::Assign(Target::One(source.at(pattern, Kind::Name(local))), value)
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A parameter, and whether it is a field of the object too.
fn parameter(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<(Parameter, bool)> {
    let value = |name: &str| node.child_by_field_name(name).map(|one| source.expr(one, depth));
    let (name, default, own) = match node.kind() {
        "assignment_pattern" => (node.child_by_field_name("left")?, value("right"), false),
        "required_parameter" | "optional_parameter" => {
            let own = parts(node).iter().any(|one| one.kind() == "accessibility_modifier")
                || source.text(node).starts_with("readonly ");
            let name = node.child_by_field_name("pattern").or(node.child_by_field_name("name"))?;
            (name, value("value"), own)
        }
        _ => (node, None, false),
    };
    let rest = name.kind() == "rest_pattern";
    let name = if rest { name.named_child(0)? } else { name };
    Some((Parameter { name: source.text(name).to_owned(), default, rest }, own))
}

fn class(source: Source<'_>, node: Node<'_>, depth: usize) -> Class {
    let name = node.child_by_field_name("name").map(|one| source.text(one).to_owned());
    let mut class =
        Class { name: name.unwrap_or_default(), fields: Vec::new(), methods: Vec::new() };
    for one in node.child_by_field_name("body").map(parts).unwrap_or_default() {
        match one.kind() {
            "method_definition" => class.methods.push(Rc::new(function(source, one, depth + 1))),
            "field_definition" | "public_field_definition" => {
                let name = one.child_by_field_name("property").or(one.child_by_field_name("name"));
                let Some(name) = name else { continue };
                let value = one.child_by_field_name("value");
                let value = value.map(|one| source.expr(one, depth + 1));
                class.fields.push((source.text(name).to_owned(), value));
            }
            _ => {}
        }
    }
    class
}

fn enumeration(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Class> {
    let name = source.text(node.child_by_field_name("name")?).to_owned();
    let mut fields = Vec::new();
    for one in node.child_by_field_name("body").map(parts).unwrap_or_default() {
        let Some(name) = one.child_by_field_name("name") else { continue };
        let value = one.child_by_field_name("value").map(|one| source.expr(one, depth + 1));
        fields.push((source.text(name).to_owned(), value));
    }
    Some(Class { name, fields, methods: Vec::new() })
}

fn kind(source: Source<'_>, node: Node<'_>, depth: usize) -> Kind {
    let all = || parts(node).into_iter().map(|one| source.expr(one, depth)).collect::<Vec<_>>();
    let boxed = |name: &str| Some(Box::new(source.expr(node.child_by_field_name(name)?, depth)));
    let other = || Kind::Other(all());
    match node.kind() {
        "null" | "undefined" => Kind::Null,
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        "number" => source.number(node),
        "string" => {
            let text = source.text(node);
            Kind::Text(unescaped(text.get(1..text.len().saturating_sub(1)).unwrap_or_default()))
        }
        "template_string" => template(source, node, depth),
        "array" => Kind::List(all()),
        "object" => {
            Kind::Map(parts(node).into_iter().filter_map(|one| pair(source, one, depth)).collect())
        }
        "identifier"
        | "this"
        | "property_identifier"
        | "shorthand_property_identifier"
        | "super" => Kind::Name(source.text(node).to_owned()),
        "member_expression" => match (boxed("object"), node.child_by_field_name("property")) {
            (Some(object), Some(name)) => Kind::Member(object, source.text(name).to_owned()),
            _ => other(),
        },
        "subscript_expression" => match (boxed("object"), boxed("index")) {
            (Some(value), Some(index)) => Kind::Index(value, index),
            _ => other(),
        },
        "call_expression" | "new_expression" => {
            call(source, node, depth).map_or_else(other, |call| Kind::Call(Box::new(call)))
        }
        "await_expression"
        | "parenthesized_expression"
        | "non_null_expression"
        | "as_expression"
        | "satisfies_expression"
        | "type_assertion" => {
            // The value comes first; behind it stands a type.
            let value = if node.kind() == "type_assertion" {
                all().pop()
            } else {
                all().into_iter().next()
            };
            value.map_or_else(other, |one| one.kind)
        }
        "binary_expression" => match (boxed("left"), boxed("right")) {
            (Some(left), Some(right)) => binary(source, node, left, right),
            _ => other(),
        },
        "unary_expression" => match boxed("argument") {
            Some(inner) if source.text(node).starts_with('-') => Kind::Minus(inner),
            Some(inner) if source.text(node).starts_with('+') => inner.kind,
            _ => other(),
        },
        "ternary_expression" => {
            let parts = (boxed("condition"), boxed("consequence"), boxed("alternative"));
            let (Some(condition), Some(then), Some(otherwise)) = parts else { return other() };
            Kind::Choice(condition, then, otherwise)
        }
        "assignment_expression" => boxed("right").map_or_else(other, |one| one.kind),
        "arrow_function" | "function_expression" | "generator_function" => {
            Kind::Function(Rc::new(function(source, node, depth)))
        }
        "spread_element" => all().pop().map_or_else(other, |one| Kind::Spread(Box::new(one))),
        "statement_block" => Kind::Other(Vec::new()),
        _ => other(),
    }
}

fn template(source: Source<'_>, node: Node<'_>, depth: usize) -> Kind {
    let mut all = Vec::new();
    for part in parts(node) {
        if part.kind() == "template_substitution" {
            all.extend(part.named_child(0).map(|inner| source.expr(inner, depth)));
        } else {
            let text = unescaped(source.text(part));
            all.push(source.at(part, Kind::Text(text)));
        }
    }
    match all.as_slice() {
        [] => Kind::Text(String::new()),
        [Expr { kind: Kind::Text(text), .. }] => Kind::Text(text.clone()),
        _ => Kind::Joined(all),
    }
}

fn pair(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<(Option<Expr>, Expr)> {
    match node.kind() {
        "spread_element" => Some((None, source.expr(node.named_child(0)?, depth))),
        "shorthand_property_identifier" => {
            let name = source.at(node, Kind::Text(source.text(node).to_owned()));
            Some((Some(name), source.expr(node, depth)))
        }
        "pair" => {
            let key = node.child_by_field_name("key")?;
            let value = source.expr(node.child_by_field_name("value")?, depth);
            let key = match key.kind() {
                "property_identifier" | "number" => {
                    source.at(key, Kind::Text(source.text(key).to_owned()))
                }
                "computed_property_name" => source.expr(key.named_child(0)?, depth),
                _ => source.expr(key, depth),
            };
            Some((Some(key), value))
        }
        _ => None,
    }
}

fn call(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Call> {
    let callee = node.child_by_field_name("function").or(node.child_by_field_name("constructor"))?;
    let argument = |one: Node<'_>| Argument::positional(source.expr(one, depth));
    let given = node.child_by_field_name("arguments").map(parts).unwrap_or_default();
    Some(Call {
        callee: source.expr(callee, depth),
        arguments: given.into_iter().map(argument).collect(),
    })
}

fn binary(source: Source<'_>, node: Node<'_>, left: Box<Expr>, right: Box<Expr>) -> Kind {
    let op = match node.child_by_field_name("operator").map(|one| source.text(one)) {
        Some("||" | "??") => return Kind::Otherwise(left, right),
        _ => source.op(node),
    };
    Kind::Binary(op, left, right)
}
