//! Questions to a person.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// What became of a question.
pub(crate) enum Answer {
    /// Yes.
    Yes,
    /// Anything else.
    No,
    /// There is nobody to ask.
    Nobody,
}

/// Asks. Only `yes` or `y` is a yes.
pub(crate) fn ask(question: &str) -> Answer {
    let input = std::io::stdin();
    if !input.is_terminal() || !std::io::stderr().is_terminal() {
        return Answer::Nobody;
    }
    let mut output = std::io::stderr().lock();
    let _ = write!(output, "{question} [y/N] ");
    let _ = output.flush();
    let mut line = String::new();
    match input.lock().read_line(&mut line) {
        Ok(_) if matches!(line.trim(), "y" | "yes") => Answer::Yes,
        _ => Answer::No,
    }
}
