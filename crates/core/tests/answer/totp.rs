//! Codes from an app: this step, the one before, and no other.

use crate::setting::*;
use counterfoil_core::{
    assurance::Method,
    authenticator::totp::{TotpError, TotpSecret, step_at},
    time::Time,
};

fn secret() -> TotpSecret {
    TotpSecret::new(b"12345678901234567890").unwrap()
}

#[test]
fn a_code_is_good_in_its_step_and_in_the_next() {
    // The middle of a step, so that thirty seconds are one step exactly.
    let now = Time::from_seconds(1_800_000_015);
    for (steps, want) in [(-2, false), (-1, true), (0, true), (1, false), (2, false)] {
        let code = secret().code(now.plus_seconds(steps * 30));
        let result = secret().verify(&code, &holder(), now);
        assert_eq!(result.is_ok(), want, "{steps}");
        if let Ok(matched) = result {
            assert_eq!(matched.step, step_at(now.plus_seconds(steps * 30)), "the step that is used up");
            assert_eq!(matched.proof.totp_step(), Some(matched.step));
            assert_eq!((matched.proof.subject(), matched.proof.fact().method), (ada(), Method::AppCode));
            assert_eq!(matched.proof.fact().channel.as_deref(), Method::AppCode.unnamed_channel());
        }
    }
}

#[test]
fn a_step_has_thirty_seconds() {
    let begin = Time::from_seconds(1_800_000_000);
    assert_eq!(step_at(begin), 60_000_000);
    assert_eq!(step_at(Time::from_millis(begin.plus_seconds(30).millis() - 1)), 60_000_000);
    assert_eq!(step_at(begin.plus_seconds(30)), 60_000_001);
}

#[test]
fn only_six_digits_are_a_code() {
    let code = secret().code(NOW);
    let (first, last) = (&code[..5], &code[1..]);
    for text in ["", first, &format!("{code}0"), &format!("+{last}"), &format!(" {last}"), "１２３４５６", "12345a"]
    {
        assert_eq!(secret().verify(text, &holder(), NOW).unwrap_err(), TotpError::NotACode, "{text:?}");
    }
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(secret().verify(wrong, &holder(), NOW).unwrap_err(), TotpError::Wrong);
}

#[test]
fn a_secret_has_160_bits_and_is_not_shown() {
    for bytes in [0, 16, 19, 21] {
        assert_eq!(TotpSecret::new(&vec![1; bytes]).unwrap_err(), TotpError::SecretLength, "{bytes}");
    }
    assert_eq!(format!("{:?}", secret()), "TotpSecret");
}

#[test]
fn an_app_reads_the_secret_as_text_and_as_uri() {
    // RFC 4648 §10 has no vector of this length; the text is the one that RFC 6238's seed is commonly given as.
    assert_eq!(*secret().base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert_eq!(
        *secret().otpauth_uri("Nord & Söhne", "ada@id.example"),
        "otpauth://totp/Nord%20%26%20S%C3%B6hne:ada%40id.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
         &issuer=Nord%20%26%20S%C3%B6hne&algorithm=SHA1&digits=6&period=30"
    );
}
