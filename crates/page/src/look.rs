//! One look at an account after the other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use watershed_client::{Client, Whereabouts};
use watershed_topology::call::CallError;
use watershed_topology::dead_letter;
use watershed_topology::observe::Observed;
use watershed_worker::dead::Tally;

use crate::declared::{self, Declared, Source, of_account};
use crate::drift;
use crate::limits::{DEAD_COUNTED, DRIFT_PAUSE};
use crate::sample::{Sample, stream};

/// What is kept from one look to the next.
pub(crate) struct Look {
    client: Client,
    source: Option<Source>,
    sample: Sample,
    whereabouts: Option<Whereabouts>,
    tallies: BTreeMap<String, Tally>,
    /// When it was last compared with what is declared.
    compared: Option<Instant>,
}

impl Look {
    /// The first sample has this number.
    pub(crate) fn new(client: Client, source: Option<Source>, first: u64) -> Self {
        let sample = Sample { number: first - 1, ..Sample::default() };
        let tallies = BTreeMap::new();
        Self { client, source, sample, whereabouts: None, tallies, compared: None }
    }

    /// Looks again, at this time after the beginning.
    pub(crate) async fn sample(&mut self, at: Duration) -> Sample {
        self.sample.number += 1;
        self.sample.at_ms = at.as_millis();
        self.sample.error = self.look().await.err().map(|error| error.to_string());
        self.sample.clone()
    }

    async fn look(&mut self) -> Result<(), CallError> {
        let number = self.sample.number;
        let is_due = self.compared.is_none_or(|then| then.elapsed() >= DRIFT_PAUSE);
        if self.whereabouts.is_none() || is_due {
            self.whereabouts = Some(self.client.whereabouts().await);
        }
        // What is declared is told first: it is there even where nothing may be asked.
        if is_due {
            self.compare().await;
            self.compared = Some(Instant::now());
        }
        let observed = self.client.observe_everything().await?;
        self.count_dead(&observed).await;
        let account = self.account(&observed);
        self.sample.account.set(&account, number);
        let streams = &mut self.sample.streams;
        streams.retain(|name, _| observed.streams.contains_key(name));
        for (name, live) in &observed.streams {
            streams.entry(name.clone()).or_default().set(&stream(live), number);
        }
        let names: Vec<&String> = streams.keys().collect();
        let names = json!(names);
        self.sample.names.set(&names, number);
        Ok(())
    }

    fn account(&self, observed: &Observed) -> Json {
        let whereabouts = self.whereabouts.as_ref();
        let own = &observed.account;
        let dead: BTreeMap<&String, u64> =
            self.tallies.iter().map(|(name, tally)| (name, tally.count())).collect();
        json!({
            "version": observed.server.version,
            "account": whereabouts.and_then(|own| own.account.as_ref()),
            "user": whereabouts.and_then(|own| own.user.as_ref()),
            "server": whereabouts.and_then(|own| own.server.as_ref()),
            "memory": own.memory,
            "storage": own.storage,
            "max_memory": own.limits.max_memory,
            "max_storage": own.limits.max_storage,
            "dead": dead,
            "silent": observed.silent,
        })
    }

    /// Counts what was given up, as far as that may be asked.
    async fn count_dead(&mut self, observed: &Observed) {
        self.tallies.retain(|name, _| observed.streams.contains_key(name));
        for (name, live) in &observed.streams {
            if !dead_letter::is_kept_by(&live.info.config.subjects) {
                continue;
            }
            let tally = self.tallies.entry(name.clone()).or_default();
            if tally.look(&self.client, name, &live.info.state, DEAD_COUNTED).await.is_err() {
                return;
            }
        }
    }

    /// Compares the account with what is declared now.
    async fn compare(&mut self) {
        let Some(source) = self.source.clone() else { return };
        let read = tokio::task::spawn_blocking(move || source()).await;
        let declared = read.unwrap_or_else(|error| Declared::failed(error.to_string()));
        let account = self.whereabouts.as_ref().and_then(|own| own.account.as_deref());
        let number = self.sample.number;
        self.sample.declared.set(&declared::shown(&declared, account), number);
        let mut plans = Vec::new();
        for topology in of_account(&declared, account) {
            plans.push(drift::of(&self.client, topology).await);
        }
        let drift = json!({"plans": plans});
        self.sample.drift.set(&drift, number);
    }
}
