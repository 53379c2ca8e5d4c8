//! Long texts below a line: broken between words where a person reads them, in one piece for programs.

use std::io::{IsTerminal as _, stdout};

use super::out;

/// How far they are set in.
const INDENT: &str = "        ";

/// Prints a text below the line that it belongs to.
pub(crate) fn detail(text: &str) {
    let width = stdout().is_terminal().then(textwrap::termwidth);
    out(&shown(text, width));
}

fn shown(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return format!("{INDENT}{text}") };
    let options = textwrap::Options::new(width.max(40))
        .initial_indent(INDENT)
        .subsequent_indent(INDENT)
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
        insta::assert_snapshot!(shown(text, Some(44)), @"
        `watershed_migrates_ORDERS` stays
        until `--drop-old ORDERS` is given
        ");
        assert_eq!(shown(text, None), format!("        {text}"));
    }
}
