//! Statements, one after the other: assignments, loops over what is known, branches, functions.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use watershed_topology::source::Span;

use super::machine::{CALLS_MAX, Defined, Frame, LEVELS_MAX, Machine, Module, Names, Program, id};
use super::syntax::{Class, Expr, Function, Kind, Op, Stmt, Target};
use super::value::{Bound, Entry, Given, ITEMS_MAX, Made, Value, What};
use super::{fold, value};
use crate::script::Language;

impl Machine<'_> {
    /// Follows all programs: what runs when they are loaded, then the functions that nobody calls
    /// here, then those that were not reached from there.
    pub(super) fn follow(&mut self) {
        let (relevant, wrappers) = relevant(self.program, self.wants);
        self.wrappers = wrappers;
        for module in &relevant {
            self.rest();
            self.begin(*module);
        }
        for one in callers_first(self.program, &relevant) {
            self.rest();
            self.alone(one);
        }
    }

    /// Runs what a module does when it is loaded, unless that has happened.
    pub(super) fn begin(&mut self, module: usize) {
        let program = self.program;
        let Some(found) = program.modules.get(module) else { return };
        match self.begun.get_mut(module) {
            Some(begun) if !*begun && self.depth < CALLS_MAX => *begun = true,
            _ => return,
        }
        let frames = std::mem::take(&mut self.frames);
        let arms = std::mem::take(&mut self.arms);
        self.depth += 1;
        self.frames.push(Frame { module, ..Frame::default() });
        self.hoist(&found.body);
        self.block(&found.body);
        self.depth -= 1;
        self.frames = frames;
        self.arms = arms;
    }

    /// Functions and classes are known before what stands above them.
    fn hoist(&mut self, body: &[Stmt]) {
        for one in body {
            if matches!(one, Stmt::Function(_) | Stmt::Class(_)) {
                self.statement(one);
            }
        }
    }

    /// Runs a function that nothing has called, with unknown arguments.
    fn alone(&mut self, one: &Defined) {
        if self.ran.contains(&id(&one.function)) {
            return;
        }
        let span = Span::default();
        let this = one.class.as_ref().map(|class| {
            let key = (one.module, class.name.clone());
            if !self.objects.contains_key(&key) {
                let object = self.instance(class, one.module, Vec::new(), span, true);
                self.objects.insert(key, object);
            }
            self.object(one.module, class, span)
        });
        let bound =
            Bound { function: Rc::clone(&one.function), module: one.module, inner: false, this };
        self.frames.push(Frame { module: one.module, ..Frame::default() });
        self.call(&bound, Vec::new(), span);
        self.frames.pop();
    }

    /// An object of a class. Fields of classes without a constructor are given in their order.
    pub(super) fn instance(
        &mut self,
        class: &Rc<Class>,
        module: usize,
        arguments: Vec<Given>,
        span: Span,
        unknown: bool,
    ) -> Value {
        let mut made = Made {
            kind: class.name.clone(),
            class: Some((Rc::clone(class), module)),
            ..Made::default()
        };
        let frame = Frame { module, ..Frame::default() };
        self.frames.push(frame);
        for (name, default) in &class.fields {
            let value = default.as_ref().map_or_else(|| Value::unknown(span), |one| self.expr(one));
            made.fields.push(Entry { name: name.as_str().into(), name_span: span, value });
        }
        self.frames.pop();
        let Some(constructor) = class.constructor() else {
            let mut order = class.fields.iter().map(|(name, _)| name);
            for given in arguments {
                let name = given.name.as_deref().map(str::to_owned);
                let Some(name) = name.or_else(|| order.next().cloned()) else { continue };
                made.set(&name, given.name_span, given.value);
            }
            return Value::new(What::Made(made.into()), span);
        };
        let this = Some(Value::new(What::Made(made.into()), span));
        let function = Rc::clone(constructor);
        let bound = Bound { function, module, inner: false, this };
        let arguments = if unknown { Vec::new() } else { arguments };
        self.frames.push(Frame { module, ..Frame::default() });
        let (_, this) = self.call(&bound, arguments, span);
        self.frames.pop();
        this.unwrap_or_else(|| Value::unknown(span))
    }

    /// Calls a function. Returns what it returns, and the object that it was called on as it is then.
    pub(super) fn call(
        &mut self,
        bound: &Bound,
        arguments: Vec<Given>,
        span: Span,
    ) -> (Value, Option<Value>) {
        let function = &bound.function;
        let nothing = (Value::unknown(span), bound.this.clone());
        // What is known of nothing that it is given does the same again.
        let plain = !bound.inner && arguments.iter().all(|given| !given.value.is_concrete());
        let key = plain.then(|| (id(function), bound.this.as_ref().map_or(0, Value::place)));
        if let Some((_, known)) = key.and_then(|key| self.returned.get(&key)) {
            return (known.clone(), nothing.1);
        }
        if self.depth >= CALLS_MAX || self.is_running(function) || self.tired() {
            return nothing;
        }
        self.ran.insert(id(function));
        let mut frame = Frame { module: bound.module, inner: bound.inner, ..Frame::default() };
        let this = function.this.clone();
        if let (Some(name), Some(value)) = (&this, &bound.this) {
            frame.names.insert(name.clone(), value.clone());
        }
        self.depth += 1;
        self.running.push(Rc::clone(function));
        self.frames.push(frame);
        self.parameters(function, arguments, span);
        self.hoist(&function.body);
        self.block(&function.body);
        self.leftovers();
        let frame = self.frames.pop().unwrap_or_default();
        self.running.pop();
        self.depth -= 1;
        let after = this.and_then(|name| frame.names.get(&name).cloned()).or(nothing.1);
        let value = frame.returned.unwrap_or_else(|| Value::unknown(span));
        if let Some(key) = key {
            // The object is kept, so that no other one takes its place.
            self.returned.insert(key, (bound.this.clone(), value.clone()));
        }
        (value, after)
    }

    /// Functions that were defined in this frame, and that nobody called: they are called by others.
    fn leftovers(&mut self) {
        let functions = self.frames.last().map(|frame| frame.functions.clone()).unwrap_or_default();
        for function in functions {
            if !self.ran.contains(&id(&function)) {
                let bound = Bound { function, module: self.module(), inner: true, this: None };
                self.call(&bound, Vec::new(), Span::default());
            }
        }
    }

    fn parameters(&mut self, function: &Function, arguments: Vec<Given>, span: Span) {
        let (named, mut places): (Vec<Given>, Vec<Given>) =
            arguments.into_iter().partition(|given| given.name.is_some());
        places.reverse();
        let mut named: BTreeMap<String, Given> = named
            .into_iter()
            .filter_map(|given| Some((given.name.as_deref()?.to_owned(), given)))
            .collect();
        for parameter in &function.parameters {
            let value = if parameter.rest && !named.is_empty() && places.is_empty() {
                let mut made = Made::default();
                for (name, given) in std::mem::take(&mut named) {
                    made.set(&name, given.name_span, given.value);
                }
                Value::new(What::Made(made.into()), span)
            } else if parameter.rest {
                let all: Vec<Value> =
                    std::mem::take(&mut places).into_iter().rev().map(|one| one.value).collect();
                Value::new(What::List(all.into()), span)
            } else if let Some(given) = named.remove(&parameter.name) {
                given.value
            } else if let Some(given) = places.pop() {
                given.value
            } else if let Some(default) = &parameter.default {
                self.expr(default)
            } else {
                Value::unknown(span)
            };
            if let Some(frame) = self.frames.last_mut() {
                frame.names.insert(parameter.name.clone(), value);
            }
        }
    }

    pub(super) fn block(&mut self, statements: &[Stmt]) {
        for one in statements {
            if self.tired() {
                return;
            }
            self.statement(one);
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        if self.level >= LEVELS_MAX {
            return;
        }
        self.level += 1;
        self.one(statement);
        self.level -= 1;
    }

    fn one(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Assign(target, value) => {
                let value = self.expr(value);
                self.target(target, value);
            }
            Stmt::Add(target, value) => {
                let (before, more) = (self.expr(target), self.expr(value));
                let sum = fold::binary(Op::Add, &before, &more, target.span);
                self.target(&Target::One(target.clone()), sum);
            }
            Stmt::Expr(one) => {
                self.expr(one);
            }
            Stmt::For(target, items, body) => self.each(target, items, body),
            Stmt::Branches(condition, branches) => self.branches(condition.as_ref(), branches),
            Stmt::Block(inner) => self.block(inner),
            Stmt::Function(function) => {
                let value = Value::new(self.bound(function), Span::default());
                self.define(&function.name, value);
                if self.frames.len() > 1
                    && let Some(frame) = self.frames.last_mut()
                {
                    frame.functions.push(Rc::clone(function));
                }
            }
            Stmt::Class(class) => {
                let value =
                    Value::new(What::Class(Rc::clone(class), self.module()), Span::default());
                self.define(&class.name, value);
            }
            Stmt::Return(value) => self.returned(value.as_ref()),
            Stmt::Import(local, module, name) => self.import(local, module, name.as_deref()),
        }
    }

    fn returned(&mut self, value: Option<&Expr>) {
        let Some(value) = value.map(|one| self.expr(one)) else { return };
        if let Some(frame) = self.frames.last_mut() {
            let same = frame.returned.as_ref().is_none_or(|one| one.same(&value));
            frame.returned = Some(if same { value } else { Value::unknown(value.span) });
        }
    }

    fn import(&mut self, local: &str, module: &str, name: Option<&str>) {
        let at = self.resolve(module);
        let found = match (at, name) {
            (Some(at), Some("*")) => {
                self.begin(at);
                for (name, value) in self.globals.get(at).cloned().unwrap_or_default() {
                    self.define(&name, value);
                }
                return;
            }
            (Some(at), Some(name)) => {
                self.begin(at);
                self.global(at, name)
            }
            (Some(at), None) => Some(Value::new(What::Module(at), Span::default())),
            // `from a import b`, where `b` is a file.
            (None, Some(name)) => self
                .resolve(&format!("{module}.{name}"))
                .map(|at| Value::new(What::Module(at), Span::default())),
            (None, None) => None,
        };
        if let Some(What::Module(at)) = found.as_ref().map(|one| &one.what) {
            self.begin(*at);
        }
        if let Some(found) = found {
            self.define(local, found);
        }
    }

    fn each(&mut self, target: &Target, items: &Expr, body: &[Stmt]) {
        let items = self.expr(items);
        for item in value::each(&items) {
            if self.tired() {
                return;
            }
            self.target(target, item);
            self.block(body);
        }
    }

    fn branches(&mut self, condition: Option<&Expr>, branches: &[Vec<Stmt>]) {
        let condition = condition.map(|one| self.expr(one).what);
        match (condition, branches) {
            (Some(What::Bool(true)), [first, ..]) => return self.block(first),
            (Some(What::Bool(false)), [_, rest @ ..]) if rest.len() <= 1 => {
                return rest.iter().for_each(|one| self.block(one));
            }
            _ => {}
        }
        self.conditions += 1;
        let condition = self.conditions;
        let module = self.module();
        let before = self.names(module);
        let mut ends = vec![before.clone()];
        for (index, branch) in branches.iter().enumerate() {
            self.set_names(module, before.clone());
            self.arms.push((condition, index));
            self.block(branch);
            self.arms.pop();
            ends.push(self.names(module));
        }
        // Where every case has a branch, none is what was before.
        if branches.len() > 1 {
            ends.remove(0);
        }
        self.set_names(module, merged(ends));
    }

    /// The names of the innermost frame.
    fn names(&self, module: usize) -> BTreeMap<String, Value> {
        let own = self.frames.last().filter(|_| self.frames.len() > 1).map(|frame| &frame.names);
        own.or(self.globals.get(module)).cloned().unwrap_or_default()
    }

    fn set_names(&mut self, module: usize, names: BTreeMap<String, Value>) {
        self.steps = self.steps.saturating_add(names.len());
        if self.frames.len() > 1 {
            if let Some(frame) = self.frames.last_mut() {
                frame.names = names;
            }
        } else if let Some(globals) = self.globals.get_mut(module) {
            *globals = names;
        }
    }

    pub(super) fn target(&mut self, target: &Target, value: Value) {
        match target {
            Target::Nothing => {}
            Target::One(one) => self.put(one, value),
            Target::Several(all) => {
                let several = value.items().filter(|items| items.len() == all.len());
                if let Some(items) = several {
                    for (one, item) in all.iter().zip(items.to_vec()) {
                        self.target(one, item);
                    }
                    return;
                }
                // What returns several values returns an error, or the like, behind the first.
                for (index, one) in all.iter().enumerate() {
                    let unknown = Value::unknown(value.span);
                    self.target(one, if index == 0 { value.clone() } else { unknown });
                }
            }
        }
    }

    /// Puts a value where an expression says.
    fn put(&mut self, place: &Expr, value: Value) {
        let (object, name) = match &place.kind {
            Kind::Name(name) => return self.assign(name, value),
            Kind::Member(object, name) => (object, name.clone()),
            Kind::Index(object, index) => {
                let index = self.expr(index);
                let Some(name) = index.text().map(str::to_owned) else { return };
                (object, name)
            }
            _ => return,
        };
        let before = self.expr(object);
        let What::Made(made) = &before.what else { return };
        let mut made = Made::clone(made);
        self.steps = self.steps.saturating_add(made.fields.len().min(ITEMS_MAX));
        made.set(&name, place.span, value);
        self.put(object, Value::new(What::Made(made.into()), before.span));
    }
}

/// Names of functions that say nothing about what they do.
const PLAIN: &[&str] = &[
    "new",
    "get",
    "set",
    "add",
    "run",
    "main",
    "start",
    "stop",
    "init",
    "close",
    "connect",
    "create",
    "update",
    "delete",
    "from",
    "default",
    "clone",
    "into",
    "push",
    "insert",
    "setup",
    "handle",
    "build",
    "call",
    "next",
    "open",
    "read",
    "write",
    "__init__",
    "constructor",
];

/// Circles of functions that are taken apart one by one.
const CIRCLES_MAX: usize = 200;

/// The functions of these modules, each behind those that call it.
fn callers_first<'p>(program: &'p Program, relevant: &BTreeSet<usize>) -> Vec<&'p Defined> {
    let all = program.functions.values().flatten();
    let mut left: Vec<&Defined> = all.filter(|one| relevant.contains(&one.module)).collect();
    let mut callers: BTreeMap<&str, usize> = BTreeMap::new();
    let others = |one: &'p Defined| {
        one.calls.iter().map(String::as_str).filter(|call| *call != one.function.name)
    };
    for call in left.iter().flat_map(|one| others(one)) {
        *callers.entry(call).or_default() += 1;
    }
    // What is called by the statements of a module has run, or is run last.
    let mut order = Vec::new();
    let mut circles = 0;
    while !left.is_empty() {
        let free = |one: &&Defined| {
            callers.get(one.function.name.as_str()).is_none_or(|count| *count == 0)
        };
        let (mut now, later): (Vec<&Defined>, Vec<&Defined>) = left.into_iter().partition(free);
        left = later;
        // In a circle anybody is first.
        if now.is_empty() {
            circles += 1;
            let count = if circles < CIRCLES_MAX { 1 } else { left.len() };
            now.extend(left.drain(..count));
        }
        for call in now.iter().flat_map(|one| others(one)) {
            if let Some(count) = callers.get_mut(call) {
                *count = count.saturating_sub(1);
            }
        }
        order.append(&mut now);
    }
    order
}

/// Modules that have to do with NATS: those that say so, and those that call functions of them that
/// call a client library, or call such functions; and the names of those functions.
fn relevant(program: &Program, wants: fn(Language, &str) -> bool) -> (BTreeSet<usize>, Names<'_>) {
    let modules = || program.modules.iter().enumerate();
    let mut relevant: BTreeSet<usize> =
        modules().filter(|(_, module)| module.about).map(|(index, _)| index).collect();
    let mut wrappers = Names::new();
    for _ in 0..2 {
        for ((language, name), all) in &program.functions {
            let wraps = |one: &Defined| {
                relevant.contains(&one.module)
                    && one.calls.iter().any(|call| {
                        wants(*language, call) || wrappers.contains(&(*language, call.as_str()))
                    })
            };
            if !PLAIN.contains(&name.as_str()) && all.iter().any(wraps) {
                wrappers.insert((*language, name));
            }
        }
        let calls = |module: &Module| {
            module.calls.iter().any(|call| wrappers.contains(&(module.language, call.as_str())))
        };
        relevant.extend(modules().filter(|(_, module)| calls(module)).map(|(index, _)| index));
    }
    (relevant, wrappers)
}

/// What names mean after branches of which one has run.
fn merged(mut ends: Vec<BTreeMap<String, Value>>) -> BTreeMap<String, Value> {
    let Some(mut names) = ends.pop() else { return BTreeMap::new() };
    for end in ends {
        for (name, value) in end {
            match names.get_mut(&name) {
                Some(own) => *own = one_of(own, &value),
                None => {
                    names.insert(name, value);
                }
            }
        }
    }
    names
}

/// What is known of a value that is one of two.
fn one_of(one: &Value, other: &Value) -> Value {
    if one.same(other) {
        return one.clone();
    }
    let (Some(made), Some(others)) = (one.made(), other.made()) else {
        return Value::unknown(one.span);
    };
    if made.kind != others.kind {
        return Value::unknown(one.span);
    }
    let mut both = made.clone();
    for entry in &mut both.fields {
        entry.value = match others.get(&entry.name) {
            Some(value) if value.same(&entry.value) => continue,
            // Where it is set says more than what it is set to in one of the branches.
            _ => Value::unknown(entry.name_span),
        };
    }
    for entry in others.fields.iter().filter(|entry| made.get(&entry.name).is_none()) {
        both.set(&entry.name, entry.name_span, Value::unknown(entry.name_span));
    }
    both.open = made.open.or(others.open);
    Value::new(What::Made(both.into()), one.span)
}
