//! A certificate for the occasion: localhost and the demo's names, for as long as the data directory lives.

use crate::{cli::Failure, config::Tls};
use std::path::Path;

/// What was made.
pub struct Made {
    /// Where.
    pub files: Tls,
    /// The certificate, PEM.
    pub certificate: Vec<u8>,
}

/// Makes a certificate, or reads the one that is there.
pub fn make(data: &Path) -> Result<Made, Failure> {
    let files = Tls { certificate: data.join("demo-certificate.pem"), key: data.join("demo-key.pem") };
    if let Ok(certificate) = std::fs::read(&files.certificate) {
        return Ok(Made { files, certificate });
    }
    std::fs::create_dir_all(data).map_err(Failure::new)?;
    let names = ["localhost", "treasury.localhost", "*.localhost"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).map_err(Failure::new)?;
    crate::keys::write_private(&files.key, made.signing_key.serialize_pem().as_bytes()).map_err(Failure::new)?;
    let certificate = made.cert.pem().into_bytes();
    std::fs::write(&files.certificate, &certificate).map_err(Failure::new)?;
    Ok(Made { files, certificate })
}
