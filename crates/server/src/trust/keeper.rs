//! The thread that keeps the JWTs of accounts: `$SYS.REQ.CLAIMS.…` is answered when what it asks for is on disk.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde_json::{Value as Json, json};
use watershed_engine::{Claims, Question};

use super::account::Account;
use super::accounts::Change;
use super::claims::DeleteClaims;
use super::directory::Directory;
use super::operators::Operators;
use super::token::{Kind, Token, is_account};
use crate::shard::{Command, Remote};
use crate::thread::spawn;

/// Requests that may wait.
const WAITING_MAX: usize = 64;

/// What a request is answered.
#[derive(Debug)]
pub(crate) enum Answers {
    /// JSON that stands beside who says it.
    Said(Json),
    /// Each of these as it is.
    Plain(Vec<String>),
}

/// Where JWTs are kept.
#[derive(Debug)]
pub(crate) struct Keeper {
    requests: SyncSender<(Claims, Question)>,
}

impl Keeper {
    /// Starts the thread. What it has to say comes as a [`Command::Kept`].
    pub(crate) fn start(
        directory: Directory,
        operators: Operators,
        system_account: String,
        may_delete: bool,
        remote: &Remote,
    ) -> io::Result<Self> {
        let (requests, receiver) = sync_channel(WAITING_MAX);
        let desk = Desk { directory, operators, system_account, may_delete };
        let remote = remote.clone();
        spawn("accounts", move || desk.work(&receiver, &remote))?;
        Ok(Self { requests })
    }

    /// Hands in a request. Says whether there was room for it.
    pub(crate) fn ask(&self, claims: Claims, question: Question) -> bool {
        self.requests.try_send((claims, question)).is_ok()
    }
}

struct Desk {
    directory: Directory,
    operators: Operators,
    system_account: String,
    may_delete: bool,
}

impl Desk {
    fn work(&self, requests: &Receiver<(Claims, Question)>, remote: &Remote) {
        while let Ok((claims, question)) = requests.recv() {
            let mut changes = Vec::new();
            let answers = self.answer(claims, &question, &mut changes);
            remote.send(Command::Kept(Box::new(question), answers, changes));
        }
    }

    fn answer(&self, claims: Claims, question: &Question, changes: &mut Vec<Change>) -> Answers {
        match claims {
            Claims::Update => self.update(question, changes),
            Claims::Delete => self.delete(&question.payload, changes),
            Claims::List => match self.directory.keys() {
                Ok(keys) => Answers::Said(json!({"data": keys})),
                Err(error) => failure("", &format!("list request error: {error}")),
            },
            Claims::Pack => match self.pack() {
                Ok(all) => Answers::Plain(all),
                Err(error) => failure("", &format!("pack request error: {error}")),
            },
            Claims::Lookup => {
                let key = question.of.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                let found = self.directory.load(&key).ok().flatten();
                Answers::Plain(vec![found.unwrap_or_default()])
            }
        }
    }

    /// All JWTs, each behind the key of its account, and an end.
    fn pack(&self) -> io::Result<Vec<String>> {
        let mut all = Vec::new();
        for key in self.directory.keys()? {
            if let Some(jwt) = self.directory.load(&key)? {
                all.push(format!("{key}|{jwt}"));
            }
        }
        all.push(String::new());
        Ok(all)
    }

    fn update(&self, question: &Question, changes: &mut Vec<Change>) -> Answers {
        const FAILED: &str = "jwt update resulted in error";
        let Ok(jwt) = std::str::from_utf8(&question.payload) else {
            return failure("n/a", &format!("{FAILED} - invalid JWT"));
        };
        let jwt = jwt.trim();
        let account = match Account::read(jwt, &self.operators) {
            Ok(account) => account,
            Err(error) => return failure("n/a", &format!("{FAILED} - {error}")),
        };
        let key = account.token.subject.clone();
        if question.of.as_deref().is_some_and(|of| of != key.as_bytes()) {
            return failure(&key, &format!("{FAILED} - subject does not match jwt content"));
        }
        if let Err(error) = self.directory.save(&key, jwt) {
            return failure(&key, &format!("{FAILED} - {error}"));
        }
        let done = json!({"account": key, "code": 200, "message": "jwt updated"});
        changes.push(Change { key, account: Some(Box::new(account)) });
        Answers::Said(json!({"data": done}))
    }

    /// Deletes what an operator has signed a list of.
    fn delete(&self, payload: &[u8], changes: &mut Vec<Change>) -> Answers {
        let accounts = match self.to_delete(payload) {
            Ok(accounts) => accounts,
            Err(why) => {
                return failure("", &format!("delete accounts request failed - {why}"));
            }
        };
        let mut errors = Vec::new();
        for key in accounts {
            match self.directory.delete(&key) {
                Ok(true) => changes.push(Change { key, account: None }),
                Ok(false) => errors.push(format!("{key} is not there")),
                Err(error) => errors.push(format!("{key}: {error}")),
            }
        }
        let count = changes.len();
        if errors.is_empty() {
            let message = format!("deleted {count} accounts");
            return Answers::Said(json!({"data": {"code": 200, "message": message}}));
        }
        let failed = errors.len();
        let errors = errors.join(", ");
        failure("", &format!("deleted {count} accounts, failed for {failed} - {errors}"))
    }

    fn to_delete(&self, payload: &[u8]) -> Result<Vec<String>, String> {
        let text = std::str::from_utf8(payload).map_err(|error| error.to_string())?;
        let token: Token<DeleteClaims> =
            Token::read(text.trim(), Kind::Generic).map_err(|error| error.to_string())?;
        let why = if !self.may_delete {
            "delete must be enabled in server config"
        } else if token.subject != token.issuer {
            "not self signed"
        } else if !self.operators.trust(&token.issuer) {
            "not trusted"
        } else if !token.claims.accounts.iter().all(|key| is_account(key)) {
            "malformed request"
        } else if token.claims.accounts.contains(&self.system_account) {
            "not allowed to delete system account"
        } else {
            return Ok(token.claims.accounts);
        };
        Err(why.to_owned())
    }
}

fn failure(account: &str, why: &str) -> Answers {
    let mut error = json!({"code": 500, "description": why});
    if !account.is_empty() {
        error["account"] = account.into();
    }
    Answers::Said(json!({"error": error}))
}
