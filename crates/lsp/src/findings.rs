//! What the linter finds, as editors show it.

use lsp_types::{
    CodeDescription, Diagnostic as Shown, DiagnosticRelatedInformation, DiagnosticSeverity,
    NumberOrString,
};
use watershed_topology::{Diagnostic, Severity};

use crate::folder::{Folder, Kind};

impl Folder {
    /// What is wrong with each file, by URI; also with those with which nothing is. `rules` is where a rule is
    /// explained: its code comes behind that.
    pub fn diagnostics(&self, rules: Option<&str>) -> Vec<(&str, Vec<Shown>)> {
        let of = |file: &crate::folder::File| {
            let own = self.findings.iter().filter(|one| one.place.span.file == file.id);
            own.map(|one| self.diagnostic(one, rules)).collect()
        };
        let known = self.files.iter().filter(|file| file.kind != Kind::Other);
        known.map(|file| (file.uri.as_str(), of(file))).collect()
    }

    /// A finding as an editor shows it.
    pub(crate) fn diagnostic(&self, found: &Diagnostic, rules: Option<&str>) -> Shown {
        let related = found.others.iter().filter_map(|other| {
            let location = self.location(other.span)?;
            Some(DiagnosticRelatedInformation { location, message: other.text.clone() })
        });
        let related: Vec<_> = related.collect();
        let href = rules.and_then(|rules| format!("{rules}{}", found.code).parse().ok());
        Shown {
            range: self.range(found.place.span),
            severity: Some(match found.severity {
                Severity::Error => DiagnosticSeverity::ERROR,
                Severity::Warning => DiagnosticSeverity::WARNING,
                Severity::Info => DiagnosticSeverity::INFORMATION,
            }),
            code: Some(NumberOrString::String(found.code.to_owned())),
            code_description: href.map(|href| CodeDescription { href }),
            source: Some("watershed".to_owned()),
            message: found.told(),
            related_information: (!related.is_empty()).then_some(related),
            ..Shown::default()
        }
    }
}
