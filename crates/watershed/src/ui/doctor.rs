//! What `doctor` found, for people.

use watershed_topology::doctor::{Finding, Mend};

use super::out;
use super::wrapped::detail;

/// Prints findings under the symptoms that they explain.
pub(crate) fn show(findings: &[Finding]) {
    let mut symptom = None;
    for finding in findings {
        if symptom != Some(finding.symptom) {
            if symptom.replace(finding.symptom).is_some() {
                out("");
            }
            out(finding.symptom.title());
        }
        detail(4, &finding.to_string());
        for evidence in &finding.evidence {
            detail(8, evidence);
        }
        for mend in &finding.mend {
            match mend {
                Mend::Command(command) => out(&format!("          {command}")),
                Mend::Advice(advice) => detail(8, &format!("> {advice}")),
            }
        }
    }
}
