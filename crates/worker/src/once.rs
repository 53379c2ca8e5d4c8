//! Effects that happen once, in SQLite: that a message is done is written in the transaction of its
//! effect, so that there are both or neither, wherever the worker dies.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use thiserror::Error;

use crate::delivery::Delivery;

/// How long to wait for others that write.
const BUSY: Duration = Duration::from_secs(5);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS watershed_done (
    consumer TEXT NOT NULL,
    message TEXT NOT NULL,
    at INTEGER NOT NULL DEFAULT (unixepoch()),
    PRIMARY KEY (consumer, message)
) WITHOUT ROWID";

/// A database in which effects happen once.
#[derive(Debug, Clone)]
pub struct Once(Arc<Mutex<Connection>>);

/// What came of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect<T> {
    /// It happened now.
    Now(T),
    /// It happened at an earlier delivery.
    Before,
}

/// Why there was no effect.
#[derive(Debug, Error)]
pub enum OnceError<E> {
    /// The database does not take it.
    #[error("the database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The effect itself failed, and is undone.
    #[error("{0}")]
    Effect(E),
}

impl Once {
    /// Opens a database, which may hold other tables as well.
    pub fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        Self::of(Connection::open(path)?)
    }

    /// The same, of a connection that is open. What is committed is on disk: the journal mode becomes
    /// WAL, `synchronous` becomes FULL.
    pub fn of(connection: Connection) -> Result<Self, rusqlite::Error> {
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute(TABLE, [])?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Whether this is the first time that a message is done, in the transaction of its effect.
    /// For whoever has a connection of their own; it needs the table that [`open`](Self::open) makes.
    pub fn is_first(
        transaction: &Transaction<'_>,
        delivery: &Delivery,
    ) -> Result<bool, rusqlite::Error> {
        let marked = transaction.execute(
            "INSERT OR IGNORE INTO watershed_done (consumer, message) VALUES (?1, ?2)",
            params![delivery.consumer, delivery.origin()],
        )?;
        Ok(marked == 1)
    }

    /// Runs an effect unless it happened before, on a thread where it may take its time. What it writes
    /// through its transaction is there exactly if the message counts as done.
    pub async fn run<T, E>(
        &self,
        delivery: &Delivery,
        effect: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Effect<T>, OnceError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (own, delivery) = (self.clone(), delivery.clone());
        let task = tokio::task::spawn_blocking(move || own.run_here(&delivery, effect));
        match task.await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn run_here<T, E>(
        &self,
        delivery: &Delivery,
        effect: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<Effect<T>, OnceError<E>> {
        // A transaction that panicked was rolled back when it was dropped.
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !Self::is_first(&transaction, delivery)? {
            return Ok(Effect::Before);
        }
        let value = effect(&transaction).map_err(OnceError::Effect)?;
        transaction.commit()?;
        Ok(Effect::Now(value))
    }

    /// Forgets messages that were done longer ago than this. It must be longer than any message may
    /// still come: the age of its stream, and of the dead letters that may be sent again.
    pub fn forget(&self, age: Duration) -> Result<usize, rusqlite::Error> {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connection.execute("DELETE FROM watershed_done WHERE at < unixepoch() - ?1", [seconds])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::{Letter, Reason};
    use crate::metadata::tests::delivery;

    fn count(once: &Once) -> i64 {
        let connection = once.0.lock().unwrap();
        connection.query_row("SELECT count(*) FROM effects", [], |row| row.get(0)).unwrap()
    }

    async fn effect(once: &Once, delivery: &Delivery, fails: bool) -> String {
        let done = once.run(delivery, move |transaction| {
            transaction.execute("INSERT INTO effects VALUES (1)", []).unwrap();
            if fails { Err("oh no") } else { Ok(()) }
        });
        match done.await {
            Ok(effect) => format!("{effect:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn an_effect_happens_once_and_with_its_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("done.db");
        let once = Once::open(&path).unwrap();
        once.0.lock().unwrap().execute("CREATE TABLE effects (x)", []).unwrap();
        let mut message = delivery("");
        assert_eq!(effect(&once, &message, true).await, "oh no");
        assert_eq!(count(&once), 0);
        assert_eq!(effect(&once, &message, false).await, "Now(())");
        message.deliveries += 1;
        assert_eq!(effect(&once, &message, false).await, "Before");
        // Also in another process, and after a restart.
        let other = Once::open(&path).unwrap();
        assert_eq!(effect(&other, &message, false).await, "Before");
        // Given up in spite of its effect, and sent again: it is the same message.
        let letter = Letter::of(&message, Reason::MaxDeliver, "");
        let mut again = delivery("");
        again.headers = letter.sent_again("DEAD/1");
        again.sequence = 99;
        assert_eq!(effect(&once, &again, false).await, "Before");
        assert_eq!(count(&once), 1);
        // Another message, another consumer, and the same sequence of a stream that was made anew.
        let others: [fn(&mut Delivery); 3] =
            [|one| one.sequence = 8, |one| one.consumer = "other".into(), |one| one.created = 2];
        for change in others {
            let mut other = delivery("");
            change(&mut other);
            assert_eq!(effect(&once, &other, false).await, "Now(())");
        }
        assert_eq!(once.forget(Duration::from_mins(1)).unwrap(), 0);
    }
}
