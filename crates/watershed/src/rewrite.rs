//! Replaces a file as a whole, or not at all.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

/// Puts a new text into a file that is there, with the permissions that it has.
pub(crate) fn rewrite(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = path.display();
    let path = std::fs::canonicalize(path).with_context(|| format!("cannot find {shown}"))?;
    let folder = path.parent().context("a file is in a folder")?;
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().set_permissions(std::fs::metadata(&path)?.permissions())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {shown}"))
}
