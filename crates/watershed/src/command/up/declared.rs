//! What the page of a running `up` compares the server with: the files as they are now.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use watershed_page::{Declared, Source};
use watershed_topology::{Severity, Topology};

use super::Arguments;
use crate::load::{Reading, Workspace, load};
use crate::ui;

/// Reads the files anew whenever it is asked. While they are wrong, what they said before counts.
pub(super) fn source(
    arguments: &Arguments,
    reading: &Reading,
    commands: &Arc<OnceLock<Vec<String>>>,
) -> Source {
    let (files, reading) = (arguments.files.clone(), reading.clone());
    let commands = Arc::clone(commands);
    let good: Mutex<Vec<Topology>> = Mutex::default();
    Arc::new(move || {
        let mut good = good.lock().unwrap_or_else(PoisonError::into_inner);
        let mut declared = match load(&files, &reading) {
            Ok(workspace) => read(workspace),
            Err(error) => Declared { error: Some(format!("{error:#}")), ..Declared::default() },
        };
        if declared.error.is_none() {
            good.clone_from(&declared.topologies);
        } else {
            declared.topologies.clone_from(&good);
        }
        declared.commands = commands.get().cloned().unwrap_or_default();
        declared
    })
}

fn read(workspace: Workspace) -> Declared {
    let worst = workspace.worst();
    let summary = || Some(ui::diagnostic::summary(&workspace));
    let error = summary().filter(|_| worst == Some(Severity::Error));
    let findings = summary().filter(|_| worst == Some(Severity::Warning));
    let topologies = workspace.topologies.into_iter().map(|loaded| loaded.topology.embedded().0);
    Declared { topologies: topologies.collect(), error, findings, ..Declared::default() }
}
