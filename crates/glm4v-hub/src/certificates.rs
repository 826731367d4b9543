use std::path::Path;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::HubError;

/// Trusts the certificates in `file`, of a company's proxy for example. Without a file, those that Mozilla trusts.
pub(crate) fn tls(file: Option<&Path>) -> Result<TlsConfig, HubError> {
    let Some(file) = file else {
        return Ok(TlsConfig::default());
    };
    let text = std::fs::read(file).map_err(HubError::io(file))?;
    let items = parse_pem(&text).filter_map(Result::ok);
    let certificates = items.filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    if certificates.is_empty() {
        return Err(HubError::Environment {
            name: "SSL_CERT_FILE",
            expected: "a PEM file with certificates",
            found: format!("none in {}", file.display()),
        });
    }
    let roots = RootCerts::from(certificates);
    Ok(TlsConfig::builder().root_certs(roots).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        assert!(tls(None).is_ok());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        assert!(matches!(tls(Some(&file)), Err(HubError::Io { .. })));
        std::fs::write(&file, "no certificate").unwrap();
        let message = tls(Some(&file)).unwrap_err().to_string();
        assert!(
            message.starts_with("SSL_CERT_FILE: expected ") && message.contains("ca.pem"),
            "{message}"
        );
        // The certificate itself is checked when a server is contacted.
        std::fs::write(
            &file,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        assert!(tls(Some(&file)).is_ok());
    }
}
