//! Arithmetic and texts of what is known.

use watershed_topology::source::Span;

use super::syntax::Op;
use super::value::{ITEMS_MAX, TEXT_MAX, Value, What};

/// Two values and what is between them.
pub(super) fn binary(op: Op, left: &Value, right: &Value, span: Span) -> Value {
    let what = match (&left.what, &right.what) {
        (What::Int(one), What::Int(other)) => {
            ordered(op, *one, *other).or_else(|| whole(op, *one, *other))
        }
        (What::Duration(one), What::Duration(other) | What::Int(other @ 0))
            if ordered(op, *one, *other).is_some() =>
        {
            ordered(op, *one, *other)
        }
        (What::Bool(one), What::Bool(other)) => match op {
            Op::And => Some(What::Bool(*one && *other)),
            Op::Or => Some(What::Bool(*one || *other)),
            _ => None,
        },
        // One of the two is enough.
        (What::Bool(false), _) | (_, What::Bool(false)) if op == Op::And => Some(What::Bool(false)),
        (What::Bool(true), _) | (_, What::Bool(true)) if op == Op::Or => Some(What::Bool(true)),
        (What::Duration(one), What::Duration(other)) => match op {
            // Of two times only Go multiplies, where a time is a number.
            Op::Multiply | Op::Add | Op::Subtract => whole(op, *one, *other).and_then(time),
            Op::Divide => whole(op, *one, *other),
            _ => None,
        },
        (What::Duration(one), What::Int(other)) | (What::Int(other), What::Duration(one))
            if op == Op::Multiply =>
        {
            whole(op, *one, *other).and_then(time)
        }
        (What::Duration(one), What::Int(other)) if op == Op::Divide => {
            whole(op, *one, *other).and_then(time)
        }
        (What::Text(..), _) | (_, What::Text(..)) if op == Op::Add => {
            return joined(&[left.clone(), right.clone()], span);
        }
        (What::List(one), What::List(other))
            if op == Op::Add && one.len() + other.len() <= ITEMS_MAX =>
        {
            let all: Vec<Value> = one.iter().chain(other.iter()).cloned().collect();
            Some(What::List(all.into()))
        }
        _ => None,
    };
    let what = what.or_else(|| fraction(op, left, right)).or_else(|| compared(op, left, right));
    Value::new(what.unwrap_or(What::Unknown), span)
}

#[expect(clippy::unnecessary_wraps, reason = "it stands at the end of a chain of options")]
fn time(what: What) -> Option<What> {
    Some(match what {
        What::Int(nanos) => What::Duration(nanos),
        other => other,
    })
}

fn ordered(op: Op, one: i128, other: i128) -> Option<What> {
    Some(What::Bool(match op {
        Op::Equal => one == other,
        Op::Unequal => one != other,
        Op::Less => one < other,
        Op::LessOrEqual => one <= other,
        Op::More => one > other,
        Op::MoreOrEqual => one >= other,
        _ => return None,
    }))
}

fn whole(op: Op, one: i128, other: i128) -> Option<What> {
    let value = match op {
        Op::Add => one.checked_add(other),
        Op::Subtract => one.checked_sub(other),
        Op::Multiply => one.checked_mul(other),
        Op::Divide if other != 0 && one % other == 0 => one.checked_div(other),
        Op::Power => {
            u32::try_from(other).ok().filter(|by| *by < 128).and_then(|by| one.checked_pow(by))
        }
        Op::Shift => u32::try_from(other)
            .ok()
            .filter(|by| *by < 100)
            .and_then(|by| one.checked_mul(1_i128 << by)),
        _ => None,
    };
    value.map(What::Int)
}

fn fraction(op: Op, left: &Value, right: &Value) -> Option<What> {
    let number = |value: &Value| match value.what {
        What::Int(number) => Some(number as f64),
        What::Float(number) => Some(number),
        _ => None,
    };
    let (one, other) = (number(left)?, number(right)?);
    let value = match op {
        Op::Add => one + other,
        Op::Subtract => one - other,
        Op::Multiply => one * other,
        Op::Divide => one / other,
        _ => return None,
    };
    value.is_finite().then_some(What::Float(value))
}

fn compared(op: Op, left: &Value, right: &Value) -> Option<What> {
    let plain = |value: &Value| value.text().is_some();
    if !plain(left) || !plain(right) {
        return None;
    }
    match op {
        Op::Equal => Some(What::Bool(left.same(right))),
        Op::Unequal => Some(What::Bool(!left.same(right))),
        _ => None,
    }
}

/// The number with the other sign.
pub(super) fn minus(value: &Value, span: Span) -> Value {
    let what = match value.what {
        What::Int(number) => What::Int(-number),
        What::Float(number) => What::Float(-number),
        What::Duration(nanos) => What::Duration(-nanos),
        _ => What::Unknown,
    };
    Value::new(what, span)
}

/// Values one after the other, as one text.
pub(super) fn joined(parts: &[Value], span: Span) -> Value {
    let (mut text, mut unknown) = (String::new(), None);
    for part in parts {
        let (piece, lacks) = part.piece();
        unknown = unknown.or(lacks);
        if text.len() + piece.len() > TEXT_MAX {
            return Value::unknown(span);
        }
        text.push_str(&piece);
    }
    Value::new(What::Text(text.into(), unknown), span)
}

/// How long what stands behind a `%` is, if it stands for a value, and whether that is written as it is.
fn verb(rest: &str) -> Option<(usize, bool)> {
    let flags = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '+' | '#' | '.'))?;
    let sign = rest.get(flags..)?.chars().next()?;
    let plain = flags == 0 && matches!(sign, 's' | 'd' | 'v' | 't' | 'i');
    sign.is_ascii_alphabetic().then_some((flags + 1, plain))
}

/// A text with values in the places that it has for them: `{}`, `{0}`, `{name}`, `%s`, `%d`, `%v`.
pub(super) fn formatted(format: &str, arguments: &[(Option<String>, Value)], span: Span) -> Value {
    let mut parts = Vec::new();
    let mut next = arguments.iter().filter(|(name, _)| name.is_none()).map(|(_, value)| value);
    let mut rest = format;
    let mut literal = String::new();
    while let Some(at) = rest.find(['{', '%', '}']) {
        literal.push_str(rest.get(..at).unwrap_or_default());
        let sign = rest.get(at..=at).unwrap_or_default();
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(behind) = rest.strip_prefix(sign) {
            literal.push_str(sign);
            rest = behind;
            continue;
        }
        let value = if sign == "{" {
            let end = rest.find('}').unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
            let name = name.split(':').next().unwrap_or_default();
            match name.parse::<usize>() {
                Ok(index) => arguments.get(index).map(|(_, value)| value),
                Err(_) if name.is_empty() => next.next(),
                Err(_) => arguments
                    .iter()
                    .find(|(own, _)| own.as_deref() == Some(name))
                    .map(|(_, value)| value),
            }
        } else if let Some((length, plain)) = verb(rest).filter(|_| sign == "%") {
            rest = rest.get(length..).unwrap_or_default();
            let value = next.next();
            // What it makes of the value is not known, where it is not the value as it is.
            if plain { value } else { None }
        } else {
            literal.push_str(sign);
            continue;
        };
        parts.push(Value::known(&std::mem::take(&mut literal), span));
        parts.push(value.cloned().unwrap_or_else(|| Value::unknown(span)));
    }
    literal.push_str(rest);
    parts.push(Value::known(&literal, span));
    joined(&parts, span)
}
