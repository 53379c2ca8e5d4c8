//! Findings as workflow commands of GitHub: annotations at the lines.

use watershed_topology::Severity;

use super::out;
use crate::load::Workspace;

/// Prints all findings.
pub(crate) fn show(workspace: &Workspace) {
    for finding in &workspace.diagnostics {
        let place = workspace.sources.place(finding.place.span);
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let (file, line, column) = (property(place.file), place.line, place.column);
        let title = property(finding.code);
        out(&format!(
            "::{level} file={file},line={line},col={column},title={title}::{}",
            data(&finding.told())
        ));
    }
}

/// A text where a line would end the command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text where a comma or a colon would end the property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
