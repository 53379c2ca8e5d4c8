//! The texts that were read, and places in them.

/// A file among those that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(u32);

/// A piece of a file: bytes from `start` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// File.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// Byte behind the last one.
    pub end: u32,
}

/// A value and where it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, which stands at `span`.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A text that was read.
#[derive(Debug)]
pub struct SourceFile {
    /// Name, as the user gave it.
    pub name: String,
    /// What is in it, for showing: secrets are hidden.
    pub text: String,
    /// What is in it, if something was hidden.
    whole: Option<String>,
    /// Offset of each line's first byte.
    lines: Vec<u32>,
}

/// A place as people say it. Both numbers count from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl SourceFile {
    /// What is in it, secrets and all: for writing it back, never for showing.
    pub fn whole(&self) -> &str {
        self.whole.as_deref().unwrap_or(&self.text)
    }
}

/// All texts of one run.
#[derive(Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Takes in a text, no longer than [`FILE_BYTES_MAX`](crate::limits::FILE_BYTES_MAX).
    pub fn add(&mut self, name: &str, text: &str) -> FileId {
        assert!(text.len() <= crate::limits::FILE_BYTES_MAX);
        let id = FileId(u32::try_from(self.files.len()).expect("fewer files than 2^32"));
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(starts.map(|(at, _)| offset(at + 1))).collect();
        self.files.push(SourceFile {
            name: name.to_owned(),
            text: text.to_owned(),
            whole: None,
            lines,
        });
        id
    }

    /// Hides a secret: nothing that is shown of the file repeats it.
    pub fn hide(&mut self, secret: Span) {
        let Some(file) = self.files.get_mut(secret.file.0 as usize) else { return };
        let range = secret.start as usize..secret.end as usize;
        if file.text.get(range.clone()).is_some() {
            file.whole.get_or_insert_with(|| file.text.clone());
            let stars = "*".repeat(range.len());
            file.text.replace_range(range, &stars);
        }
    }

    /// Every text.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The file `id`.
    pub fn file(&self, id: FileId) -> &SourceFile {
        self.files.get(id.0 as usize).expect("ids come from `add`")
    }

    /// Where `span` begins.
    pub fn place(&self, span: Span) -> Place<'_> {
        let file = self.file(span.file);
        let line = file.lines.partition_point(|start| *start <= span.start);
        let start = file.lines.get(line - 1).copied().unwrap_or_default() as usize;
        let before = file.text.get(start..span.start as usize).unwrap_or_default();
        Place { file: &file.name, line, column: before.chars().count() + 1 }
    }

    /// What is written at `span`.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}

/// An offset in a file as spans have it.
pub fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("files are shorter than 2^32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let mut sources = SourceMap::default();
        let file = sources.add("a.yaml", "ab\r\n\tüx: é\n");
        let place = |start, end| sources.place(Span { file, start, end }).to_string();
        assert_eq!(place(0, 1), "a.yaml:1:1");
        assert_eq!(place(4, 5), "a.yaml:2:1");
        assert_eq!(place(7, 8), "a.yaml:2:3"); // the letter behind the tab takes two bytes
        assert_eq!(place(12, 12), "a.yaml:2:7");
        assert_eq!(sources.text(Span { file, start: 5, end: 8 }), "üx");
    }

    #[test]
    fn what_is_hidden_is_not_shown() {
        let mut sources = SourceMap::default();
        let file = sources.add("a", "pass: hünter # x");
        sources.hide(Span { file, start: 6, end: 13 });
        sources.hide(Span { file, start: 600, end: 603 });
        assert_eq!(sources.file(file).text, "pass: ******* # x");
        assert_eq!(sources.file(file).whole(), "pass: hünter # x");
    }
}
