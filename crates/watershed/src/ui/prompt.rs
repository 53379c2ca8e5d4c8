//! Questions to a person.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::exit::Exit;

/// What became of a question.
enum Answer {
    /// Yes.
    Yes,
    /// Anything else.
    No,
    /// There is nobody to ask.
    Nobody,
}

/// Asks before something is done. With anything but a yes it is not: how the command then ends.
pub(crate) fn confirm(question: &str) -> Result<(), Exit> {
    match ask(question) {
        Answer::Yes => Ok(()),
        Answer::No => {
            super::say("nothing was changed");
            Err(Exit::Error)
        }
        Answer::Nobody => {
            super::say("error: not a terminal: pass --yes to apply without confirmation");
            Err(Exit::Usage)
        }
    }
}

/// Asks. Only `yes` or `y` is a yes.
fn ask(question: &str) -> Answer {
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
