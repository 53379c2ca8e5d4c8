//! What the languages themselves have: texts, lists, mappings, times, variables of the environment.

use watershed_topology::source::Span;

use super::builtin_typed::{self, DAY, HOUR, MILLISECOND, MINUTE, SECOND, times};
use super::fold;
use super::value::{Given, Made, TEXT_MAX, Value, What, pairs};
use crate::script::Language;

/// Whether a value comes from outside of the program: its environment, its arguments.
pub(super) fn from_outside(value: &Value) -> bool {
    let Some(path) = outer(value) else { return false };
    ["environ", "getenv", "env.", "Getenv", "config", "settings"]
        .iter()
        .any(|one| path.contains(one))
}

/// The path of names that a value begins with.
fn outer(value: &Value) -> Option<String> {
    match &value.what {
        What::Called(called) => outer(&called.callee),
        _ => value.path(),
    }
}

/// What a call of the language's own gives. `None` if it is none.
pub(super) fn call(
    language: Language,
    base: Option<&(Value, &str)>,
    callee: &Value,
    arguments: &[Given],
    span: Span,
) -> Option<Value> {
    if let Some((value, method)) = base
        && let Some(found) = method_of(value, method, arguments, span)
    {
        return Some(found);
    }
    let path = callee.path()?;
    match language {
        Language::Python => python(&path, arguments, span),
        Language::Go => builtin_typed::go(&path, arguments, span),
        Language::JavaScript | Language::TypeScript | Language::Tsx => {
            builtin_typed::javascript(&path, arguments, span)
        }
        Language::Rust => builtin_typed::rust(&path, arguments, span),
        Language::Java => builtin_typed::java(&path, arguments, span),
    }
}

/// A method of a text, a list, a mapping or a time.
fn method_of(value: &Value, method: &str, arguments: &[Given], span: Span) -> Option<Value> {
    let first = arguments.first().map(|given| &given.value);
    match (&value.what, method) {
        (What::Text(text, unknown), _) => {
            text_method(value, text, unknown.is_none(), method, arguments, span)
        }
        (What::List(items), "join") => Some(joined(items, first?.text()?, span)),
        (What::Made(made), "get") if made.class.is_none() => match made.get(first?.text()?) {
            Some(found) => Some(found.clone()),
            None if made.open.is_some() => None,
            None => {
                let nothing = || Value::new(What::Null, span);
                Some(arguments.get(1).map_or_else(nothing, |one| one.value.clone()))
            }
        },
        (What::Made(_), "items" | "entries" | "entrySet" | "iteritems") => Some(pairs(value)),
        (What::Made(made), "values") if made.open.is_none() => {
            let all: Vec<Value> = made.fields.iter().map(|entry| entry.value.clone()).collect();
            Some(Value::new(What::List(all.into()), span))
        }
        (What::Made(made), "evolve" | "_replace") => Some(changed(made, arguments, span)),
        // Of a record, and of a class with getters.
        (What::Made(made), getter)
            if made.class.is_some() && arguments.is_empty() && field(made, getter).is_some() =>
        {
            field(made, getter).cloned()
        }
        (What::Made(_) | What::List(_), same) if SAME.contains(&same) => Some(value.clone()),
        (What::Duration(nanos), "total_seconds") => Some(Value::new(seconds(*nanos), span)),
        (What::Duration(nanos), "toNanos" | "as_nanos" | "Nanoseconds") => {
            Some(Value::new(What::Int(*nanos), span))
        }
        (What::Duration(nanos), "toMillis" | "as_millis" | "Milliseconds") => {
            Some(Value::new(What::Int(nanos / MILLISECOND), span))
        }
        _ => None,
    }
}

/// The field that a getter gives: `name()`, `getName()`.
fn field<'m>(made: &'m Made, getter: &str) -> Option<&'m Value> {
    made.get(getter).or_else(|| {
        let mut rest = getter.strip_prefix("get")?.chars();
        let first = rest.next()?.to_ascii_lowercase();
        made.get(&format!("{first}{}", rest.as_str()))
    })
}

/// Methods that give what they are called on.
const SAME: &[&str] = &[
    "copy",
    "clone",
    "keys",
    "iter",
    "into_iter",
    "to_vec",
    "into",
    "to_string",
    "to_owned",
    "String",
    "toString",
    "strip",
    "trim",
    "encode",
    "as_str",
];

/// A method of a text.
fn text_method(
    value: &Value,
    text: &str,
    whole: bool,
    method: &str,
    arguments: &[Given],
    span: Span,
) -> Option<Value> {
    let first = arguments.first().map(|given| &given.value);
    if SAME.contains(&method) {
        return Some(value.clone());
    }
    if !whole {
        return None;
    }
    let changed = match method {
        "lower" | "toLowerCase" | "to_lowercase" => text.to_lowercase(),
        "upper" | "toUpperCase" | "to_uppercase" => text.to_uppercase(),
        "replace" | "replaceAll" => text.replace(first?.text()?, arguments.get(1)?.value.text()?),
        "removeprefix" => text.strip_prefix(first?.text()?).unwrap_or(text).to_owned(),
        "format" | "formatted" => {
            let all: Vec<_> = arguments
                .iter()
                .map(|given| (given.name.as_deref().map(str::to_owned), given.value.clone()))
                .collect();
            return Some(fold::formatted(text, &all, span));
        }
        "join" => return Some(joined(first?.items()?, text, span)),
        "split" => {
            let parts = text.split(first?.text().filter(|one| !one.is_empty())?);
            let parts: Vec<Value> = parts.map(|one| Value::known(one, span)).collect();
            return Some(Value::new(What::List(parts.into()), span));
        }
        _ => return None,
    };
    (changed.len() <= TEXT_MAX).then(|| Value::known(&changed, span))
}

/// Texts with something between them.
fn joined(items: &[Value], between: &str, span: Span) -> Value {
    let mut parts = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            parts.push(Value::known(between, span));
        }
        parts.push(item.clone());
    }
    fold::joined(&parts, span)
}

/// Seconds as a number.
fn seconds(nanos: i128) -> What {
    if nanos % SECOND == 0 { What::Int(nanos / SECOND) } else { What::Float(nanos as f64 / 1e9) }
}

/// An object with some of its fields replaced.
fn changed(made: &Made, arguments: &[Given], span: Span) -> Value {
    let mut made = made.clone();
    for given in arguments {
        match given.name.as_deref() {
            Some(name) if !name.is_empty() => made.set(name, given.name_span, given.value.clone()),
            _ => made.open = Some(given.value.span),
        }
    }
    Value::new(What::Made(made.into()), span)
}

fn python(path: &str, arguments: &[Given], span: Span) -> Option<Value> {
    let first = arguments.first().map(|given| &given.value);
    match path {
        "os.getenv" | "os.environ.get" | "getenv" | "environ.get" => {
            arguments.get(1).map(|given| given.value.clone())
        }
        "str" | "list" | "tuple" | "sorted" | "set" => first.cloned(),
        "int" | "float" => {
            let value = first?;
            Some(match (&value.what, value.text()) {
                (What::Float(number), _) if path == "int" => whole(*number, value),
                (What::Int(_) | What::Float(_), _) => value.clone(),
                (_, Some(text)) => match (text.parse::<i128>(), text.parse::<f64>()) {
                    (Ok(number), _) => Value::new(What::Int(number), value.span),
                    (_, Ok(number)) if number.is_finite() => {
                        Value::new(What::Float(number), value.span)
                    }
                    _ => Value::unknown(span),
                },
                _ => Value::unknown(span),
            })
        }
        "dict" => Some(changed(&Made::default(), arguments, span)),
        "enumerate" => Some(pairs(first?)),
        "replace" | "dataclasses.replace" => {
            Some(changed(first?.made()?, arguments.get(1..).unwrap_or_default(), span))
        }
        _ if path.ends_with("timedelta") => delta(arguments, span),
        _ => None,
    }
}

/// A number without its fraction.
fn whole(number: f64, value: &Value) -> Value {
    match format!("{:.0}", number.trunc()).parse::<i128>() {
        Ok(number) => Value::new(What::Int(number), value.span),
        Err(_) => Value::unknown(value.span),
    }
}

/// `timedelta(days=7, hours=1)`.
fn delta(arguments: &[Given], span: Span) -> Option<Value> {
    const ORDER: &[&str] =
        &["days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"];
    let mut nanos = 0_i128;
    for (index, given) in arguments.iter().enumerate() {
        let name = given.name.as_deref().or_else(|| ORDER.get(index).copied())?;
        let unit = match name {
            "weeks" => 7 * DAY,
            "days" => DAY,
            "hours" => HOUR,
            "minutes" => MINUTE,
            "seconds" => SECOND,
            "milliseconds" => MILLISECOND,
            "microseconds" => 1000,
            _ => return None,
        };
        nanos = nanos.checked_add(times(&given.value, unit)?)?;
    }
    Some(Value::new(What::Duration(nanos), span))
}
