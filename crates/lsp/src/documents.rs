//! The texts as an editor has them.

use std::collections::BTreeMap;

use watershed_topology::limits::FILE_BYTES_MAX;

use crate::folder::Folder;

/// Texts by URI: those that are open, and those beside them.
#[derive(Debug, Default)]
pub struct Documents {
    texts: BTreeMap<String, String>,
}

/// What a URI has up to its last `/`, and that: the folder of a file.
pub fn folder_of(uri: &str) -> &str {
    uri.rfind('/').and_then(|end| uri.get(..=end)).unwrap_or_default()
}

impl Documents {
    /// Takes in a text, or its new version. One that is too long to be a topology is left out.
    pub fn set(&mut self, uri: &str, text: String) {
        if text.len() > FILE_BYTES_MAX {
            self.texts.remove(uri);
        } else {
            self.texts.insert(uri.to_owned(), text);
        }
    }

    /// Forgets a text.
    pub fn remove(&mut self, uri: &str) {
        self.texts.remove(uri);
    }

    /// The URIs of the files in a folder.
    pub fn within(&self, folder: &str) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str).filter(move |uri| folder_of(uri) == folder)
    }

    /// What the files beside `uri` and itself say together.
    pub fn folder(&self, uri: &str) -> Folder {
        let folder = folder_of(uri);
        let files = self.texts.iter().filter(|(uri, _)| folder_of(uri) == folder);
        Folder::read(files.map(|(uri, text)| (uri.as_str(), text.as_str())))
    }
}
