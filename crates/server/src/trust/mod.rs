//! Operator mode: an operator vouches for accounts, and these for their users, by JWTs (ADR-14).
//!
//! What is decided here follows from JWTs, the time and an address alone. `token` reads what anybody can
//! send; `directory` keeps the JWTs of accounts on disk, and `keeper` is the thread that it belongs to.

mod account;
mod accounts;
mod claims;
mod directory;
mod gate;
mod keeper;
mod operators;
mod schedule;
mod template;
mod token;
mod user;

pub use self::account::AccountError;
pub(crate) use self::accounts::Change;
pub(crate) use self::gate::Gate;
pub use self::gate::TrustError;
pub(crate) use self::keeper::Answers;
pub(crate) use self::operators::Operators;
pub use self::token::TokenError;
pub(crate) use self::token::is_account;
pub(crate) use self::user::{Visitor, Vouched};
