//! Paths, as people read them and as a shell takes them.

use std::path::{Path, PathBuf};

/// A path as short as it can be: below the current folder it is relative.
pub(crate) fn shown(path: &Path) -> String {
    let full = full(path);
    let current = std::env::current_dir().unwrap_or_default();
    match full.strip_prefix(&current) {
        Ok(inside) if !inside.as_os_str().is_empty() => inside.display().to_string(),
        _ => full.display().to_string(),
    }
}

/// A path that means the same in every folder.
pub(crate) fn full(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A path that means the same in every folder, for a shell.
pub(crate) fn quoted(path: &Path) -> String {
    word(&full(path).display().to_string())
}

/// A word for a shell.
pub(crate) fn word(text: &str) -> String {
    // Only a NUL byte cannot be said, and no argument or path has one.
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_words_as_they_are() {
        for text in ["a.b", "$KV.x.y", "it's", "a b", "*", "~", "", "`x`", "\"", "a\\b", "!x", "#"]
        {
            let printed = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", word(text))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&printed.stdout), text);
        }
        assert_eq!(word("planning.story.x"), "planning.story.x");
    }
}
