//! What typed languages have of their own: times, lists, texts with values in them.

use std::rc::Rc;

use watershed_topology::source::Span;

use super::fold;
use super::value::{Given, Made, Value, What, pairs};

/// Nanoseconds of a unit.
pub(super) const MILLISECOND: i128 = 1_000_000;
pub(super) const SECOND: i128 = 1_000_000_000;
pub(super) const MINUTE: i128 = 60 * SECOND;
pub(super) const HOUR: i128 = 60 * MINUTE;
pub(super) const DAY: i128 = 24 * HOUR;

/// Arguments as the places of a text take them.
fn places(arguments: &[Given]) -> Vec<(Option<String>, Value)> {
    let all = arguments.iter();
    all.map(|given| (given.name.as_deref().map(str::to_owned), given.value.clone())).collect()
}

/// A text with values in it, the text being the first argument.
fn formatted(arguments: &[Given], span: Span) -> Option<Value> {
    let (format, rest) = arguments.split_first()?;
    Some(fold::formatted(format.value.text()?, &places(rest), span))
}

fn duration(arguments: &[Given], unit: i128, span: Span) -> Option<Value> {
    let nanos = times(&arguments.first()?.value, unit)?;
    Some(Value::new(What::Duration(nanos), span))
}

pub(super) fn go(path: &str, arguments: &[Given], span: Span) -> Option<Value> {
    let first = || arguments.first().map(|given| given.value.clone());
    match path {
        "fmt.Sprintf" => formatted(arguments, span),
        "time.Duration" => duration(arguments, 1, span),
        "strings.ToLower" | "strings.ToUpper" => {
            let text = first()?;
            let text = text.text()?;
            let lower = path.ends_with("Lower");
            Some(Value::known(&if lower { text.to_lowercase() } else { text.to_uppercase() }, span))
        }
        "string" | "int" | "int32" | "int64" | "uint64" | "float64" | "ptr" | "Ptr" => first(),
        "append" => {
            let (list, more) = arguments.split_first()?;
            let more = listed(more, span);
            Some(fold::binary(super::syntax::Op::Add, &list.value, &more, span))
        }
        "$pairs" => Some(pairs(&first()?)),
        _ => None,
    }
}

/// What a name of Go's own is.
pub(super) fn go_name(path: &str) -> Option<i128> {
    match path {
        "time.Nanosecond" => Some(1),
        "time.Microsecond" => Some(1000),
        "time.Millisecond" => Some(MILLISECOND),
        "time.Second" => Some(SECOND),
        "time.Minute" => Some(MINUTE),
        "time.Hour" => Some(HOUR),
        _ => None,
    }
}

pub(super) fn javascript(path: &str, arguments: &[Given], span: Span) -> Option<Value> {
    let first = || arguments.first().map(|given| given.value.clone());
    match path {
        "nanos" => duration(arguments, MILLISECOND, span),
        "Object.entries" => Some(pairs(&first()?)),
        "Object.values" => match &first()?.what {
            What::Made(made) if made.open.is_none() => {
                let all: Vec<Value> = made.fields.iter().map(|one| one.value.clone()).collect();
                Some(Value::new(What::List(Rc::new(all)), span))
            }
            _ => None,
        },
        "Object.keys" | "Object.freeze" | "String" | "Number" | "BigInt" | "parseInt" => {
            let value = first()?;
            let number = value.text().filter(|_| !matches!(path, "String" | "Object.freeze"));
            match number.and_then(|text| text.parse().ok()) {
                Some(number) => Some(Value::new(What::Int(number), value.span)),
                None => Some(value),
            }
        }
        "Object.assign" => {
            let mut made = Made::default();
            for given in arguments {
                made.take(&given.value);
            }
            Some(Value::new(What::Made(made.into()), span))
        }
        _ => None,
    }
}

pub(super) fn rust(path: &str, arguments: &[Given], span: Span) -> Option<Value> {
    let first = || arguments.first().map(|given| given.value.clone());
    let last = path.rsplit('.').next().unwrap_or_default();
    let two: Vec<&str> = path.rsplit('.').take(2).collect();
    match (two.get(1).copied().unwrap_or_default(), last) {
        ("Duration", "from_secs" | "from_secs_f64" | "from_secs_f32") => {
            duration(arguments, SECOND, span)
        }
        ("Duration", "from_millis") => duration(arguments, MILLISECOND, span),
        ("Duration", "from_micros") => duration(arguments, 1000, span),
        ("Duration", "from_nanos") => duration(arguments, 1, span),
        ("Duration", "from_mins") => duration(arguments, MINUTE, span),
        ("Duration", "from_hours") => duration(arguments, HOUR, span),
        ("Duration", "from_days") => duration(arguments, DAY, span),
        ("String" | "Vec" | "HashMap" | "Box" | "Arc", "from" | "new") if !arguments.is_empty() => {
            first()
        }
        ("", "Some" | "Ok") => first(),
        ("", "vec!") => Some(listed(arguments, span)),
        ("", "format!") => formatted(arguments, span),
        ("env", "var") | ("", "env!") => None,
        _ => None,
    }
}

pub(super) fn java(path: &str, arguments: &[Given], span: Span) -> Option<Value> {
    let two: Vec<&str> = path.rsplit('.').take(2).collect();
    match (two.get(1).copied().unwrap_or_default(), two.first().copied().unwrap_or_default()) {
        ("Duration", "ofSeconds") => duration(arguments, SECOND, span),
        ("Duration", "ofMillis") => duration(arguments, MILLISECOND, span),
        ("Duration", "ofNanos") => duration(arguments, 1, span),
        ("Duration", "ofMinutes") => duration(arguments, MINUTE, span),
        ("Duration", "ofHours") => duration(arguments, HOUR, span),
        ("Duration", "ofDays") => duration(arguments, DAY, span),
        ("List" | "Set", "of") | ("Arrays", "asList") => Some(listed(arguments, span)),
        ("String", "format") => formatted(arguments, span),
        ("System", "getenv") => None,
        ("Map", "of") => {
            let mut made = Made::default();
            for pair in arguments.chunks(2) {
                let [key, value] = pair else { return None };
                made.set(key.value.text()?, key.name_span, value.value.clone());
            }
            Some(Value::new(What::Made(made.into()), span))
        }
        _ => None,
    }
}

/// So many of a unit, in nanoseconds.
pub(super) fn times(value: &Value, unit: i128) -> Option<i128> {
    match value.what {
        What::Int(number) => number.checked_mul(unit),
        What::Float(number) => format!("{:.0}", number * unit as f64).parse().ok(),
        What::Duration(nanos) => Some(nanos),
        _ => None,
    }
}

/// A list of the arguments.
pub(super) fn listed(arguments: &[Given], span: Span) -> Value {
    let all: Vec<Value> = arguments.iter().map(|given| given.value.clone()).collect();
    Value::new(What::List(Rc::new(all)), span)
}
