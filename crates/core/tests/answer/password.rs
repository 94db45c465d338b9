//! Passwords: one record, one answer, and no clue about who exists.

use crate::setting::*;
use counterfoil_core::{
    assurance::Method,
    authenticator::password::{PasswordError, SALT_BYTES, hash, refuse, verify},
};

const SALT: [u8; SALT_BYTES] = [7; SALT_BYTES];

#[test]
fn a_password_proves_itself_and_nothing_else_does() {
    let phc = hash("correct horse", &SALT).unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"), "{phc}");
    let proof = verify("correct horse", &phc, &holder(), NOW).unwrap();
    let fact = proof.fact();
    assert_eq!((proof.subject(), fact.method, fact.at), (ada(), Method::Password, NOW));
    assert!(!fact.user_verified && proof.ceremony_nonce().is_none() && proof.totp_step().is_none());
    for wrong in ["", "correct horse ", "Correct horse", "correct horse\0"] {
        assert_eq!(verify(wrong, &phc, &holder(), NOW).unwrap_err(), PasswordError::Wrong, "{wrong:?}");
    }
}

#[test]
fn the_same_password_on_another_keyboard_is_the_same() {
    let phc = hash("gr\u{fc}ne Wiese", &SALT).unwrap();
    assert!(verify("gru\u{308}ne Wiese", &phc, &holder(), NOW).is_ok());
}

#[test]
fn a_password_has_a_length() {
    assert_eq!(hash("seven77", &SALT), Err(PasswordError::TooShort));
    assert_eq!(hash("äöüßäöü", &SALT), Err(PasswordError::TooShort), "characters, not bytes");
    assert_eq!(hash(&"x".repeat(257), &SALT), Err(PasswordError::TooLong));
    assert_eq!(refuse(&"x".repeat(257)), PasswordError::TooLong);
}

#[test]
fn a_name_that_nobody_has_is_refused_like_a_wrong_password() {
    assert_eq!(refuse("correct horse"), PasswordError::Wrong);
}

#[test]
fn a_record_cannot_ask_for_more_than_we_give() {
    let phc = hash("correct horse", &SALT).unwrap();
    for (from, to) in [
        ("m=19456", "m=4000000"),
        ("t=2", "t=4000000000"),
        ("p=1", "p=200"),
        ("t=2", "t=0"),
        ("argon2id", "argon2i"),
        ("v=19", "v=16"),
        ("p=1", "p=1,x=1"),
        ("$BwcHBwcHBwcHBwcHBwcHBw$", "$BwcH$"),
        ("$BwcHBwcHBwcHBwcHBwcHBw$", "$$"),
    ] {
        let changed = phc.replace(from, to);
        assert_ne!(changed, phc);
        assert_eq!(verify("correct horse", &changed, &holder(), NOW).unwrap_err(), PasswordError::Record, "{to}");
    }
}
