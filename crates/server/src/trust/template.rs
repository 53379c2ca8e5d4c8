//! Permissions of a scoped signing key: subjects in which `{{…}}` stands for something of the user, or of the account.

use watershed_wire::subject::is_valid;

use super::claims::{Permission, UserPermissions};

/// Subjects that one list becomes at most, as of nats-server.
const SUBJECTS_MAX: usize = 4096;

/// Whom a template is filled in for.
pub(crate) struct Names<'a> {
    pub(crate) name: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) tags: &'a [String],
    pub(crate) account_name: &'a str,
    pub(crate) account: &'a str,
    pub(crate) account_tags: &'a [String],
}

/// Permissions with what they are of this user; an error if they cannot be.
pub(crate) fn filled(
    template: &UserPermissions,
    names: &Names<'_>,
) -> Result<UserPermissions, &'static str> {
    let permission = |own: &Permission| {
        let allow = all(&own.allow, names, false)?;
        let mut deny = all(&own.deny, names, true)?;
        if allow.is_empty() && !own.allow.is_empty() {
            // What was allowed is nothing: not everything.
            deny.push(">".into());
        }
        Ok::<_, &'static str>(Permission { allow, deny })
    };
    let (publish, subscribe) = (permission(&template.publish)?, permission(&template.subscribe)?);
    Ok(UserPermissions { publish, subscribe, ..template.clone() })
}

/// A list of subjects. Invalid subjects are left out, or are an error if `strict`.
fn all(list: &[String], names: &Names<'_>, strict: bool) -> Result<Vec<String>, &'static str> {
    if list.iter().all(|subject| next(subject).is_none()) {
        return Ok(list.to_vec());
    }
    let mut done = Vec::new();
    for subject in list {
        let mut made = vec![String::new()];
        let mut rest = subject.as_str();
        let mut spaces = 0;
        while let Some((before, operation, after)) = next(rest) {
            let values = values(operation, names)?;
            if values.is_empty() && strict {
                return Err("a tag that the template names is missing");
            }
            if made.len().saturating_mul(values.len()) > SUBJECTS_MAX {
                return Err("the template becomes too many subjects");
            }
            let longer = made
                .iter()
                .flat_map(|made| values.iter().map(move |value| format!("{made}{before}{value}")));
            made = longer.collect();
            spaces += count_spaces(before);
            rest = after;
        }
        spaces += count_spaces(rest);
        for made in made {
            let made = made + rest;
            if is_grant(&made, spaces) {
                done.push(made);
            } else if strict {
                return Err("the template becomes an invalid subject");
            }
        }
        if done.len() > SUBJECTS_MAX {
            return Err("the template becomes too many subjects");
        }
    }
    Ok(done)
}

/// Whether it is a filter, or one with queue groups behind it where the template has `spaces`: what is filled in
/// makes no groups.
fn is_grant(text: &str, spaces: usize) -> bool {
    let mut parts = text.split_whitespace();
    let valid = parts.by_ref().take(2).all(|part| is_valid(part.as_bytes()));
    valid && !text.is_empty() && parts.next().is_none() && count_spaces(text) == spaces
}

fn count_spaces(text: &str) -> usize {
    text.chars().filter(|char| char.is_whitespace()).count()
}

/// What stands before the next `{{…}}`, in it, and behind it.
fn next(subject: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = subject.split_once("{{")?;
    let (operation, after) = rest.split_once("}}")?;
    Some((before, operation.trim(), after))
}

fn values<'a>(operation: &str, names: &Names<'a>) -> Result<Vec<&'a str>, &'static str> {
    let lower = operation.to_ascii_lowercase();
    let one = |value| Ok(vec![value]);
    match lower.as_str() {
        "name()" => return one(names.name),
        "subject()" => return one(names.subject),
        "account-name()" => return one(names.account_name),
        "account-subject()" => return one(names.account),
        _ => {}
    }
    let inside = |name: &str| lower.strip_prefix(name)?.strip_suffix(')');
    let (tag, tags) = match (inside("tag("), inside("account-tag(")) {
        (Some(tag), _) => (tag, names.tags),
        (_, Some(tag)) => (tag, names.account_tags),
        _ => return Err("unknown operation in the template"),
    };
    let value = |own: &'a String| own.strip_prefix(tag)?.strip_prefix(':');
    Ok(tags.iter().filter_map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a list of allowed subjects becomes, and one of denied ones.
    #[track_caller]
    fn check(list: &[&str], allowed: Result<&[&str], &str>, denied: Result<&[&str], &str>) {
        let tags = ["dept:a".to_owned(), "dept:b".to_owned(), "odd:x y".to_owned()];
        let names = Names {
            name: "bob",
            subject: "UBOB",
            tags: &tags,
            account_name: "acme",
            account: "AACME",
            account_tags: &["tier:gold".to_owned()],
        };
        let list: Vec<String> = list.iter().map(|one| (*one).to_owned()).collect();
        for (strict, expected) in [(false, allowed), (true, denied)] {
            let found = all(&list, &names, strict);
            let found = found.as_ref().map(|all| all.iter().map(String::as_str).collect());
            assert_eq!(found.map_err(|error| *error), expected.map(<[&str]>::to_vec), "{list:?}");
        }
    }

    #[test]
    fn templates_are_filled_in() {
        let plain: &[&str] = &["a.b", "c"];
        check(plain, Ok(plain), Ok(plain));
        let named: &[&str] = &["x.bob.UBOB.acme.AACME"];
        let template = "x.{{name()}}.{{ subject() }}.{{account-name()}}.{{account-subject()}}";
        check(&[template], Ok(named), Ok(named));
        let tagged: &[&str] = &["d.a.gold", "d.b.gold"];
        check(&["d.{{tag(dept)}}.{{account-tag(tier)}}"], Ok(tagged), Ok(tagged));
        check(
            &["x.{{tag(none)}}", "y"],
            Ok(&["y"]),
            Err("a tag that the template names is missing"),
        );
        check(&["{{name()}}.* q", "y"], Ok(&["bob.* q", "y"]), Ok(&["bob.* q", "y"]));
        check(&["x.{{tag(odd)}}", "y"], Ok(&["y"]), Err("the template becomes an invalid subject"));
        let error = Err("unknown operation in the template");
        check(&["x.{{eval()}}"], error, error);
        let many = "{{tag(dept)}}".repeat(13);
        let error = Err("the template becomes too many subjects");
        check(&[&many], error, error);
    }

    #[test]
    fn what_was_allowed_and_became_nothing_is_not_everything() {
        let allow = vec!["x.{{tag(none)}}".to_owned()];
        let publish = Permission { allow, deny: Vec::new() };
        let template = UserPermissions { publish, ..UserPermissions::default() };
        let names = Names {
            name: "",
            subject: "",
            tags: &[],
            account_name: "",
            account: "",
            account_tags: &[],
        };
        let found = filled(&template, &names).unwrap();
        assert_eq!(
            (found.publish.allow.len(), found.publish.deny.as_slice()),
            (0, &[">".to_owned()][..])
        );
    }
}
