//! Files that say where the server is, for as long as it is there.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;
use watershed_server::Server;

/// The files that were written. They go when this does.
pub(super) struct Files(Vec<PathBuf>);

impl Files {
    /// Writes the ports into a file of the folder `ports`, and the process's number into `pid`.
    pub(super) fn write(
        ports: Option<&Path>,
        pid: Option<&Path>,
        server: &Server,
    ) -> anyhow::Result<Self> {
        let mut files = Self(Vec::new());
        let number = std::process::id();
        // First, since the file of ports is the sign that everything is there.
        if let Some(path) = pid {
            files.add(path.to_owned(), &number.to_string())?;
        }
        if let Some(folder) = ports {
            let mut urls = json!({"nats": [server.client_url()]});
            if let Some(address) = server.http_addr() {
                urls["monitoring"] = json!([format!("http://{address}")]);
            }
            if let Some(url) = server.websocket_url() {
                urls["websocket"] = json!([url]);
            }
            files.add(folder.join(format!("nats-server_{number}.ports")), &urls.to_string())?;
        }
        Ok(files)
    }

    /// Who reads it sees all of it or nothing.
    fn add(&mut self, path: PathBuf, text: &str) -> anyhow::Result<()> {
        let mut new = path.clone().into_os_string();
        new.push(".new");
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.0.push(path);
        Ok(())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}
