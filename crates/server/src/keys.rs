//! Keys: the master key that lives outside the database, and the signing keys that are sealed under it inside.

use crate::random::Random;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use counterfoil_core::{
    audit::checkpoint::{LogKey, Signer},
    seal::{KEY_BYTES, MasterKey},
};
use counterfoil_oauth::{
    jose::{Es256Signer, Jwks, Signer as _},
    server_nonce::{NonceKey, NonceSpace},
};
use std::{fmt, io, path::Path, sync::Arc};
use zeroize::Zeroizing;

/// The environment variable that can bring the master key, base64.
pub const MASTER_KEY_VARIABLE: &str = "COUNTERFOIL_MASTER_KEY";

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not 32 bytes in base64.
    #[error("{0} does not hold 32 bytes in base64")]
    Malformed(String),
    /// Readable by others: whoever reads it reads every secret.
    #[error("{0} may be read by others; run `chmod 600` on it and consider the key leaked")]
    Exposed(String),
    /// The file cannot be read or written.
    #[error("{file}: {source}")]
    File {
        /// Which file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A key of ours does not have its form.
    #[error("a signing key in the database is malformed")]
    Signing,
}

/// The master key from the environment, else from `file`, which is made (mode 0600) where it does not exist.
pub fn master(file: &Path, random: Random) -> Result<MasterKey, KeyError> {
    if let Ok(text) = std::env::var(MASTER_KEY_VARIABLE) {
        return decode(&Zeroizing::new(text), MASTER_KEY_VARIABLE);
    }
    let name = file.display().to_string();
    let wrong = |source| KeyError::File { file: name.clone(), source };
    match std::fs::metadata(file) {
        Ok(_) => read_master(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = Zeroizing::new(random.bytes::<KEY_BYTES>());
            let text = Zeroizing::new(STANDARD.encode(*bytes));
            write_private(file, text.as_bytes()).map_err(wrong)?;
            Ok(MasterKey::from_bytes(*bytes))
        }
        Err(error) => Err(wrong(error)),
    }
}

/// The master key of a file that is there.
pub fn read_master(file: &Path) -> Result<MasterKey, KeyError> {
    decode(&read_private(file)?, &file.display().to_string())
}

/// A secret in a file that nobody else may read.
pub fn read_private(file: &Path) -> Result<Zeroizing<String>, KeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let name = file.display().to_string();
    let wrong = |source| KeyError::File { file: name.clone(), source };
    if std::fs::metadata(file).map_err(wrong)?.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Exposed(name));
    }
    Ok(Zeroizing::new(std::fs::read_to_string(file).map_err(wrong)?))
}

fn decode(text: &str, name: &str) -> Result<MasterKey, KeyError> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| KeyError::Malformed(name.to_owned()))?);
    let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| KeyError::Malformed(name.to_owned()))?;
    Ok(MasterKey::from_bytes(bytes))
}

/// Writes a file that only its owner reads, and refuses to replace one.
pub fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What signs, and what makes nonces.
pub struct Keys {
    /// Access and ID tokens.
    pub tokens: Es256Signer,
    /// Our public keys, as `/oauth/jwks` shows them and as our own verifier uses them.
    pub jwks: Jwks,
    /// Checkpoints of the log.
    log: Arc<Ed25519KeyPair>,
    /// Nonces of session proofs.
    pub session_nonces: NonceKey,
    /// Nonces of DPoP proofs made for us.
    pub dpop_nonces: NonceKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// From the two stored PKCS#8 documents and the master key.
    pub fn new(tokens: &[u8], log: &[u8], master: &MasterKey) -> Result<Self, KeyError> {
        let tokens = Es256Signer::from_pkcs8(tokens, None, SystemRandom::new()).map_err(|_| KeyError::Signing)?;
        let jwks = Jwks::new([tokens.public_jwk().clone()]).map_err(|_| KeyError::Signing)?;
        let log = Arc::new(Ed25519KeyPair::from_pkcs8(log).map_err(|_| KeyError::Signing)?);
        let nonces = master.derive("server-nonces").map_err(|_| KeyError::Signing)?;
        Ok(Self {
            tokens,
            jwks,
            log,
            session_nonces: NonceKey::new(&nonces, NonceSpace::Session),
            dpop_nonces: NonceKey::new(&nonces, NonceSpace::AuthorizationServer),
        })
    }

    /// What signs the log of this name.
    pub fn log_signer(&self, name: &str) -> Result<LogSigner, KeyError> {
        let public = self.log.public_key().as_ref().try_into().map_err(|_| KeyError::Signing)?;
        let key = LogKey::new(name, public).map_err(|_| KeyError::Signing)?;
        Ok(LogSigner { pair: Arc::clone(&self.log), key })
    }
}

/// Signs checkpoints (C2SP signed note, Ed25519).
pub struct LogSigner {
    pair: Arc<Ed25519KeyPair>,
    key: LogKey,
}

impl Signer for LogSigner {
    fn log_key(&self) -> &LogKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogSigner({})", self.key)
    }
}
