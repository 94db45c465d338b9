//! Signed checkpoints of the tree: C2SP tlog-checkpoint in a C2SP signed-note, with Ed25519.
//!
//! The key that signs is made and kept at the edge; here it is only a [`Signer`]. What verifies is a [`LogKey`], which
//! is public and travels as a `vkey` line.

use crate::digest::Digest;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{fmt, str::FromStr};

/// The signature type of Ed25519 in signed notes.
const ED25519_TYPE: u8 = 1;
/// Signatures that a note may carry: ours and many witnesses'. The format asks for at least 16.
const NOTE_SIGNATURES: usize = 32;
/// A note that we read is at most this long.
const NOTE_BYTES: usize = 16 * 1024;

/// Why a note, checkpoint or key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not in the form of C2SP signed-note.
    #[error("not a signed note")]
    Form,
    /// The text is not that of a checkpoint.
    #[error("not a checkpoint")]
    NotACheckpoint,
    /// Not a `vkey` of an Ed25519 key.
    #[error("not a verifier key")]
    Key,
    /// A key that we know did not make the signature under its name: the note is forged or damaged.
    #[error("a signature of a known key is wrong")]
    Signature,
    /// No key that we know has signed.
    #[error("no known key has signed")]
    Unsigned,
}

/// A key name may not hold anything that a signature line could be cut at.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The public key that verifies checkpoints, with its name (the log's origin).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    name: String,
    public_key: [u8; 32],
}

impl LogKey {
    /// An Ed25519 key under the name that its signatures carry.
    pub fn new(name: &str, public_key: [u8; 32]) -> Result<Self, NoteError> {
        if is_key_name(name) { Ok(Self { name: name.to_owned(), public_key }) } else { Err(NoteError::Key) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes of the key.
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key): a hint, not an identity.
    fn id(&self) -> [u8; 4] {
        let digest = Digest::of_parts(&[self.name.as_bytes(), b"\n", &[ED25519_TYPE], &self.public_key]);
        let [a, b, c, d, ..] = *digest.as_bytes();
        [a, b, c, d]
    }
}

/// The `vkey` line: `<name>+<hex id>+<base64 of type and key>`.
impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519_TYPE];
        key.extend_from_slice(&self.public_key);
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(key))
    }
}

impl FromStr for LogKey {
    type Err = NoteError;
    fn from_str(line: &str) -> Result<Self, NoteError> {
        // The base64 may hold a plus sign: only the first two cut.
        let mut parts = line.splitn(3, '+');
        let (name, id, key) = (parts.next(), parts.next(), parts.next());
        let (Some(name), Some(_), Some(key)) = (name, id, key) else { return Err(NoteError::Key) };
        let key = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let public_key = match key.split_first() {
            Some((&ED25519_TYPE, key)) => key.try_into().map_err(|_| NoteError::Key)?,
            _ => return Err(NoteError::Key),
        };
        let key = Self::new(name, public_key)?;
        if key.to_string() == line { Ok(key) } else { Err(NoteError::Key) }
    }
}

/// Whoever holds the private key of a log.
pub trait Signer {
    /// Its public half and name.
    fn log_key(&self) -> &LogKey;
    /// The Ed25519 signature (RFC 8032) of `message`.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

/// A text with signatures, none of which has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Ends in a newline.
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// A text signed once. The text ends in a newline and holds no other control character.
    pub fn sign(text: &str, signer: &impl Signer) -> Result<Self, NoteError> {
        if !is_note_text(text) {
            return Err(NoteError::Form);
        }
        let key = signer.log_key();
        let bytes = signer.sign(text.as_bytes()).to_vec();
        let signature = NoteSignature { name: key.name.clone(), id: key.id(), bytes };
        Ok(Self { text: text.to_owned(), signatures: vec![signature] })
    }

    /// The signed text, checked with the keys given: at least one of them has signed, and none of them wrongly.
    /// Signatures by keys that are not given say nothing.
    pub fn verify(&self, keys: &[LogKey]) -> Result<&str, NoteError> {
        let mut signed = false;
        for signature in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.name == signature.name && key.id() == signature.id) else {
                continue;
            };
            UnparsedPublicKey::new(&ED25519, key.public_key)
                .verify(self.text.as_bytes(), &signature.bytes)
                .map_err(|_| NoteError::Signature)?;
            signed = true;
        }
        if signed { Ok(&self.text) } else { Err(NoteError::Unsigned) }
    }

    /// The text, unchecked: for showing, or for a verifier that was given no key and says so.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }
}

fn is_note_text(text: &str) -> bool {
    text.ends_with('\n') && !text.chars().any(|c| c.is_control() && c != '\n')
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            let mut bytes = signature.id.to_vec();
            bytes.extend_from_slice(&signature.bytes);
            writeln!(f, "\u{2014} {} {}", signature.name, STANDARD.encode(bytes))?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = NoteError;
    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES || !is_note_text(note) {
            return Err(NoteError::Form);
        }
        // The signatures follow the last empty line; the text keeps its own newline.
        let cut = note.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, rest) = (&note[..=cut], &note[cut + 2..]);
        let signatures = rest.lines().map(signature_line).collect::<Result<Vec<_>, _>>()?;
        if text == "\n" || signatures.is_empty() || signatures.len() > NOTE_SIGNATURES {
            return Err(NoteError::Form);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }
}

fn signature_line(line: &str) -> Result<NoteSignature, NoteError> {
    let (name, encoded) =
        line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')).ok_or(NoteError::Form)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| NoteError::Form)?;
    let (id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::Form)?;
    if !is_key_name(name) || signature.is_empty() {
        return Err(NoteError::Form);
    }
    Ok(NoteSignature { name: name.to_owned(), id: *id, bytes: signature.to_vec() })
}

/// A tree at one moment: whose, how many leaves, which root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The signed note of this checkpoint. The origin must be the key's name, so that a checkpoint names its log.
    pub fn sign(&self, signer: &impl Signer) -> Result<Note, NoteError> {
        if signer.log_key().name() != self.origin {
            return Err(NoteError::Key);
        }
        Note::sign(&self.text(), signer)
    }

    /// The three lines that are signed. We write no extension lines.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    /// Reads the lines of a checkpoint. Extension lines are tolerated, as the format wants, and mean nothing to us.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.strip_suffix('\n').ok_or(NoteError::NotACheckpoint)?.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(NoteError::NotACheckpoint);
        let (origin, size, root) = (line()?, line()?, line()?);
        let parsed: u64 = size.parse().map_err(|_| NoteError::NotACheckpoint)?;
        let bytes: [u8; 32] =
            STANDARD.decode(root).ok().and_then(|b| b.try_into().ok()).ok_or(NoteError::NotACheckpoint)?;
        if parsed.to_string() != size || lines.any(str::is_empty) {
            return Err(NoteError::NotACheckpoint);
        }
        Ok(Self { origin: origin.to_owned(), size: parsed, root: Digest::from_bytes(bytes) })
    }

    /// The checkpoint of a note that one of `keys` has signed, under that key's own origin.
    pub fn verify(note: &Note, keys: &[LogKey]) -> Result<Self, NoteError> {
        let checkpoint = Self::parse(note.verify(keys)?)?;
        let own: Vec<LogKey> = keys.iter().filter(|key| key.name == checkpoint.origin).cloned().collect();
        // A witness alone does not speak for a log: the key of the origin itself must have signed.
        note.verify(&own)?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
// A test that cannot go on should stop.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub(crate) mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    /// A log of a test, with a key from a fixed seed.
    pub(crate) struct TestLog(Ed25519KeyPair, LogKey);

    impl TestLog {
        pub(crate) fn new(name: &str, seed: u8) -> Self {
            let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
            let public = pair.public_key().as_ref().try_into().unwrap();
            let key = LogKey::new(name, public).unwrap();
            Self(pair, key)
        }
    }

    impl Signer for TestLog {
        fn log_key(&self) -> &LogKey {
            &self.1
        }
        fn sign(&self, message: &[u8]) -> [u8; 64] {
            self.0.sign(message).as_ref().try_into().unwrap()
        }
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "issuer.example/log".to_owned(), size: 42, root: Digest::of(b"root") }
    }

    #[test]
    fn a_signed_checkpoint_reads_back_under_its_own_key_only() {
        let log = TestLog::new("issuer.example/log", 1);
        let note: Note = checkpoint().sign(&log).unwrap().to_string().parse().unwrap();
        let key: LogKey = log.log_key().to_string().parse().unwrap();
        assert_eq!(Checkpoint::verify(&note, &[key]), Ok(checkpoint()));
        let stranger = TestLog::new("issuer.example/log", 2);
        assert_eq!(Checkpoint::verify(&note, &[stranger.log_key().clone()]), Err(NoteError::Unsigned));
        assert_eq!(checkpoint().sign(&TestLog::new("other.example/log", 1)), Err(NoteError::Key));
    }

    #[test]
    fn a_witness_alone_does_not_speak_for_a_log() {
        let witness = TestLog::new("witness.example", 3);
        let note = Note::sign(&checkpoint().text(), &witness).unwrap();
        assert!(note.verify(&[witness.log_key().clone()]).is_ok());
        assert_eq!(Checkpoint::verify(&note, &[witness.log_key().clone()]), Err(NoteError::Unsigned));
    }

    #[test]
    fn any_other_text_under_the_signature_is_refused() {
        let log = TestLog::new("issuer.example/log", 1);
        let note = checkpoint().sign(&log).unwrap().to_string();
        let altered: Note = note.replacen("42", "43", 1).parse().unwrap();
        assert_eq!(Checkpoint::verify(&altered, &[log.log_key().clone()]), Err(NoteError::Signature));
    }

    #[test]
    fn forms_that_are_no_note_or_checkpoint_are_refused() {
        for note in [
            "",
            "text\n",
            "text\n\n",
            "\n\n\u{2014} a AAAAAAA=\n",
            "a\tb\n\n\u{2014} a AAAAAAA=\n",
            "a\n\n- a AAAAAAA=\n",
        ] {
            assert_eq!(note.parse::<Note>(), Err(NoteError::Form), "{note:?}");
        }
        let good = checkpoint().text();
        assert_eq!(Checkpoint::parse(&good), Ok(checkpoint()));
        for text in [
            good.replace("42", "042"),
            good.replace("42", "+42"),
            good.replace("42", "18446744073709551616"),
            good.replace("issuer.example/log", ""),
            good.replace('=', ""),
            format!("{good}\n"),
            good.trim_end().to_owned(),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(NoteError::NotACheckpoint), "{text:?}");
        }
    }
}
