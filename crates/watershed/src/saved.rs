//! Plans that were saved: `plan --out FILE`, `apply FILE`.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use watershed_client::Whereabouts;
use watershed_topology::plan::{Plan, Policy};

use crate::ui::path::shown;

/// What a saved plan calls its form.
const FORM: &str = "watershed plan 1";

/// Longest file that may be a plan.
const BYTES_MAX: u64 = 256 << 20;

/// A plan, what a person allowed of it, and which server it is for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    format: String,
    pub(crate) server: Whereabouts,
    pub(crate) policy: Policy,
    pub(crate) plan: Plan,
}

impl Saved {
    pub(crate) fn new(server: Whereabouts, policy: Policy, plan: Plan) -> Self {
        Self { format: FORM.to_owned(), server, policy, plan }
    }

    /// Writes it whole, or not at all.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let failed = || format!("cannot write {}", shown(path));
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
            .with_context(failed)?;
        let mut text = serde_json::to_vec_pretty(self).context("a plan is JSON")?;
        text.push(b'\n');
        file.write_all(&text).with_context(failed)?;
        file.as_file().sync_all().with_context(failed)?;
        file.persist(path).with_context(failed)?;
        Ok(())
    }

    /// Reads a saved plan; `None` if the file is none.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Form {
            #[serde(default)]
            format: String,
        }
        let json = path.extension().is_some_and(|extension| extension == "json");
        if !json || !path.metadata().is_ok_and(|file| file.is_file() && file.len() <= BYTES_MAX) {
            return Ok(None);
        }
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", shown(path)))?;
        let Ok(form) = serde_json::from_slice::<Form>(&text) else { return Ok(None) };
        if !form.format.starts_with("watershed plan") {
            return Ok(None);
        }
        if form.format != FORM {
            bail!("{} is `{}`, and this program reads `{FORM}`", shown(path), form.format);
        }
        let saved = serde_json::from_slice(&text);
        Ok(Some(saved.with_context(|| format!("{} is not a valid plan", shown(path)))?))
    }
}
