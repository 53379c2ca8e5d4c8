//! What a client's certificate says of its holder.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::asn1_rs::{FromDer as _, Oid};

use crate::auth::Holder;

/// Kinds of attributes of a distinguished name, with their object identifiers (RFC 4519, RFC 2985).
const KINDS: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.17", "POSTALCODE"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
];

/// Who a certificate is about; `None` if it cannot be read.
pub(super) fn holder(certificate: &CertificateDer<'_>) -> Option<Holder> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let (mut mails, mut hosts, mut uris) = (Vec::new(), Vec::new(), Vec::new());
    if let Ok(Some(names)) = certificate.subject_alternative_name() {
        for name in &names.value.general_names {
            match name {
                GeneralName::RFC822Name(mail) => mails.push((*mail).to_owned()),
                GeneralName::DNSName(host) => hosts.push((*host).to_owned()),
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                _ => {}
            }
        }
    }
    let attributes = certificate.subject().iter_attributes();
    let attributes =
        attributes.filter_map(|one| Some((kind(one.attr_type()), one.as_str().ok()?.to_owned())));
    let mut subject: Vec<_> = attributes.collect();
    subject.sort_unstable();
    Some(Holder { names: [mails, hosts, uris].concat(), subject })
}

/// The public key of a certificate, as it stands in it; `None` if it cannot be read.
pub(super) fn public_key<'c>(certificate: &'c CertificateDer<'_>) -> Option<&'c [u8]> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.tbs_certificate.subject_pki.raw)
}

fn kind(oid: &Oid<'_>) -> String {
    let id = oid.to_id_string();
    let known = KINDS.iter().find(|(known, _)| *known == id);
    known.map_or(id, |(_, name)| (*name).to_owned())
}
