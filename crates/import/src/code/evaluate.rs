//! Expressions to values, as far as they are known.

use std::rc::Rc;

use watershed_topology::source::Span;

use super::builtin;
use super::builtin_typed;
use super::fold;
use super::machine::{LEVELS_MAX, Machine, Seen, id};
use super::syntax::{Argument, Call, Each, Expr, Field, Kind, Op};
use super::value::{self, Bound, Called, Given, ITEMS_MAX, Made, Value, What};
use crate::script::Language;

/// Names of receivers that are clients of NATS, in any of the libraries.
const CLIENTS: &[&str] =
    &["js", "jsm", "jsc", "jetstream", "nc", "nats", "conn", "connection", "client", "stream"];

/// Methods that very many types have: of what is not known, none is one's own.
const COMMON: &[&str] =
    &["clone", "into", "to_string", "to_owned", "as_ref", "as_str", "default", "eq", "toString"];

/// What makes a builder.
const BUILDERS: &[&str] = &["consumerOpts", "builder"];

impl Machine<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) -> Value {
        if self.tired() || self.level >= LEVELS_MAX {
            return Value::unknown(expr.span);
        }
        self.level += 1;
        let value = self.inner(expr);
        self.level -= 1;
        value
    }

    fn inner(&mut self, expr: &Expr) -> Value {
        let span = expr.span;
        let what = match &expr.kind {
            Kind::Null => What::Null,
            Kind::Bool(flag) => What::Bool(*flag),
            Kind::Int(number) => What::Int(*number),
            Kind::Float(number) => What::Float(*number),
            Kind::Text(text) => What::Text(text.as_str().into(), None),
            Kind::Joined(parts) => {
                let parts: Vec<Value> = parts.iter().map(|one| self.expr(one)).collect();
                return fold::joined(&parts, span);
            }
            Kind::List(items) => What::List(self.items(items).into()),
            Kind::Map(pairs) => self.mapping(pairs),
            Kind::Make(name, fields) => self.structure(name, fields),
            Kind::Name(name) => {
                let unknown = || Value::new(What::Name(name.as_str().into()), span);
                return self.lookup(name, span).unwrap_or_else(unknown);
            }
            Kind::Member(object, name) => return self.member(object, name, span),
            Kind::Index(object, index) => return self.index(object, index, span),
            Kind::Call(call) => return self.called(call, span),
            Kind::Binary(op, left, right) => return self.binary(*op, left, right, span),
            Kind::Minus(inner) => {
                let inner = self.expr(inner);
                return fold::minus(&inner, span);
            }
            Kind::Otherwise(first, second) => return self.otherwise(first, second),
            Kind::Choice(condition, then, otherwise) => {
                return self.choice(condition, then, otherwise, span);
            }
            Kind::Each(each) => self.comprehension(each),
            Kind::Function(function) => {
                let function = Rc::clone(function);
                let module = self.module();
                What::Function(Bound { function, module, inner: true, this: None }.into())
            }
            Kind::Spread(inner) => return self.expr(inner),
            Kind::Other(parts) => {
                for part in parts {
                    self.expr(part);
                }
                What::Unknown
            }
        };
        Value::new(what, span)
    }

    fn structure(&mut self, name: &str, fields: &[Field]) -> What {
        let mut made = Made { kind: name.to_owned(), ..Made::default() };
        let class = match self.lookup(name, Span::default()).map(|one| one.what) {
            Some(What::Class(class, _)) => Some(class),
            _ => None,
        };
        for (index, field) in fields.iter().enumerate() {
            let value = self.expr(&field.value);
            if let (Some(class), Some("#")) =
                (&class, field.name.as_deref().and_then(|one| one.get(..1)))
                && let Some((name, _)) = class.fields.get(index)
            {
                made.set(name, field.name_span, value);
                continue;
            }
            // The rest as the library has it.
            let default = value.last().is_some_and(|one| one.eq_ignore_ascii_case("default"));
            match &field.name {
                Some(name) => made.set(name, field.name_span, value),
                None if default => {}
                None => made.take(&value),
            }
        }
        What::Made(made.into())
    }

    fn binary(&mut self, op: Op, left: &Expr, right: &Expr, span: Span) -> Value {
        let (mut left, mut right) = (self.expr(left), self.expr(right));
        if self.language() == Language::Go {
            // A field that was not given has the value that is nothing of its kind.
            let (first, second) = (left.what.clone(), right.what.clone());
            for (one, other) in [(&mut left, &second), (&mut right, &first)] {
                match (&one.what, other) {
                    (What::Null, What::Int(_) | What::Duration(_)) => one.what = What::Int(0),
                    (What::Null, What::Text(..)) => one.what = What::Text("".into(), None),
                    _ => {}
                }
            }
        }
        if let (Op::Format, Some(format)) = (op, left.text()) {
            let all = right.items().map_or_else(|| vec![right.clone()], <[Value]>::to_vec);
            let all: Vec<_> = all.into_iter().map(|one| (None, one)).collect();
            return fold::formatted(format, &all, span);
        }
        fold::binary(op, &left, &right, span)
    }

    fn otherwise(&mut self, first: &Expr, second: &Expr) -> Value {
        let (first, second) = (self.expr(first), self.expr(second));
        // What comes from outside has this value if nothing else is said there.
        if matches!(first.what, What::Null) || builtin::from_outside(&first) {
            second
        } else {
            first
        }
    }

    fn choice(&mut self, condition: &Expr, then: &Expr, otherwise: &Expr, span: Span) -> Value {
        let condition = self.expr(condition);
        let (then, otherwise) = (self.expr(then), self.expr(otherwise));
        match condition.what {
            What::Bool(true) => then,
            What::Bool(false) => otherwise,
            _ if then.same(&otherwise) => then,
            _ => Value::unknown(span),
        }
    }

    fn items(&mut self, items: &[Expr]) -> Vec<Value> {
        let mut all = Vec::new();
        for item in items {
            let value = self.expr(item);
            match &item.kind {
                Kind::Spread(_) if value.items().is_some() => {
                    all.extend(value.items().unwrap_or_default().iter().cloned());
                }
                _ => all.push(value),
            }
            if all.len() > ITEMS_MAX {
                self.steps = self.steps.saturating_add(all.len());
                all.truncate(ITEMS_MAX);
            }
        }
        all
    }

    fn mapping(&mut self, pairs: &[(Option<Expr>, Expr)]) -> What {
        let mut made = Made::default();
        for (key, value) in pairs {
            let Some(key) = key else {
                let value = self.expr(value);
                made.take(&value);
                continue;
            };
            let name = self.expr(key);
            let value = self.expr(value);
            match &name.what {
                What::Text(text, None) => made.set(text, key.span, value),
                What::Int(number) => made.set(&number.to_string(), key.span, value),
                // A name of an enumeration.
                What::Name(text) | What::Member(_, text) => made.set(text, key.span, value),
                _ => made.open = Some(key.span),
            }
        }
        What::Made(made.into())
    }

    fn comprehension(&mut self, each: &Each) -> What {
        let items = self.expr(&each.items);
        if !matches!(items.what, What::List(_) | What::Made(_)) {
            self.target(&each.target, Value::unknown(items.span));
            self.expr(&each.value);
            return What::Unknown;
        }
        let mut all = Vec::new();
        for item in value::each(&items) {
            self.target(&each.target, item);
            all.push(self.expr(&each.value));
        }
        What::List(all.into())
    }

    fn member(&mut self, object: &Expr, name: &str, span: Span) -> Value {
        let base = self.receiver(object);
        self.member_of(&base, name, span)
    }

    fn member_of(&mut self, base: &Value, name: &str, span: Span) -> Value {
        let found = match &base.what {
            What::Made(made) => match made.get(name) {
                Some(value) => Some(value.clone()),
                None if made.class.is_some() => made
                    .class
                    .clone()
                    .and_then(|(class, module)| self.static_member(&class, module, name)),
                // In Go a field that is not given is nothing.
                None if !made.kind.is_empty()
                    && made.open.is_none()
                    && self.language() == Language::Go =>
                {
                    Some(Value::new(What::Null, span))
                }
                None => None,
            },
            What::Class(class, module) => self.static_member(class, *module, name),
            What::Module(module) => self.global(*module, name),
            // A constant of another module, under its path.
            What::Name(_) | What::Member(..)
                if self.language() == Language::Rust
                    && name.bytes().all(|byte| {
                        byte.is_ascii_uppercase() || matches!(byte, b'_' | b'0'..=b'9')
                    }) =>
            {
                self.lookup(name, span)
            }
            What::Name(package) => self.package(package, name),
            // The value of a member of an enumeration is the member.
            What::Text(..) | What::Int(_) if matches!(name, "value" | "name") => Some(base.clone()),
            _ => None,
        };
        match found {
            Some(Value { what: What::Unknown, .. }) => Value::unknown(span),
            Some(value) => value,
            None if matches!(base.what, What::Name(_) | What::Member(..) | What::Called(_)) => {
                let go = self.language() == Language::Go;
                if let (true, What::Name(package)) = (go, &base.what)
                    && let Some(nanos) = builtin_typed::go_name(&format!("{package}.{name}"))
                {
                    return Value::new(What::Duration(nanos), span);
                }
                let what = What::Member(Rc::new(base.clone()), name.into());
                Value::new(what, span)
            }
            None => Value::unknown(span),
        }
    }

    fn static_member(
        &mut self,
        class: &Rc<super::syntax::Class>,
        module: usize,
        name: &str,
    ) -> Option<Value> {
        if let Some(method) = class.methods.iter().find(|one| one.name == name) {
            let function = Rc::clone(method);
            let bound = Bound { function, module, inner: false, this: None };
            return Some(Value::new(What::Function(bound.into()), Span::default()));
        }
        let (_, default) = class.fields.iter().find(|(field, _)| field == name)?;
        default.as_ref().map(|one| self.expr(one))
    }

    /// The value of what something is called on. Of what is not known, its path of names.
    fn receiver(&mut self, object: &Expr) -> Value {
        let value = self.expr(object);
        match value.what {
            What::Unknown | What::Null => symbol(object).unwrap_or(value),
            _ => value,
        }
    }

    fn index(&mut self, object: &Expr, index: &Expr, span: Span) -> Value {
        let (object, index) = (self.expr(object), self.expr(index));
        let found = match (&object.what, &index.what) {
            (What::Made(made), What::Text(name, None)) => made.get(name),
            (What::List(items), What::Int(at)) => {
                let from_end = if *at < 0 { i128::try_from(items.len()).unwrap_or(0) } else { 0 };
                usize::try_from(*at + from_end).ok().and_then(|at| items.get(at))
            }
            _ => None,
        };
        match found {
            Some(Value { what: What::Unknown, .. }) | None => Value::unknown(span),
            Some(value) => value.clone(),
        }
    }

    pub(super) fn arguments(&mut self, arguments: &[Argument]) -> Vec<Given> {
        let mut all = Vec::new();
        for argument in arguments {
            let value = self.expr(&argument.value);
            let name = argument.name.as_deref().map(Into::into);
            match (&argument.value.kind, &value.what) {
                (Kind::Spread(_), What::List(items)) => all.extend(items.iter().map(|one| Given {
                    name: None,
                    name_span: one.span,
                    value: one.clone(),
                })),
                (Kind::Spread(_), What::Made(made)) => {
                    let given = made.fields.iter().map(|entry| Given {
                        name: Some(Rc::clone(&entry.name)),
                        name_span: entry.name_span,
                        value: entry.value.clone(),
                    });
                    all.extend(given);
                    if let Some(span) = made.open {
                        all.push(Given {
                            name: Some("".into()),
                            name_span: span,
                            value: Value::unknown(span),
                        });
                    }
                }
                // Any number of arguments that are not known.
                (Kind::Spread(_), _) => {
                    let name_span = argument.value.span;
                    all.push(Given {
                        name: Some("".into()),
                        name_span,
                        value: Value::unknown(name_span),
                    });
                }
                _ => all.push(Given { name, name_span: argument.name_span, value }),
            }
        }
        all
    }

    fn called(&mut self, call: &Call, span: Span) -> Value {
        let (base, callee) = match &call.callee.kind {
            Kind::Member(object, name) => {
                let base = self.receiver(object);
                let mut callee = self.member_of(&base, name, call.callee.span);
                if matches!(callee.what, What::Unknown) {
                    // A method of a value, or of something that is not known.
                    let what = What::Member(Rc::new(base.clone()), name.as_str().into());
                    callee = Value::new(what, call.callee.span);
                }
                (Some((base, name.as_str())), callee)
            }
            _ => (None, self.receiver(&call.callee)),
        };
        let arguments = self.arguments(&call.arguments);
        match (&callee.what, base) {
            (What::Function(bound), Some((base, _))) => {
                let bound = Bound { this: Some(base), ..Bound::clone(bound) };
                let (value, after) = self.call(&bound, arguments, span);
                self.keep(&call.callee, after);
                value
            }
            (What::Function(bound), None) => self.call(bound, arguments, span).0,
            (What::Class(class, module), _) => {
                self.instance(class, *module, arguments, span, false)
            }
            (_, base) => {
                let value = self.foreign(base, &callee, arguments, span);
                self.build(&call.callee, &value);
                value
            }
        }
    }

    /// A builder is changed by its methods, whether what they return is taken or not.
    fn build(&mut self, callee: &Expr, value: &Value) {
        let Kind::Member(object, method) = &callee.kind else { return };
        let Kind::Name(name) = &object.kind else { return };
        if BUILDERS.contains(&method.as_str()) || self.lookup(name, callee.span).is_none() {
            return;
        }
        let mut root = value.called();
        while let Some(called) = root {
            if called.callee.last().is_some_and(|one| BUILDERS.contains(&one)) {
                break;
            }
            root = called.callee.base().and_then(Value::called);
        }
        if root.is_some() {
            self.assign(name, value.clone());
        }
    }

    /// The object of a method that is called on `self` is what the method made of it.
    fn keep(&mut self, callee: &Expr, after: Option<Value>) {
        let (Kind::Member(object, _), Some(after)) = (&callee.kind, after) else { return };
        if let Kind::Name(name) = &object.kind {
            self.assign(name, after);
        }
    }

    /// A call of what is not defined here, as far as the names tell.
    fn foreign(
        &mut self,
        base: Option<(Value, &str)>,
        callee: &Value,
        arguments: Vec<Given>,
        span: Span,
    ) -> Value {
        let language = self.language();
        if let Some((on, method)) = &base
            && let Some(value) = self.mapped(on, method, &arguments, span)
        {
            return value;
        }
        if let Some(value) = builtin::call(language, base.as_ref(), callee, &arguments, span) {
            return value;
        }
        let name = callee.last().unwrap_or_default().to_owned();
        let wanted = (self.wants)(language, &name);
        if let Some((on, _)) = &base
            && !(wanted && is_client(on))
            && !(on.made().is_none() && COMMON.contains(&name.as_str()))
            && let Some(one) =
                self.defined(&name, arguments.len(), on.made().map(|made| made.kind.as_str()))
            && !self.is_running(&one.function)
        {
            let this = match (&one.class, on.made()) {
                (_, Some(_)) => Some(on.clone()),
                (Some(class), None) => Some(self.object(one.module, class, span)),
                (None, None) => None,
            };
            let function = Rc::clone(&one.function);
            let bound = Bound { function, module: one.module, inner: false, this };
            return self.call(&bound, arguments, span).0;
        }
        // In Java a method of one's own has no more than its name.
        if base.is_none()
            && language == Language::Java
            && let Some(one) = self.defined(&name, arguments.len(), None)
            && !self.is_running(&one.function)
        {
            let this = self.lookup("this", span);
            let bound = Bound {
                function: Rc::clone(&one.function),
                module: one.module,
                inner: false,
                this,
            };
            let (value, after) = self.call(&bound, arguments, span);
            if let Some(after) = after {
                self.assign("this", after);
            }
            return value;
        }
        self.handlers(&arguments);
        if wanted {
            let (callee, arguments) = (callee.clone(), arguments.clone());
            // Whoever begins it, not the wrapper that it passes through.
            let module = self.frames.first().map_or(0, |frame| frame.module);
            let (arms, language) = (self.arms.clone(), language);
            self.seen.push(Seen { callee, arguments, span, arms, language, module });
        }
        if language == Language::Python
            && base.is_none_or(|(on, _)| on.path().is_some())
            && name.starts_with(|c: char| c.is_ascii_uppercase())
        {
            return Value::new(What::Made(structure(name, arguments).into()), span);
        }
        let called = Called { callee: callee.clone(), arguments };
        Value::new(What::Called(called.into()), span)
    }

    /// A function that is given to a list, which calls it for each item.
    fn mapped(&mut self, on: &Value, method: &str, given: &[Given], span: Span) -> Option<Value> {
        let items = on.items()?.to_vec();
        let What::Function(bound) = &given.first()?.value.what else { return None };
        if !matches!(method, "map" | "forEach" | "for_each" | "flatMap") {
            return None;
        }
        let bound = Bound::clone(bound);
        let mut all = Vec::new();
        for item in items {
            let given = Given { name: None, name_span: item.span, value: item };
            let (value, _) = self.call(&bound, vec![given], span);
            match value.items() {
                Some(inner) if method == "flatMap" => all.extend(inner.iter().cloned()),
                _ => all.push(value),
            }
        }
        Some(Value::new(What::List(all.into()), span))
    }

    /// Functions that are given to something else, which calls them.
    fn handlers(&mut self, arguments: &[Given]) {
        for given in arguments {
            let What::Function(bound) = &given.value.what else { continue };
            if bound.inner && !self.ran.contains(&id(&bound.function)) {
                self.call(bound, Vec::new(), given.value.span);
            }
        }
    }
}

/// A structure of a library, with arguments for fields; those without a name by their places.
fn structure(kind: String, arguments: Vec<Given>) -> Made {
    let mut made = Made { kind, ..Made::default() };
    for (index, given) in arguments.into_iter().enumerate() {
        match given.name.as_deref() {
            Some("") => made.open = Some(given.value.span),
            Some(name) => made.set(name, given.name_span, given.value),
            None => made.set(&format!("#{index}"), given.name_span, given.value),
        }
    }
    made
}

/// A path of names.
fn symbol(expr: &Expr) -> Option<Value> {
    let what = match &expr.kind {
        Kind::Name(name) => What::Name(name.as_str().into()),
        Kind::Member(object, name) => What::Member(Rc::new(symbol(object)?), name.as_str().into()),
        _ => return None,
    };
    Some(Value::new(what, expr.span))
}

/// Whether something is a client of NATS, by its name or by what made it.
pub(super) fn is_client(value: &Value) -> bool {
    let Some(name) = value.last() else { return false };
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_lowercase();
    CLIENTS.iter().any(|one| plain == *one)
        || ["jetstream", "jsmanager", "natsclient", "natsconn"]
            .iter()
            .any(|one| plain.contains(one))
        || matches!(plain.as_str(), "streams" | "consumers" | "connect" | "new")
}
