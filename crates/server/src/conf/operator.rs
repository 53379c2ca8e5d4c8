//! Operator mode: `operator`, `resolver` and `resolver_preload`.

use std::collections::BTreeMap;
use std::fs;

use watershed_wire::conf::{Pair, Value};

use super::{ConfError, Read, Reader, duration, error, flag, map, number, text, wrong};
use crate::config::{OperatorConfig, Resolver};
use crate::trust::Operators;

/// What was read of it.
#[derive(Debug, Default)]
pub(super) struct Trust {
    operators: Vec<String>,
    /// The system account that the first operator names; empty for none.
    system_account: String,
    /// With its line.
    resolver: Option<(Resolver, usize)>,
    preload: BTreeMap<String, String>,
    line: usize,
}

impl Reader<'_> {
    /// JWTs of operators, or files that hold them.
    pub(super) fn operator(&mut self, pair: &Pair) -> Read<()> {
        let items = match &pair.item.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&pair.item),
        };
        let mut known = Operators::default();
        for item in items {
            let Value::Text { text, .. } = &item.value else {
                return Err(wrong(pair, "a JWT or a file, or a list of them"));
            };
            let jwt = jwt_of(text).map_err(|what| error(pair, what))?;
            known.add(&jwt).map_err(|problem| error(pair, problem.to_string()))?;
            self.trust.operators.push(jwt);
        }
        self.trust.system_account = known.system_account;
        self.trust.line = pair.place.line;
        Ok(())
    }

    pub(super) fn resolver(&mut self, pair: &Pair) -> Read<()> {
        let line = pair.place.line;
        let Value::Map(pairs) = &pair.item.value else {
            let text = text(pair)?;
            if !text.eq_ignore_ascii_case("memory") && !text.eq_ignore_ascii_case("mem") {
                let kind = text.split('(').next().unwrap_or_default();
                let what = format!("`{kind}` as `resolver` is not supported by this server");
                return Err(error(pair, what));
            }
            self.trust.resolver = Some((Resolver::Memory, line));
            return Ok(());
        };
        let (mut kind, mut folder, mut limit) = (String::new(), None, None);
        let (mut allow_delete, mut hard_delete) = (false, false);
        for pair in pairs {
            match pair.key.to_ascii_lowercase().as_str() {
                "type" => kind = text(pair)?.to_ascii_lowercase(),
                "dir" => folder = Some(text(pair)?.into()),
                "allow_delete" => allow_delete = flag(pair)?,
                "hard_delete" => hard_delete = flag(pair)?,
                "limit" => limit = Some(number(pair)?),
                // How it asks other servers, of which there are none.
                "interval" | "timeout" => drop(duration(pair)?),
                _ => self.not_a_setting(pair)?,
            }
        }
        let resolver = match (kind.as_str(), folder) {
            ("full", Some(folder)) => Resolver::Full { folder, allow_delete, hard_delete, limit },
            ("full", None) => return Err(error(pair, "missing `dir` in `resolver`")),
            ("memory" | "mem", _) => Resolver::Memory,
            (other, _) => {
                let what = format!("`{other}` as `resolver` is not supported by this server");
                return Err(error(pair, what));
            }
        };
        self.trust.resolver = Some((resolver, line));
        Ok(())
    }

    pub(super) fn resolver_preload(&mut self, pair: &Pair) -> Read<()> {
        for pair in map(pair)? {
            self.trust.preload.insert(pair.key.clone(), text(pair)?);
        }
        Ok(())
    }

    /// What was read, if it fits together and with the rest.
    pub(super) fn finish_trust(&mut self, system_said: bool) -> Read<()> {
        let trust = std::mem::take(&mut self.trust);
        let fails = |line, what: &str| Err(ConfError { line, what: what.into() });
        if trust.operators.is_empty() {
            return match trust.resolver {
                Some((_, line)) => fails(line, "a `resolver` needs an `operator`"),
                None => Ok(()),
            };
        }
        let line = trust.line;
        let Some((resolver, _)) = trust.resolver else {
            return fails(line, "missing `resolver`: an `operator` needs one");
        };
        let config = &mut self.config;
        if !config.users.is_empty() || !config.accounts.is_empty() || config.token.is_some() {
            return fails(
                line,
                "`operator` excludes users, accounts and a token of the configuration",
            );
        }
        if self.no_auth_user.is_some() {
            return fails(line, "`operator` excludes `no_auth_user`");
        }
        if !system_said && !trust.system_account.is_empty() {
            config.system_account = trust.system_account;
        }
        if resolver != Resolver::Memory && !crate::trust::is_account(&config.system_account) {
            let what = "missing `system_account`: its users change what the resolver has";
            return fails(line, what);
        }
        let (operators, preload) = (trust.operators, trust.preload);
        config.operator = Some(OperatorConfig { operators, resolver, preload });
        Ok(())
    }
}

/// A JWT, or the one that a file holds, alone or between lines of dashes.
fn jwt_of(text: &str) -> Result<String, String> {
    if text.starts_with("eyJ") {
        return Ok(text.to_owned());
    }
    let held = fs::read_to_string(text).map_err(|error| format!("cannot read {text}: {error}"))?;
    let jwt = held.lines().map(str::trim).find(|line| line.starts_with("eyJ"));
    jwt.map(str::to_owned).ok_or_else(|| format!("{text} holds no JWT"))
}
