//! How subjects change: `subject_transform`, `republish` and the like.
//!
//! The language of destinations is ADR-30's, the texts of errors and what is refused are
//! nats-server 2.15's.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{intersection, is_valid};

/// A rule by which subjects change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    source: String,
    parts: Vec<Part>,
}

/// A token of the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Stands as it is.
    Literal(String),
    /// What this token of the source was.
    Token(usize),
    /// Something that is made of tokens of the source, one token or more.
    Made { one: bool },
    /// What the source's `>` took.
    Rest,
}

/// Why something is no rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransformError {
    /// The source is no filter, or the wildcards of the two sides do not fit each other.
    #[error("invalid subject")]
    Subject,
    /// The destination has an empty token, one with a space, or one behind a `>`.
    #[error("invalid mapping destination: invalid transform{}", behind(.0))]
    Destination(String),
    /// There is no such function.
    #[error("invalid mapping destination: unknown function in {0}")]
    UnknownFunction(String),
    /// The function wants more arguments.
    #[error("invalid mapping destination: not enough arguments passed to the function in {0}")]
    TooFew(String),
    /// The function wants fewer arguments.
    #[error("invalid mapping destination: too many arguments passed to the function in {0}")]
    TooMany(String),
    /// An argument is no number, or one that does not fit.
    #[error(
        "invalid mapping destination: function argument is invalid or in the wrong format in {0}"
    )]
    Argument(String),
    /// The source has no such wildcard.
    #[error("invalid mapping destination: wildcard index out of range in {token}{}", shown(*number))]
    Range {
        /// What names it.
        token: String,
        /// Which it names, where the source has others.
        number: Option<i64>,
    },
}

fn behind(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!(" in {token}") }
}

fn shown(number: Option<i64>) -> String {
    number.map_or(String::new(), |number| format!(": [{number}]"))
}

/// A function that a destination may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Wildcard,
    Partition,
    /// Makes of one wildcard's token another token.
    Cut,
    /// Makes of one wildcard's token several.
    Split,
    Random,
}

/// Names of functions. The first letter of each word may be a capital.
const FUNCTIONS: &[(&str, Function)] = &[
    ("wildcard", Function::Wildcard),
    ("partition", Function::Partition),
    ("splitFromLeft", Function::Split),
    ("splitFromRight", Function::Split),
    ("sliceFromLeft", Function::Split),
    ("sliceFromRight", Function::Split),
    ("split", Function::Split),
    ("left", Function::Cut),
    ("right", Function::Cut),
    ("random", Function::Random),
];

impl Transform {
    /// The rule by which what `source` takes becomes `destination`. An absent source is everything;
    /// whether an absent destination means that nothing changes is the caller's question.
    pub fn new(source: &str, destination: &str) -> Result<Self, TransformError> {
        let source = if source.is_empty() { ">" } else { source };
        if !is_valid(source.as_bytes()) {
            return Err(TransformError::Subject);
        }
        let tokens = source.split('.').enumerate();
        let wildcards: Vec<usize> =
            tokens.filter(|(_, token)| *token == "*").map(|(at, _)| at).collect();
        let mut parts = Vec::new();
        for token in destination.split('.') {
            if parts.last() == Some(&Part::Rest) {
                return Err(TransformError::Destination(token.to_owned()));
            }
            parts.push(part(token, &wildcards)?);
        }
        let rest = parts.last() == Some(&Part::Rest);
        let tail = source == ">" || source.ends_with(".>");
        let star = |part: &Part| matches!(part, Part::Literal(text) if text == "*");
        if rest != tail || parts.iter().any(star) {
            return Err(TransformError::Subject);
        }
        Ok(Self { source: source.to_owned(), parts })
    }

    /// Whether every wildcard of the source has its place in the destination.
    pub fn uses_all(&self) -> bool {
        let used: BTreeSet<usize> = self.wildcards().collect();
        let mut tokens = self.source.split('.').enumerate();
        tokens.all(|(at, token)| token != "*" || used.contains(&at))
    }

    /// Which tokens of the source stand in the destination, in its order.
    pub fn wildcards(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().filter_map(|part| match part {
            Part::Token(at) => Some(*at),
            _ => None,
        })
    }

    /// Which subjects change.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What a subject becomes; `None` if it does not change, or if a function makes it.
    pub fn apply(&self, subject: &[u8]) -> Option<Vec<u8>> {
        if !super::matches(self.source.as_bytes(), subject) {
            return None;
        }
        let tokens: Vec<&[u8]> = super::tokens(subject).collect();
        let behind = self.source.split('.').count().saturating_sub(1);
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => parts.push(text.as_bytes()),
                Part::Token(at) => parts.push(tokens.get(*at)?),
                Part::Rest => parts.extend(tokens.get(behind..)?),
                Part::Made { .. } => return None,
            }
        }
        Some(parts.join(&b'.'))
    }

    /// Whether functions have a part in it, which [`apply`](Self::apply) does not carry out.
    pub fn is_computed(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Made { .. }))
    }

    /// What the subjects that a valid `filter` takes may become, as a filter, at least. `None` if
    /// none of them changes.
    pub fn image(&self, filter: &str) -> Option<String> {
        let common = intersection(filter, &self.source)?;
        let common: Vec<&str> = common.split('.').collect();
        let behind = self.source.split('.').count().saturating_sub(1);
        let mut image = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => image.push(text.as_str()),
                // A filter that ends early ends with `>`.
                Part::Token(at) => match common.get(*at) {
                    Some(token) if *token != ">" => image.push(token),
                    _ => image.push("*"),
                },
                Part::Made { one: true } => image.push("*"),
                Part::Made { one: false } => {
                    image.push(">");
                    break;
                }
                Part::Rest => match common.get(behind..) {
                    Some(rest) if !rest.is_empty() => image.extend(rest),
                    _ => image.push(">"),
                },
            }
        }
        Some(image.join("."))
    }
}

/// The functions that a destination calls: names in lower case, and how many arguments they get.
pub fn functions(destination: &str) -> impl Iterator<Item = (String, usize)> {
    let calls = destination.split('.').filter_map(call);
    calls.map(|(name, arguments)| {
        let number = arguments.map_or(0, |arguments| arguments.split(',').count());
        (name.to_lowercase(), number)
    })
}

/// Name and arguments of a function, if a token calls one. `None` for any other token.
fn call(token: &str) -> Option<(&str, Option<&str>)> {
    let inner = token.strip_prefix("{{")?.strip_suffix("}}")?;
    if inner.is_empty() {
        return None;
    }
    let inner = inner.trim();
    match inner.split_once('(') {
        Some((name, arguments)) => Some((name.trim(), arguments.strip_suffix(')'))),
        None => Some((inner, None)),
    }
}

/// Whether `name` is `known`, in which the first letter of each word may be a capital.
fn is_named(name: &str, known: &str) -> bool {
    let same = |(own, known): (char, char)| {
        own == known || (known.is_uppercase() && own.eq_ignore_ascii_case(&known))
    };
    let mut pairs = name.chars().zip(known.chars());
    let first = pairs.next().is_some_and(|(own, known)| own.eq_ignore_ascii_case(&known));
    first && pairs.all(same) && name.chars().count() == known.chars().count()
}

/// Reads a token of a destination; `wildcards` are the places of the source's.
fn part(token: &str, wildcards: &[usize]) -> Result<Part, TransformError> {
    if let Some(number) = token.strip_prefix('$').and_then(|number| number.parse::<i64>().ok()) {
        return wildcard(token, number, wildcards);
    }
    let Some((name, arguments)) = call(token) else {
        return match token {
            ">" => Ok(Part::Rest),
            _ if token.is_empty() || token.contains([' ', '\t', '\r', '\n', '\x0c']) => {
                Err(TransformError::Destination(String::new()))
            }
            _ => Ok(Part::Literal(token.to_owned())),
        };
    };
    let unknown = || TransformError::UnknownFunction(token.to_owned());
    let known = FUNCTIONS.iter().find(|(known, _)| is_named(name, known));
    let (known, function) = *known.ok_or_else(unknown)?;
    let arguments = arguments.ok_or_else(unknown)?;
    let arguments: Vec<&str> = match arguments {
        "" => Vec::new(),
        some => some.split(',').map(str::trim).collect(),
    };
    called(token, known, function, &arguments, wildcards)
}

/// Checks a call of a function that exists.
fn called(
    token: &str,
    name: &str,
    function: Function,
    arguments: &[&str],
    wildcards: &[usize],
) -> Result<Part, TransformError> {
    let too_few = || TransformError::TooFew(token.to_owned());
    let wrong = || TransformError::Argument(token.to_owned());
    let number = |text: &str| text.parse::<i64>().map_err(|_| wrong());
    let small = |text: &str| text.parse::<i32>().map_err(|_| wrong());
    match (function, arguments) {
        (Function::Wildcard, []) | (Function::Cut | Function::Split, [] | [_]) => Err(too_few()),
        (Function::Wildcard, [at]) => wildcard(token, number(at)?, wildcards),
        (Function::Wildcard, _) => Err(TransformError::TooMany(token.to_owned())),
        (Function::Cut | Function::Split, [at, by]) => {
            let at = number(at)?;
            // Any text may stand between the pieces of a `split`.
            if name != "split" {
                small(by)?;
            }
            wildcard(token, at, wildcards)?;
            Ok(Part::Made { one: function == Function::Cut })
        }
        (Function::Cut | Function::Split, _) => Err(TransformError::TooMany(token.to_owned())),
        (Function::Random | Function::Partition, []) => Err(wrong()),
        (Function::Random, [range]) => small(range).map(|_| Part::Made { one: true }),
        (Function::Random, _) => Err(too_few()),
        (Function::Partition, [buckets, places @ ..]) => {
            small(buckets)?;
            for place in places {
                let place = number(place)?;
                if !wildcards.is_empty() {
                    wildcard(token, place, wildcards)?;
                }
            }
            Ok(Part::Made { one: true })
        }
    }
}

/// The token of the wildcard `number`, counted from 1. What is below stands for some token, too.
fn wildcard(token: &str, number: i64, wildcards: &[usize]) -> Result<Part, TransformError> {
    let range = |number| TransformError::Range { token: token.to_owned(), number };
    let Ok(at) = usize::try_from(number) else { return Ok(Part::Made { one: true }) };
    if wildcards.is_empty() && at > 0 {
        return Err(range(None));
    }
    match at.checked_sub(1).map(|at| wildcards.get(at)) {
        None => Ok(Part::Made { one: true }),
        Some(Some(at)) => Ok(Part::Token(*at)),
        Some(None) => Err(range(Some(number))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Source, destination, and what nats-server 2.15.1 answered to them.
    const ASKED: &[(&str, &str, &str)] = &[
        ("foo.*", "bar.$1", ""),
        ("foo.*", "bar.{{wildcard(1)}}", ""),
        ("foo.*", "bar.{{ Wildcard( 1 ) }}", ""),
        ("foo.*", "bar", ""),
        ("foo.*", "bar.*", "invalid subject"),
        ("foo.*", "bar.$2", "invalid mapping destination: wildcard index out of range in $2: [2]"),
        ("foo.>", "bar.>", ""),
        ("foo.>", "bar", "invalid subject"),
        ("foo", "bar.>", "invalid subject"),
        ("", "bar.>", ""),
        ("foo..x", "bar", "invalid subject"),
        ("foo.*", "bar..x", "invalid mapping destination: invalid transform"),
        ("foo.*", "bar x.$1", "invalid mapping destination: invalid transform"),
        ("foo.>", "x.>.y", "invalid mapping destination: invalid transform in y"),
        (
            "foo.*",
            "bar.{{nope(1)}}",
            "invalid mapping destination: unknown function in {{nope(1)}}",
        ),
        (
            "foo.*",
            "{{WILDCARD(1)}}",
            "invalid mapping destination: unknown function in {{WILDCARD(1)}}",
        ),
        ("foo.*", "{{wildcard}}", "invalid mapping destination: unknown function in {{wildcard}}"),
        (
            "foo.*",
            "{{wildcard()}}",
            "invalid mapping destination: not enough arguments passed to the function in {{wildcard()}}",
        ),
        (
            "foo.*",
            "{{wildcard( )}}",
            "invalid mapping destination: function argument is invalid or in the wrong format in {{wildcard( )}}",
        ),
        (
            "foo.*",
            "{{wildcard(1,2)}}",
            "invalid mapping destination: too many arguments passed to the function in {{wildcard(1,2)}}",
        ),
        (
            "foo.*",
            "{{split(1)}}",
            "invalid mapping destination: not enough arguments passed to the function in {{split(1)}}",
        ),
        ("foo.*", "{{split(1,)}}", ""),
        ("foo.*", "{{SplitFromLeft(1,3)}}", ""),
        (
            "foo.*",
            "{{splitfromleft(1,x)}}",
            "invalid mapping destination: function argument is invalid or in the wrong format in {{splitfromleft(1,x)}}",
        ),
        (
            "foo.*",
            "{{left(5,1)}}",
            "invalid mapping destination: wildcard index out of range in {{left(5,1)}}: [5]",
        ),
        ("foo.*", "{{partition(3)}}", ""),
        (
            "foo.*",
            "{{partition()}}",
            "invalid mapping destination: function argument is invalid or in the wrong format in {{partition()}}",
        ),
        (
            "foo.*",
            "{{partition(3,5)}}",
            "invalid mapping destination: wildcard index out of range in {{partition(3,5)}}: [5]",
        ),
        ("foo", "{{partition(3,1)}}", ""),
        ("foo", "$1", "invalid mapping destination: wildcard index out of range in $1"),
        (
            "foo.*",
            "{{random(1,2)}}",
            "invalid mapping destination: not enough arguments passed to the function in {{random(1,2)}}",
        ),
        ("foo.*", "{{random(3)}}", ""),
        ("foo.*", "{{}}.{{wildcard(1).$x.$0.$-1.a$1", ""),
    ];

    #[test]
    fn what_a_server_refuses_is_refused_in_its_words() {
        for (source, destination, error) in ASKED {
            let got = Transform::new(source, destination).err().map(|error| error.to_string());
            assert_eq!(got.unwrap_or_default(), *error, "{source} -> {destination}");
        }
    }

    #[test]
    fn a_filter_has_an_image() {
        for (source, destination, filter, image) in [
            ("o.*", "x.$1", "o.>", Some("x.*")),
            ("o.*", "x.$1", "o.a", Some("x.a")),
            ("o.*", "x.$1", "p.a", None),
            ("o.>", "x.>", "o.a.*", Some("x.a.*")),
            ("o.>", "x.>", ">", Some("x.>")),
            ("", "x.>", "a.b", Some("x.a.b")),
            ("*.o.*", "$2.$1", "a.o.*", Some("*.a")),
            ("o.*", "p.{{partition(3,1)}}.$1", "o.a", Some("p.*.a")),
            ("o.*", "p.{{split(1,-)}}.x", "o.a", Some("p.>")),
            ("o.*.>", "x.$1.>", "o.>", Some("x.*.>")),
        ] {
            let transform = Transform::new(source, destination).unwrap();
            assert_eq!(transform.image(filter).as_deref(), image, "{source} -> {destination}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at(source in "[a$*>.{}(), 1]{0,12}", destination in "[a$*>.{}(), 1wp]{0,24}", filter in "[a*>.]{1,8}") {
            if let Ok(transform) = Transform::new(&source, &destination)
                && is_valid(filter.as_bytes())
                && let Some(image) = transform.image(&filter)
            {
                prop_assert!(is_valid(image.as_bytes()), "{image}");
            }
        }
    }
}
