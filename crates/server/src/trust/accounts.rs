//! All accounts, and who of their users is connected.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use watershed_engine::{AccountStore, ConnId, Engine, Identity, Standing};
use watershed_wire::subject::import;
use watershed_wire::subject::transform::Transform;
use watershed_wire::time::UnixNanos;

use super::account::{Account, AccountError, is_revoked};
use super::claims::{ActivationClaims, Export, Import, Sharing};
use super::operators::Operators;
use super::token::Token;
use super::user::{Refusal, Visitor, Vouched};
use crate::config::PassageKind;

/// What becomes of an account.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: String,
    /// What it is from now on; `None` if it was deleted.
    pub(crate) account: Option<Box<Account>>,
}

/// All accounts that operators vouch for.
pub(crate) struct Accounts {
    operators: Operators,
    system_account: String,
    all: BTreeMap<String, Account>,
    present: HashMap<ConnId, (Box<Vouched>, Visitor)>,
}

/// What passes from one account to another.
struct Passing {
    from: String,
    to: String,
    transform: Transform,
    kind: PassageKind,
}

impl Accounts {
    pub(crate) fn new(operators: Operators, system_account: &str) -> Self {
        Self {
            operators,
            system_account: system_account.to_owned(),
            all: BTreeMap::new(),
            present: HashMap::new(),
        }
    }

    /// Reads an account's JWT; it is not one of these before it is [`Accounts::take`]n.
    pub(crate) fn read(&self, key: &str, jwt: &str) -> Result<Change, AccountError> {
        let account = Account::read(jwt, &self.operators)?;
        if account.token.subject != key {
            return Err(AccountError::Invalid("it is another account's"));
        }
        Ok(Change { key: key.to_owned(), account: Some(Box::new(account)) })
    }

    /// Takes over accounts as they are now. Then [`Accounts::tell`] is to be called.
    pub(crate) fn take(&mut self, changes: Vec<Change>) {
        for Change { key, account } in changes {
            match account {
                Some(account) => drop(self.all.insert(key, *account)),
                None => drop(self.all.remove(&key)),
            }
        }
    }

    /// Whether an account is one of these.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.all.contains_key(key)
    }

    /// The keys of all.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &String> {
        self.all.keys()
    }

    /// Who a connection is, if its account lets it in. It is judged again when the account changes.
    pub(crate) fn admit(
        &mut self,
        conn: ConnId,
        vouched: Box<Vouched>,
        visitor: Visitor,
        engine: &mut Engine,
        now: UnixNanos,
    ) -> Option<Identity> {
        match self.identity(&vouched, &visitor, engine, now) {
            Ok(identity) => {
                self.present.insert(conn, (vouched, visitor));
                Some(identity)
            }
            Err(refusal) => {
                tracing::debug!(connection = conn.number, ?refusal, "user is refused");
                None
            }
        }
    }

    /// A connection is gone.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.present.remove(&conn);
    }

    fn identity(
        &self,
        vouched: &Vouched,
        visitor: &Visitor,
        engine: &mut Engine,
        now: UnixNanos,
    ) -> Result<Identity, Refusal> {
        let account = self.all.get(vouched.account()).ok_or(Refusal::Over)?;
        let admitted = vouched.judge(account, visitor, now)?;
        let name = engine.account(&account.token.subject);
        let identity = Identity::new(name, &vouched.token.subject, admitted.permissions);
        let key = Some(std::sync::Arc::new(admitted.key));
        Ok(Identity { key, bounds: admitted.bounds, ..identity })
    }

    /// Tells the engine what accounts may keep, what passes between them, and what becomes of those users of the
    /// `touched` ones, or of all, who are connected. Says when it has to be told again, because something ends.
    pub(crate) fn tell(
        &self,
        engine: &mut Engine,
        now: UnixNanos,
        touched: Option<&[String]>,
    ) -> Option<UnixNanos> {
        let all = || engine.account_names().into_iter().chain(self.all.keys().cloned());
        let names: BTreeSet<String> =
            touched.map_or_else(|| all().collect(), |touched| touched.iter().cloned().collect());
        for name in &names {
            let own = self.all.get(name).filter(|_| *name != self.system_account);
            let none = AccountStore { enabled: false, ..AccountStore::default() };
            let account = engine.account(name);
            engine.limit_account(account, own.map_or(none, Account::store));
            let mappings = self.all.get(name).map(|own| own.mappings.clone());
            engine.map_subjects(account, mappings.unwrap_or_default());
            let most = self.all.get(name).and_then(Account::connections_max);
            engine.bound_connections(account, most);
        }
        let mut next = None;
        engine.forget_passages();
        for Passing { from, to, transform, kind } in self.passing(now, &mut next) {
            let [from, to] = [from, to].map(|name| engine.account(&name));
            match kind {
                PassageKind::Messages => engine.pass_messages(from, to, transform),
                PassageKind::Requests { many } => engine.pass_requests(from, to, transform, many),
            }
        }
        let mut standings: HashMap<ConnId, Standing> = HashMap::new();
        for (conn, (vouched, visitor)) in &self.present {
            if !names.contains(vouched.account()) {
                continue;
            }
            let standing = match self.identity(vouched, visitor, engine, now) {
                Ok(identity) => Standing::Is(Box::new(identity)),
                Err(Refusal::Revoked) => Standing::Revoked,
                Err(Refusal::Over) => Standing::Over,
                Err(Refusal::Because(_)) => Standing::Gone,
            };
            standings.insert(*conn, standing);
        }
        engine.judge(|conn, _, _| standings.get(&conn).cloned().unwrap_or(Standing::Same));
        next
    }

    /// What passes between accounts. What an account imports and is not offered is left out until it is.
    fn passing(&self, now: UnixNanos, next: &mut Option<UnixNanos>) -> Vec<Passing> {
        let mut all = Vec::new();
        for (to, account) in &self.all {
            if account.token.is_over(now) {
                continue;
            }
            for (import, token) in account.imports() {
                match self.passage(to, import, token, now, next) {
                    Ok(passing) => all.push(passing),
                    Err(why) => tracing::warn!(
                        account = to,
                        from = import.account,
                        subject = import.subject,
                        "import is not carried out: {why}"
                    ),
                }
            }
        }
        all
    }

    fn passage(
        &self,
        importer: &str,
        own: &Import,
        token: Option<&Token<ActivationClaims>>,
        now: UnixNanos,
        next: &mut Option<UnixNanos>,
    ) -> Result<Passing, String> {
        let exporter = self.all.get(&own.account).ok_or("its account is unknown")?;
        // What `local_subject` is called now was the other way round for services.
        let renamed = own.sharing == Sharing::Service && !own.to.is_empty();
        let (there, here) = match (own.local_subject.as_str(), own.to.as_str()) {
            ("", to) if renamed => (to, Some(own.subject.as_str())),
            ("", _) => (own.subject.as_str(), None),
            (local, _) => (own.subject.as_str(), Some(local)),
        };
        let offers = |export: &&Export| {
            export.sharing == own.sharing && import::offers(&export.subject, there)
        };
        let export = exporter.token.claims.exports.iter().find(offers);
        let export = export.ok_or("its account exports nothing of the kind")?;
        let position = export.account_token_position;
        if position > 0 && there.split('.').nth(position - 1) != Some(importer) {
            return Err("its subject does not name the account that imports".to_owned());
        }
        if export.token_req {
            let token = token.ok_or("it takes a token, and has none that counts")?;
            allows(token, importer, there, own, exporter, export, now)?;
            *next = next.iter().copied().chain(token.end()).min();
        }
        let subject = own.subject.as_str();
        let prefix = Some(own.to.as_str()).filter(|prefix| !prefix.is_empty());
        let (ends, transform, kind) = match own.sharing {
            Sharing::Service => {
                let many = matches!(export.response_type.as_str(), "Stream" | "Chunked");
                let ends = (importer.to_owned(), own.account.clone());
                (ends, import::requests(there, here), PassageKind::Requests { many })
            }
            Sharing::Stream => {
                let ends = (own.account.clone(), importer.to_owned());
                (ends, import::passing(subject, here, prefix), PassageKind::Messages)
            }
        };
        let transform = transform.map_err(|problem| problem.to_string())?;
        Ok(Passing { from: ends.0, to: ends.1, transform, kind })
    }
}

/// Fails unless a token allows an account to import.
fn allows(
    token: &Token<ActivationClaims>,
    importer: &str,
    subject: &str,
    own: &Import,
    exporter: &Account,
    export: &Export,
    now: UnixNanos,
) -> Result<(), &'static str> {
    let is_issuer = exporter.signer(&token.issuer).is_some()
        && [token.issuer.as_str(), &token.claims.issuer_account].contains(&own.account.as_str());
    if !is_issuer || token.subject != importer {
        return Err("its token is not for it, or not of the account that exports");
    }
    if token.claims.kind != own.sharing || !import::offers(&token.claims.subject, subject) {
        return Err("its token is for another subject");
    }
    if !token.is_current(now) || is_revoked(&export.revocations, importer, token.issued) {
        return Err("its token has expired or was revoked");
    }
    Ok(())
}
