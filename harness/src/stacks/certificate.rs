//! The certificate of the servers that this process starts with TLS, which an authority of this process signs.

use std::sync::OnceLock;

use net::{TlsAcceptor, TlsError};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde::{Deserialize, Serialize};

use crate::sys::Secret;

/// The names by which clients find these servers.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// A certificate of a server with its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The certificate, and perhaps those of the authorities that have signed it, as PEM.
    pub certificate: String,
    /// The private key, as PEM.
    pub key: Secret,
}

/// The certificate of the servers of a run.
#[derive(Clone, Debug)]
pub struct RunCertificate {
    /// The certificate of the authority that has signed that of the servers, as PEM.
    pub authority: String,
    /// The certificate of the servers.
    pub identity: Identity,
}

/// The certificate cannot be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the certificate for servers with TLS cannot be made: {0}")]
pub struct CertificateError(String);

impl Identity {
    /// What accepts connections with this certificate, from clients that speak `protocol` (ALPN), if one is named.
    ///
    /// # Errors
    /// [`TlsError`] where the texts are no certificate and key that belong together.
    pub fn acceptor<'a>(&self, protocol: impl Into<Option<&'a str>>) -> Result<TlsAcceptor, TlsError> {
        TlsAcceptor::new(&self.certificate, self.key.reveal(), protocol)
    }
}

impl RunCertificate {
    /// That of this process, which is made the first time.
    ///
    /// # Errors
    /// [`CertificateError`], each time.
    pub fn of_this_process() -> Result<&'static Self, CertificateError> {
        static CERTIFICATE: OnceLock<Result<RunCertificate, CertificateError>> = OnceLock::new();
        let made = CERTIFICATE.get_or_init(|| make().map_err(|error| CertificateError(error.to_string())));
        made.as_ref().map_err(Clone::clone)
    }
}

/// Makes an authority and a certificate that it has signed, both with keys for ECDSA on P-256. The key of the authority is
/// forgotten.
fn make() -> Result<RunCertificate, rcgen::Error> {
    let mut authority = CertificateParams::new(vec![])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, format!("rpcbench {:016x}", rand::random::<u64>()));
    let authority_key = KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let server = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?.pem();
    let key = Secret::new(key.serialize_pem());
    Ok(RunCertificate { authority: authority_pem, identity: Identity { certificate, key } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_certificate_whose_key_does_not_show() {
        let certificate = RunCertificate::of_this_process().unwrap();
        assert!(std::ptr::eq(certificate, RunCertificate::of_this_process().unwrap()));
        assert!(certificate.identity.acceptor("p").is_ok());
        assert!(!format!("{certificate:?}").contains("PRIVATE"));
        let text = serde_json::to_string(&certificate.identity).unwrap();
        assert!(serde_json::from_str::<Identity>(&text).unwrap().acceptor("p").is_ok());
        let swapped = Identity { certificate: certificate.authority.clone(), ..certificate.identity.clone() };
        assert!(swapped.acceptor("p").is_err());
    }
}
