//! Carrying a plan out: what to do next, and whether to go on.
//!
//! A plan may be old when it is carried out: somebody else has been there, or a run before this one was
//! cut off. So each step looks at its asset first, and does what is left to do: nothing, if it is as
//! planned already; nothing, and the run ends, if it is not what the person said yes to. An answer that
//! was lost is not a refusal: the asset is looked at again.
//!
//! What is made again is never without either: see `recreate.rs`. What is migrated is in use meanwhile: see
//! `migrate`.

mod decide;
mod migrate;
mod recreate;
mod replace;
mod request;
mod run;
mod stale;
mod task;

pub use self::request::resumed;
pub use self::run::Run;
pub use self::stale::stale;
pub use self::task::{Cause, CompareError, Comparison, Event, Halt, Ids, Repeated, Task};

#[cfg(test)]
mod tests;
