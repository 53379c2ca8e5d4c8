//! A user who shows a JWT.

use std::net::IpAddr;
use std::sync::Arc;

use watershed_engine::permit::Permissions;
use watershed_engine::{Bounds, Key, Until};
use watershed_wire::time::UnixNanos;

use super::account::{Account, Signer, limit};
use super::claims::{Sources, UserClaims, UserPermissions};
use super::schedule::Schedule;
use super::template::{Names, filled};
use super::token::{Kind, Token, is_account};
use crate::auth::{ConnectionTypes, Nkey, Way};

/// A JWT whose issuer has signed it, and whether its user has signed what the server gave it.
#[derive(Debug, Clone)]
pub(crate) struct Vouched {
    pub(crate) token: Token<UserClaims>,
    schedule: Schedule,
    signed: bool,
}

/// Where somebody comes from, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor {
    pub(crate) source: IpAddr,
    pub(crate) way: Way,
}

/// Why somebody does not get in, or may not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Their account has taken the credential back.
    Revoked,
    /// Their account has expired or was deleted.
    Over,
    /// Anything else, for the log.
    Because(&'static str),
}

/// What somebody may do who got in.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) permissions: Option<Arc<Permissions>>,
    pub(crate) bounds: Bounds,
    pub(crate) key: Key,
}

impl Vouched {
    /// Reads what somebody has sent. Slow: two signatures are checked.
    pub(crate) fn read(jwt: &str, nonce: &str, signature: &str) -> Result<Self, &'static str> {
        let token: Token<UserClaims> =
            Token::read(jwt, Kind::User).map_err(|_| "invalid JWT of a user")?;
        let may = &token.claims.may;
        let schedule =
            Schedule::read(&may.times, &may.times_location).ok_or("unknown time or place")?;
        let signed = !signature.is_empty()
            && Nkey::of_user(&token.subject)
                .is_some_and(|key| key.has_signed(nonce.as_bytes(), signature));
        Ok(Self { token, schedule, signed })
    }

    /// Public key of the account that is said to have issued it.
    pub(crate) fn account(&self) -> &str {
        let Token { issuer, claims, .. } = &self.token;
        if claims.issuer_account.is_empty() { issuer } else { &claims.issuer_account }
    }

    /// What a user of this account may do, at this time.
    pub(crate) fn judge(
        &self,
        account: &Account,
        visitor: &Visitor,
        now: UnixNanos,
    ) -> Result<Admitted, Refusal> {
        let because = |why| Err(Refusal::Because(why));
        let Token { subject, issuer, claims, issued, .. } = &self.token;
        if !self.token.is_current(now) {
            return because("JWT of the user has expired, or is not valid yet");
        }
        if !claims.issuer_account.is_empty() && !is_account(&claims.issuer_account) {
            return because("invalid `issuer_account`");
        }
        let Some(signer) = account.signer(issuer) else {
            return because("issuer of the user is unknown to its account");
        };
        let filled_in;
        let (may, schedule, unlimited) = match signer {
            Signer::Plain => (&claims.may, &self.schedule, self.token.is_old),
            Signer::Scoped(_) if !claims.may.is_empty() => {
                return because("users of a scoped signing key have no permissions of their own");
            }
            Signer::Scoped(template) => {
                filled_in =
                    filled(&template.may, &self.names(account)).map_err(Refusal::Because)?;
                (&filled_in, &template.schedule, true)
            }
        };
        if account.token.is_over(now) {
            return Err(Refusal::Over);
        }
        if !account.token.is_current(now) {
            return because("JWT of the account is not valid yet");
        }
        if may.bearer_token && account.token.claims.limits.disallow_bearer {
            return because("account does not allow bearer tokens");
        }
        if may.proxy_required {
            return because("`proxy_required` is not supported");
        }
        if !comes_as_allowed(&may.allowed_connection_types, visitor.way) {
            return because("connection type is not allowed");
        }
        if !self.signed && !may.bearer_token {
            return because("signature is missing, or not the user's");
        }
        if account.has_revoked(subject, *issued) {
            return Err(Refusal::Revoked);
        }
        if !comes_from(&may.src, visitor.source) {
            return because("address is not allowed");
        }
        let mut until = self.token.end();
        if !schedule.is_empty() {
            let Some(end) = schedule.until(now) else {
                return because("not at this time of day");
            };
            until = until.into_iter().chain([end]).min();
        }
        let own = until.map(|time| Until { time, of_account: false });
        let of_account = account.token.end().map(|time| Until { time, of_account: true });
        let until = own.into_iter().chain(of_account).min();
        let permissions = may.permissions().map_err(Refusal::Because)?;
        let permissions = permissions.map(Arc::new).or_else(|| account.default_permissions.clone());
        let bounds = bounds(may, account, until, unlimited);
        let key = Key {
            issuer: issuer.clone(),
            name: self.token.name.clone(),
            account_name: account.token.name.clone(),
            tags: claims.tags.clone(),
        };
        Ok(Admitted { permissions, bounds, key })
    }

    fn names<'a>(&'a self, account: &'a Account) -> Names<'a> {
        Names {
            name: &self.token.name,
            subject: &self.token.subject,
            tags: &self.token.claims.tags,
            account_name: &account.token.name,
            account: &account.token.subject,
            account_tags: &account.token.claims.tags,
        }
    }
}

/// What bounds a connection: the user's limits and the account's. What a user's JWT does not say is nothing, but
/// `unlimited` where it is a template, or of the first version.
fn bounds(
    may: &UserPermissions,
    account: &Account,
    until: Option<Until>,
    unlimited: bool,
) -> Bounds {
    let limits = &account.token.claims.limits;
    let absent = if unlimited { -1 } else { 0 };
    let least = |own: Option<i64>, of_account: i64| {
        let both = [limit(own.unwrap_or(absent)), limit(of_account)];
        both.into_iter().flatten().min()
    };
    Bounds {
        subscriptions: least(may.subs, limits.subs),
        payload: least(may.payload, limits.payload),
        until,
    }
}

/// Whether one of the ways that are allowed is this one. No list allows all.
fn comes_as_allowed(allowed: &[String], way: Way) -> bool {
    if allowed.is_empty() {
        return true;
    }
    let mut types = ConnectionTypes::NONE;
    for name in allowed {
        types.allow(name);
    }
    types.allows(way)
}

/// Whether one of the networks has the address. No list has all.
fn comes_from(networks: &Sources, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let mut any = false;
    for network in networks.iter() {
        any = true;
        if has(network, address).unwrap_or(false) {
            return true;
        }
    }
    !any
}

/// Whether a network such as `10.0.0.0/8` contains an address; `None` if the network is invalid.
fn has(network: &str, address: IpAddr) -> Option<bool> {
    let (base, length) = network.split_once('/')?;
    let length: u32 = length.parse().ok()?;
    let (base, address, bits) = match (base.parse().ok()?, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            (u128::from(base.to_bits()), u128::from(address.to_bits()), 32)
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), 128),
        _ => return Some(false),
    };
    let shift = u32::checked_sub(bits, length)?;
    let front = |bits: u128| bits.checked_shr(shift).unwrap_or_default();
    Some(front(base) == front(address))
}

impl UserPermissions {
    /// Whether what a template becomes may be valid; what it names is not known yet.
    pub(super) fn permissions_or_template(&self) -> Result<(), &'static str> {
        let is_plain = |subject: &String| !subject.contains("{{");
        let mut plain = self.clone();
        for list in [&mut plain.publish, &mut plain.subscribe] {
            list.allow.retain(is_plain);
            list.deny.retain(is_plain);
        }
        plain.permissions().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_addresses() {
        let address = |text: &str| text.parse().unwrap();
        for (network, from, expected) in [
            ("10.0.0.0/8", "10.1.2.3", Some(true)),
            ("10.0.0.0/8", "11.1.2.3", Some(false)),
            ("0.0.0.0/0", "11.1.2.3", Some(true)),
            ("127.0.0.1/32", "127.0.0.1", Some(true)),
            ("127.0.0.1/33", "127.0.0.1", None),
            ("2001:db8::/32", "2001:db8:1::1", Some(true)),
            ("::/0", "2001:db8:1::1", Some(true)),
            ("2001:db8::/32", "10.0.0.1", Some(false)),
            ("10.0.0.0", "10.0.0.0", None),
            ("", "10.0.0.0", None),
        ] {
            assert_eq!(has(network, address(from)), expected, "{network} {from}");
        }
        let some = Sources::Text("192.0.2.0/24, 10.0.0.0/8".into());
        assert!(comes_from(&some, address("10.0.0.1")) && !comes_from(&some, address("::1")));
        assert!(comes_from(&some, address("::ffff:10.0.0.1")));
        assert!(comes_from(&Sources::default(), address("::1")));
    }
}
