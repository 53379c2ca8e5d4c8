//! Programs as they are found: their statements, their functions, and the names that they call.

use std::collections::BTreeSet;
use std::rc::Rc;

use watershed_topology::source::FileId;

use super::machine::{Defined, Module, Program};
use super::syntax::{Argument, Call, Class, Expr, Function, Kind, Stmt, Target};
use super::tree::{Source, parse};
use super::{go, java, javascript, python, rust};
use crate::script::Language;

/// Words of which a program has one if it has to do with NATS.
const WORDS: &[&str] = &["nats", "jetstream", "add_stream", "js."];

/// Takes in a program. Whether it could be read, or need not be.
pub(super) fn add(
    program: &mut Program,
    file: FileId,
    path: &str,
    language: Language,
    text: &str,
) -> bool {
    let lower = text.to_lowercase();
    let about = WORDS.iter().any(|word| lower.contains(word));
    // A file that says nothing of NATS may have the constants of those that do.
    let (parser, grammar) = match language {
        Language::Python => (tree_sitter_python::LANGUAGE, python::GRAMMAR),
        Language::Go => (tree_sitter_go::LANGUAGE, go::GRAMMAR),
        Language::Rust => (tree_sitter_rust::LANGUAGE, rust::GRAMMAR),
        Language::Java => (tree_sitter_java::LANGUAGE, java::GRAMMAR),
        Language::JavaScript => (tree_sitter_javascript::LANGUAGE, javascript::GRAMMAR),
        Language::TypeScript => (tree_sitter_typescript::LANGUAGE_TYPESCRIPT, javascript::GRAMMAR),
        Language::Tsx => (tree_sitter_typescript::LANGUAGE_TSX, javascript::GRAMMAR),
    };
    let Some(tree) = parse(&parser.into(), text) else { return !about };
    let source = Source { file, text, grammar, base: 0, own: "" };
    let body = source.block(tree.root_node(), 0);
    let module = program.modules.len();
    let calls = BTreeSet::new();
    let mut names = Names { program, module, language, class: None, inner: false, calls };
    names.statements(&body);
    let calls = names.calls;
    let packages = body.iter().filter_map(|one| match one {
        Stmt::Import(name, path, None) if language == Language::Go => {
            Some((name.clone(), path.clone()))
        }
        _ => None,
    });
    let packages = packages.collect();
    let path = path.to_owned();
    program.modules.push(Module { file, path, language, body, about, calls, packages });
    true
}

/// Looks a program through for what it defines and calls.
struct Names<'p> {
    program: &'p mut Program,
    module: usize,
    language: Language,
    class: Option<Rc<Class>>,
    /// Whether what is looked at stands in a function.
    inner: bool,
    /// Names that were called so far.
    calls: BTreeSet<String>,
}

impl Names<'_> {
    fn statements(&mut self, all: &[Stmt]) {
        for one in all {
            self.statement(one);
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Assign(target, value) => {
                if let Target::One(Expr { kind: Kind::Name(name), .. }) = target {
                    self.defines(name);
                }
                self.target(target);
                self.expr(value);
            }
            Stmt::Add(one, other) => {
                self.expr(one);
                self.expr(other);
            }
            Stmt::Expr(one) | Stmt::Return(Some(one)) => self.expr(one),
            Stmt::For(_, items, body) => {
                self.expr(items);
                self.statements(body);
            }
            Stmt::Branches(condition, branches) => {
                if let Some(condition) = condition {
                    self.expr(condition);
                }
                for branch in branches {
                    self.statements(branch);
                }
            }
            Stmt::Block(inner) => self.statements(inner),
            Stmt::Function(function) => {
                self.defines(&function.name);
                self.function(function);
            }
            Stmt::Class(class) => {
                self.defines(&class.name);
                self.class = Some(Rc::clone(class));
                for method in &class.methods {
                    self.function(method);
                }
                self.class = None;
                for value in class.fields.iter().filter_map(|(_, value)| value.as_ref()) {
                    self.expr(value);
                }
            }
            Stmt::Return(None) | Stmt::Import(..) => {}
        }
    }

    fn function(&mut self, function: &Rc<Function>) {
        let before = std::mem::take(&mut self.calls);
        let outer = std::mem::replace(&mut self.inner, true);
        for default in function.parameters.iter().filter_map(|one| one.default.as_ref()) {
            self.expr(default);
        }
        self.statements(&function.body);
        self.inner = outer;
        let calls = std::mem::replace(&mut self.calls, before);
        self.calls.extend(calls.iter().cloned());
        if !self.inner {
            let (module, class) = (self.module, self.class.clone());
            let one = Defined { module, class, function: Rc::clone(function), calls };
            let key = (self.language, function.name.clone());
            self.program.functions.entry(key).or_default().push(one);
        }
    }

    /// Notes that a module defines a name.
    fn defines(&mut self, name: &str) {
        if self.inner || self.class.is_some() {
            return;
        }
        let all = self.program.defines.entry((self.language, name.to_owned())).or_default();
        if all.last() != Some(&self.module) {
            all.push(self.module);
        }
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::One(one) => self.expr(one),
            Target::Several(all) => all.iter().for_each(|one| self.target(one)),
            Target::Nothing => {}
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            Kind::Call(call) => self.call(call),
            Kind::Joined(all) | Kind::List(all) | Kind::Other(all) => {
                for one in all {
                    self.expr(one);
                }
            }
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    if let Some(key) = key {
                        self.expr(key);
                    }
                    self.expr(value);
                }
            }
            Kind::Make(_, fields) => fields.iter().for_each(|one| self.expr(&one.value)),
            Kind::Member(one, _) | Kind::Minus(one) | Kind::Spread(one) => self.expr(one),
            Kind::Index(one, other) | Kind::Binary(_, one, other) | Kind::Otherwise(one, other) => {
                self.expr(one);
                self.expr(other);
            }
            Kind::Choice(condition, then, otherwise) => {
                for one in [condition, then, otherwise] {
                    self.expr(one);
                }
            }
            Kind::Each(each) => {
                self.expr(&each.items);
                self.expr(&each.value);
            }
            Kind::Function(function) => {
                let outer = std::mem::replace(&mut self.inner, true);
                self.function(function);
                self.inner = outer;
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &Call) {
        if let Kind::Name(name) | Kind::Member(_, name) = &call.callee.kind {
            self.calls.insert(name.clone());
        }
        self.expr(&call.callee);
        for Argument { value, .. } in &call.arguments {
            self.expr(value);
        }
    }
}
