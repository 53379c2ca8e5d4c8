//! Long texts below a line: broken between words where a person reads them, in one piece for programs.

use std::io::{IsTerminal as _, stdout};

use super::out;

/// Prints a text below the line that it belongs to, set in by so many columns.
pub(crate) fn detail(indent: usize, text: &str) {
    let width = stdout().is_terminal().then(textwrap::termwidth);
    out(&shown(indent, text, width));
}

fn shown(indent: usize, text: &str, width: Option<usize>) -> String {
    let indent = " ".repeat(indent);
    let Some(width) = width else { return format!("{indent}{text}") };
    let options = textwrap::Options::new(width.max(40))
        .initial_indent(&indent)
        .subsequent_indent(&indent)
        // Names and subjects stay whole.
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(text, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_whole_and_programs_get_one_line() {
        let text = "`watershed_migrates_ORDERS` stays until `--drop-old ORDERS` is given";
        insta::assert_snapshot!(shown(8, text, Some(44)), @"
        `watershed_migrates_ORDERS` stays
        until `--drop-old ORDERS` is given
        ");
        assert_eq!(shown(8, text, None), format!("        {text}"));
    }
}
