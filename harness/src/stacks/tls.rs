//! The options of clients for TLS, which protocols with TLS share.

use net::{Address, Scheme, TlsConnector, TlsSettings, Trust};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::options::{OptionGroup, Options, OptionsError};
use super::secret::revealed;

/// The options of clients.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
pub(super) struct TlsOptions {
    /// Accept servers whose certificate one of the authorities in this file has signed (PEM), instead of those of the system
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    cacert: Option<String>,
    /// Accept any certificate of a server. An attacker on the path could then read and change every call; reports show it
    #[arg(long, conflicts_with = "cacert", help_heading = "TLS")]
    insecure: bool,
    /// What the file holds, read and checked.
    #[arg(skip)]
    #[serde(default)]
    authorities: Option<String>,
    /// Whether sessions are resumed.
    #[arg(skip)]
    #[serde(default)]
    resume: bool,
}

pub(super) const TLS: OptionGroup = OptionGroup::of::<TlsOptions>("tls");

/// Whether the certificates of servers are checked, and by which authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateCheck {
    /// By the authorities that the system trusts.
    System,
    /// By the authorities in a file.
    File,
    /// Not at all.
    None,
}

impl CertificateCheck {
    /// The check as the end of a sentence about TLS.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            CertificateCheck::System => "TLS, certificate checked by the system's authorities",
            CertificateCheck::File => "TLS, certificate checked by the authorities in a file",
            CertificateCheck::None => "TLS, certificate not checked",
        }
    }
}

/// Reads the file of `--cacert`, so that the options can be used on another machine.
///
/// # Errors
/// A message for people, for a file that cannot be read or holds no certificate.
pub(super) fn read_authorities(options: &mut Options) -> Result<(), String> {
    let given: TlsOptions = options.get(&TLS).map_err(|error| error.to_string())?;
    let Some(path) = &given.cacert else { return Ok(()) };
    let pem = revealed(&format!("@{path}")).map_err(|error| format!("--cacert: {error}"))?;
    TlsConnector::new(Trust::Authorities(pem.clone()))
        .map_err(|error| format!("--cacert {path}: {error}"))?;
    let read = TlsOptions { cacert: None, authorities: Some(pem), ..given };
    options.set(&TLS, &read).map_err(|error| error.to_string())
}

/// The certificates that clients with `options` accept. The options must have been
/// [prepared](super::protocol::Protocol::prepare_client_options).
///
/// # Errors
/// When the options cannot be read.
pub(super) fn trust(options: &Options) -> Result<Trust, OptionsError> {
    Ok(settings(options)?.trust)
}

/// How clients with `options` use TLS. The options must have been prepared, as for [`trust`].
///
/// # Errors
/// When the options cannot be read.
pub(super) fn settings(options: &Options) -> Result<TlsSettings, OptionsError> {
    let TlsOptions { insecure, authorities, resume, .. } = options.get(&TLS)?;
    let trust = match authorities {
        _ if insecure => Trust::Any,
        Some(pem) => Trust::Authorities(pem),
        None => Trust::System,
    };
    Ok(TlsSettings { trust, resumes_sessions: resume })
}

/// Makes clients with `options` accept the certificates that the authority with the certificate `pem` has signed, and no others, and
/// `resume` sessions or not.
///
/// # Errors
/// When the options cannot be set.
pub(super) fn trust_authority(options: &mut Options, pem: &str, resume: bool) -> Result<(), OptionsError> {
    let authorities = Some(pem.to_owned());
    options.set(&TLS, &TlsOptions { authorities, resume, ..TlsOptions::default() })
}

/// How clients with `options` check the certificates of servers.
pub(super) fn certificate_check(options: &Options) -> CertificateCheck {
    match trust(options) {
        Ok(Trust::Authorities(_)) => CertificateCheck::File,
        Ok(Trust::Any) => CertificateCheck::None,
        Ok(Trust::System | Trust::Nothing) | Err(_) => CertificateCheck::System,
    }
}

/// How clients with `options` check the certificate of the server at `url`, in one of `schemes`; `None` without TLS.
pub(super) fn of_url(url: &str, schemes: &[Scheme], options: &Options) -> Option<CertificateCheck> {
    let address = Address::parse(url, schemes).ok()?;
    address.has_tls().then(|| certificate_check(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: [Scheme; 2] = [Scheme::HTTP, Scheme::HTTPS];

    fn options(given: &TlsOptions) -> Options {
        let mut options = Options::default();
        options.set(&TLS, given).unwrap();
        options
    }

    #[test]
    fn authorities_are_read_once_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem").display().to_string();
        let pem = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap().cert.pem();
        std::fs::write(&path, &pem).unwrap();
        let mut given = options(&TlsOptions { cacert: Some(path.clone()), ..TlsOptions::default() });
        read_authorities(&mut given).unwrap();
        std::fs::remove_file(&path).unwrap();
        read_authorities(&mut given).unwrap();
        assert_eq!(trust(&given).unwrap(), Trust::Authorities(pem.trim_end().to_owned()));
        assert_eq!(of_url("https://h/", &HTTP, &given), Some(CertificateCheck::File));
        assert_eq!(of_url("http://h/", &HTTP, &given), None);
        let insecure = options(&TlsOptions { insecure: true, ..TlsOptions::default() });
        assert_eq!(trust(&insecure).unwrap(), Trust::Any);
        assert_eq!(certificate_check(&Options::default()), CertificateCheck::System);
    }

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem").display().to_string();
        let refused = || {
            let mut given = options(&TlsOptions { cacert: Some(path.clone()), ..TlsOptions::default() });
            read_authorities(&mut given).unwrap_err()
        };
        assert!(refused().starts_with("--cacert: cannot read "), "{}", refused());
        for content in ["", "hello\n"] {
            std::fs::write(&path, content).unwrap();
            assert!(refused().contains("there is no certificate in it"), "{}", refused());
        }
        std::fs::write(&path, [0x30, 0x82, 0xff]).unwrap();
        assert!(refused().contains("cannot read"), "{}", refused());
    }
}
