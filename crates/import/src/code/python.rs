//! Python as its grammar has it, to what is common to the languages.

use std::rc::Rc;

use tree_sitter::Node;

use super::syntax::{
    Argument, Call, Class, Each, Expr, Function, Kind, Op, Parameter, Stmt, Target,
};
use super::tree::{Grammar, Source, fields, parts, unescaped};

pub(super) const GRAMMAR: Grammar = Grammar { statement, kind };

fn statement(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let value = |name: &str| node.child_by_field_name(name).map(|one| source.expr(one, depth));
    let one = match node.kind() {
        "expression_statement" => {
            return parts(node).into_iter().map(|one| simple(source, one, depth)).collect();
        }
        "decorated_definition" => {
            // What decorates a function is called with it.
            let decorators = parts(node).into_iter().filter(|one| one.kind() == "decorator");
            let called = decorators.flat_map(parts).map(|one| Stmt::Expr(source.expr(one, depth)));
            let mut all: Vec<Stmt> = called.collect();
            if let Some(inner) = node.child_by_field_name("definition") {
                all.extend(source.statement(inner, depth));
            }
            return all;
        }
        "function_definition" => Stmt::Function(Rc::new(function(source, node, depth))),
        "class_definition" => Stmt::Class(Rc::new(class(source, node, depth))),
        "return_statement" => Stmt::Return(parts(node).first().map(|one| source.expr(*one, depth))),
        "for_statement" => {
            let target = node.child_by_field_name("left").map(|one| target(source, one, depth));
            let (Some(target), Some(items)) = (target, value("right")) else { return Vec::new() };
            Stmt::For(target, items, source.body(node, "body", depth))
        }
        "if_statement" => {
            let mut branches = vec![source.body(node, "consequence", depth)];
            for other in fields(node, "alternative") {
                let inner = if other.kind() == "elif_clause" { "consequence" } else { "body" };
                branches.push(source.body(other, inner, depth));
            }
            Stmt::Branches(value("condition"), branches)
        }
        "try_statement" => return tried(source, node, depth),
        "with_statement" | "while_statement" => {
            let mut all: Vec<Stmt> = parts(node)
                .into_iter()
                .filter(|one| one.kind() != "block" && one.kind() != "else_clause")
                .map(|one| Stmt::Expr(source.expr(one, depth)))
                .collect();
            all.extend(source.body(node, "body", depth));
            Stmt::Block(all)
        }
        "match_statement" => {
            let cases = node.child_by_field_name("body").map(parts).unwrap_or_default();
            let all = cases.into_iter().map(|case| source.body(case, "consequence", depth));
            Stmt::Branches(None, all.collect())
        }
        "import_from_statement" | "import_statement" => return imports(source, node),
        _ => {
            let parts = parts(node).into_iter().map(|one| Stmt::Expr(source.expr(one, depth)));
            return parts.collect();
        }
    };
    vec![one]
}

/// What is tried, and what runs if it fails.
fn tried(source: Source<'_>, node: Node<'_>, depth: usize) -> Vec<Stmt> {
    let mut all = source.body(node, "body", depth);
    let mut handlers = Vec::new();
    for other in parts(node) {
        let inner = || parts(other).into_iter().rfind(|one| one.kind() == "block");
        match other.kind() {
            "except_clause" | "except_group_clause" => {
                handlers.extend(inner().map(|inner| source.block(inner, depth)));
            }
            "else_clause" | "finally_clause" => {
                all.extend(inner().map(|inner| Stmt::Block(source.block(inner, depth))));
            }
            _ => {}
        }
    }
    if !handlers.is_empty() {
        all.push(Stmt::Branches(None, handlers));
    }
    all
}

fn simple(source: Source<'_>, node: Node<'_>, depth: usize) -> Stmt {
    let value = |name: &str| node.child_by_field_name(name).map(|one| source.expr(one, depth));
    match node.kind() {
        "assignment" => {
            let left = node.child_by_field_name("left").map(|one| target(source, one, depth));
            match (left, value("right")) {
                (Some(left), Some(right)) => Stmt::Assign(left, right),
                _ => Stmt::Block(Vec::new()),
            }
        }
        "augmented_assignment" => match (value("left"), value("right")) {
            (Some(left), Some(right)) => Stmt::Add(left, right),
            _ => Stmt::Block(Vec::new()),
        },
        _ => Stmt::Expr(source.expr(node, depth)),
    }
}

fn target(source: Source<'_>, node: Node<'_>, depth: usize) -> Target {
    match node.kind() {
        "pattern_list" | "tuple_pattern" | "list_pattern" | "tuple" | "expression_list" => {
            Target::Several(parts(node).into_iter().map(|one| target(source, one, depth)).collect())
        }
        _ => Target::One(source.expr(node, depth)),
    }
}

/// `from a.b import c as d`, `import a.b as d`.
fn imports(source: Source<'_>, node: Node<'_>) -> Vec<Stmt> {
    let module = node.child_by_field_name("module_name").map(|one| source.text(one).to_owned());
    let one = |name: Node<'_>| {
        let inner = name.child_by_field_name("name").unwrap_or(name);
        let own = source.text(inner).to_owned();
        let alias = name.child_by_field_name("alias").map(|one| source.text(one).to_owned());
        let local = alias.unwrap_or_else(|| own.clone());
        match &module {
            Some(module) => Stmt::Import(local, module.clone(), Some(own)),
            None => Stmt::Import(local, own, None),
        }
    };
    fields(node, "name").into_iter().map(one).collect()
}

fn function(source: Source<'_>, node: Node<'_>, depth: usize) -> Function {
    let name = node.child_by_field_name("name").map(|one| source.text(one).to_owned());
    let parameters = node.child_by_field_name("parameters").map(parts).unwrap_or_default();
    let mut all: Vec<Parameter> =
        parameters.into_iter().filter_map(|one| parameter(source, one, depth)).collect();
    let this = all.first().is_some_and(|one| matches!(one.name.as_str(), "self" | "cls"));
    let this = this.then(|| all.remove(0).name);
    let inner = node.child_by_field_name("body");
    let body = match inner {
        Some(inner) if node.kind() == "lambda" => {
            vec![Stmt::Return(Some(source.expr(inner, depth + 1)))]
        }
        Some(inner) => source.block(inner, depth + 1),
        None => Vec::new(),
    };
    Function { name: name.unwrap_or_default(), this, parameters: all, body }
}

fn parameter(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Parameter> {
    let default = node.child_by_field_name("value").map(|one| source.expr(one, depth));
    let (name, rest) = match node.kind() {
        "identifier" => (node, false),
        "default_parameter" | "typed_default_parameter" => {
            (node.child_by_field_name("name")?, false)
        }
        "typed_parameter" => {
            let inner = node.named_child(0)?;
            return Some(Parameter { default, ..parameter(source, inner, depth)? });
        }
        "list_splat_pattern" | "dictionary_splat_pattern" => (node.named_child(0)?, true),
        _ => return None,
    };
    Some(Parameter { name: source.text(name).to_owned(), default, rest })
}

fn class(source: Source<'_>, node: Node<'_>, depth: usize) -> Class {
    let name = node.child_by_field_name("name").map(|one| source.text(one).to_owned());
    let mut class =
        Class { name: name.unwrap_or_default(), fields: Vec::new(), methods: Vec::new() };
    let Some(inner) = node.child_by_field_name("body") else { return class };
    for one in parts(inner) {
        let one = one.child_by_field_name("definition").unwrap_or(one);
        if one.kind() == "function_definition" {
            class.methods.push(Rc::new(function(source, one, depth + 1)));
            continue;
        }
        let Some(field) = one.named_child(0).filter(|one| one.kind() == "assignment") else {
            continue;
        };
        let Some(left) = field.child_by_field_name("left") else { continue };
        let value = field.child_by_field_name("right").map(|one| source.expr(one, depth + 1));
        class.fields.push((source.text(left).to_owned(), value));
    }
    class
}

fn kind(source: Source<'_>, node: Node<'_>, depth: usize) -> Kind {
    let all = || parts(node).into_iter().map(|one| source.expr(one, depth)).collect::<Vec<_>>();
    let boxed = |name: &str| Some(Box::new(source.expr(node.child_by_field_name(name)?, depth)));
    let other = || Kind::Other(all());
    match node.kind() {
        "none" => Kind::Null,
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        "integer" | "float" => source.number(node),
        "string" => string(source, node, depth),
        "concatenated_string" => Kind::Joined(all()),
        "list" | "tuple" | "set" | "expression_list" => Kind::List(all()),
        "dictionary" => {
            Kind::Map(parts(node).into_iter().filter_map(|one| pair(source, one, depth)).collect())
        }
        "identifier" => Kind::Name(source.text(node).to_owned()),
        "attribute" => match (boxed("object"), node.child_by_field_name("attribute")) {
            (Some(object), Some(name)) => Kind::Member(object, source.text(name).to_owned()),
            _ => other(),
        },
        "subscript" => match (boxed("value"), boxed("subscript")) {
            (Some(value), Some(index)) => Kind::Index(value, index),
            _ => other(),
        },
        "call" => call(source, node, depth).map_or_else(other, |call| Kind::Call(Box::new(call))),
        "await" | "parenthesized_expression" | "yield" if parts(node).len() == 1 => {
            all().pop().map_or_else(other, |one| one.kind)
        }
        "binary_operator" | "boolean_operator" => binary(source, node, depth).unwrap_or_else(other),
        "comparison_operator" => compared(source, node, all()),
        "unary_operator" => match boxed("argument") {
            Some(inner) if source.text(node).starts_with('-') => Kind::Minus(inner),
            _ => other(),
        },
        "conditional_expression" => match <[Expr; 3]>::try_from(all()) {
            Ok([then, condition, otherwise]) => {
                Kind::Choice(Box::new(condition), Box::new(then), Box::new(otherwise))
            }
            Err(_) => other(),
        },
        "list_comprehension" | "generator_expression" | "set_comprehension" => {
            each(source, node, depth).map_or_else(other, |each| Kind::Each(Box::new(each)))
        }
        "lambda" => Kind::Function(Rc::new(function(source, node, depth))),
        "list_splat" | "dictionary_splat" => {
            all().pop().map_or_else(other, |one| Kind::Spread(Box::new(one)))
        }
        "named_expression" => boxed("value").map_or_else(other, |one| one.kind),
        "as_pattern" => node.named_child(0).map_or_else(other, |one| source.expr(one, depth).kind),
        _ => other(),
    }
}

fn string(source: Source<'_>, node: Node<'_>, depth: usize) -> Kind {
    let start = parts(node).into_iter().find(|one| one.kind() == "string_start");
    let sign = |c: char| start.is_some_and(|one| source.text(one).to_lowercase().contains(c));
    let (raw, joined) = (sign('r'), sign('f'));
    let mut all = Vec::new();
    for part in parts(node) {
        match part.kind() {
            "string_content" => {
                let text = source.text(part);
                let text = if raw { text.to_owned() } else { unescaped(text) };
                // Of the texts around values, `{{` is a sign.
                let text = if joined { text.replace("{{", "{").replace("}}", "}") } else { text };
                all.push(source.at(part, Kind::Text(text)));
            }
            "interpolation" => {
                if let Some(inner) = part.child_by_field_name("expression") {
                    all.push(source.expr(inner, depth));
                }
            }
            _ => {}
        }
    }
    match all.as_slice() {
        [] => Kind::Text(String::new()),
        [Expr { kind: Kind::Text(text), .. }] => Kind::Text(text.clone()),
        _ => Kind::Joined(all),
    }
}

fn pair(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<(Option<Expr>, Expr)> {
    if node.kind() == "dictionary_splat" {
        return Some((None, source.expr(node.named_child(0)?, depth)));
    }
    let key = source.expr(node.child_by_field_name("key")?, depth);
    Some((Some(key), source.expr(node.child_by_field_name("value")?, depth)))
}

fn call(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Call> {
    let callee = source.expr(node.child_by_field_name("function")?, depth);
    let given = node.child_by_field_name("arguments")?;
    if given.kind() == "generator_expression" {
        let argument = Argument::positional(source.expr(given, depth));
        return Some(Call { callee, arguments: vec![argument] });
    }
    let one = |node: Node<'_>| {
        if node.kind() != "keyword_argument" {
            return Some(Argument::positional(source.expr(node, depth)));
        }
        let name = node.child_by_field_name("name")?;
        let value = source.expr(node.child_by_field_name("value")?, depth);
        let name_span = source.span(name);
        Some(Argument { name: Some(source.text(name).to_owned()), name_span, value })
    };
    Some(Call { callee, arguments: parts(given).into_iter().filter_map(one).collect() })
}

fn binary(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Kind> {
    let left = Box::new(source.expr(node.child_by_field_name("left")?, depth));
    let right = Box::new(source.expr(node.child_by_field_name("right")?, depth));
    let op = match source.text(node.child_by_field_name("operator")?) {
        "or" => return Some(Kind::Otherwise(left, right)),
        "//" => Op::Divide,
        "%" => Op::Format,
        _ => source.op(node),
    };
    Some(Kind::Binary(op, left, right))
}

fn compared(source: Source<'_>, node: Node<'_>, all: Vec<Expr>) -> Kind {
    let op = fields_text(source, node);
    match (<[Expr; 2]>::try_from(all), op) {
        (Ok([left, right]), "==") => Kind::Binary(Op::Equal, Box::new(left), Box::new(right)),
        (Ok([left, right]), "!=") => Kind::Binary(Op::Unequal, Box::new(left), Box::new(right)),
        (Ok(both), _) => Kind::Other(both.into()),
        (Err(all), _) => Kind::Other(all),
    }
}

fn fields_text<'t>(source: Source<'t>, node: Node<'_>) -> &'t str {
    node.child_by_field_name("operators").map(|one| source.text(one)).unwrap_or_default()
}

fn each(source: Source<'_>, node: Node<'_>, depth: usize) -> Option<Each> {
    let value = source.expr(node.child_by_field_name("body")?, depth);
    let clauses: Vec<Node<'_>> =
        parts(node).into_iter().filter(|one| one.kind() == "for_in_clause").collect();
    let filtered = parts(node).iter().any(|one| one.kind() == "if_clause");
    let [clause] = clauses.as_slice() else { return None };
    if filtered {
        return None;
    }
    let target = target(source, clause.child_by_field_name("left")?, depth);
    Some(Each { target, items: source.expr(clause.child_by_field_name("right")?, depth), value })
}
