//! Accounts by number.

/// An account's place in the node's tables. Accounts are never removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub u32);

impl AccountId {
    /// The place of the account at `index`.
    pub fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("accounts are few"))
    }

    /// The place as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
