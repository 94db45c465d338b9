//! `WWW-Authenticate` (RFC 9110 §11.6.1) as DPoP (RFC 9449 §7.1) and step-up (RFC 9470 §3) use it: built by APIs, read by clients.

use counterfoil_core::{assurance::Acr, id::DecisionId, limits};
use std::fmt;

/// What a protected API answers with 401 when more or fresher proof is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUpChallenge {
    /// Any of these is enough, in order of preference.
    pub acr_values: Vec<Acr>,
    /// How old the proof may be, in seconds.
    pub max_age_seconds: Option<u32>,
    /// The decision that the client's pushed request refers to.
    pub decision_id: Option<DecisionId>,
    /// For whoever reads logs of the client.
    pub description: Option<String>,
}

/// What a protected API answers when the token or its proof is not good enough (RFC 6750 §3.1, RFC 9449 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DpopChallenge {
    /// No token came: the bare scheme.
    Missing,
    /// The token or its proof is refused.
    InvalidToken,
    /// The proof itself is refused.
    InvalidProof,
    /// A nonce is needed; it stands in `DPoP-Nonce`.
    UseNonce,
    /// The token does not carry the scope (403).
    InsufficientScope,
}

/// The algorithms that proofs may have, as RFC 9449 §7.1 lists them.
const ALGORITHMS: &str = "ES256 EdDSA PS256";

impl fmt::Display for StepUpChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DPoP error=\"insufficient_user_authentication\"")?;
        if let Some(description) = &self.description {
            write!(f, ", error_description=\"{}\"", quotable(description))?;
        }
        if !self.acr_values.is_empty() {
            let values: Vec<&str> = self.acr_values.iter().map(|acr| acr.as_str()).collect();
            write!(f, ", acr_values=\"{}\"", values.join(" "))?;
        }
        if let Some(seconds) = self.max_age_seconds {
            write!(f, ", max_age={seconds}")?;
        }
        if let Some(decision) = self.decision_id {
            write!(f, ", decision_id=\"{decision}\"")?;
        }
        Ok(())
    }
}

impl fmt::Display for DpopChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = match self {
            Self::Missing => None,
            Self::InvalidToken => Some("invalid_token"),
            Self::InvalidProof => Some("invalid_dpop_proof"),
            Self::UseNonce => Some("use_dpop_nonce"),
            Self::InsufficientScope => Some("insufficient_scope"),
        };
        f.write_str("DPoP ")?;
        if let Some(error) = error {
            write!(f, "error=\"{error}\", ")?;
        }
        write!(f, "algs=\"{ALGORITHMS}\"")
    }
}

/// What RFC 6750 §3 allows inside the quotes, so that nothing needs an escape.
fn quotable(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '\'' }).collect()
}

/// The header is not of the form of RFC 9110 §11.6.1, or its step-up parameters are not of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a WWW-Authenticate header that can be read")]
pub struct ChallengeError;

impl StepUpChallenge {
    /// Finds the step-up challenge of a `WWW-Authenticate` value, which may hold challenges of several schemes.
    ///
    /// # Errors
    /// [`ChallengeError`] when the value is malformed or too long, names a parameter twice, or has a `max_age` or
    /// `decision_id` of another form. `acr_values` that are not known are left out.
    pub fn parse(value: &str) -> Result<Option<Self>, ChallengeError> {
        for challenge in challenges(value)? {
            let scheme = challenge.scheme.to_ascii_lowercase();
            if !matches!(scheme.as_str(), "dpop" | "bearer")
                || challenge.parameter("error") != Some("insufficient_user_authentication")
            {
                continue;
            }
            return Ok(Some(Self {
                acr_values: challenge
                    .parameter("acr_values")
                    .unwrap_or_default()
                    .split(' ')
                    .filter_map(|acr| acr.parse().ok())
                    .collect(),
                max_age_seconds: challenge
                    .parameter("max_age")
                    .map(|text| {
                        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                        text.parse().ok().filter(|_| digits).ok_or(ChallengeError)
                    })
                    .transpose()?,
                decision_id: challenge
                    .parameter("decision_id")
                    .map(|text| text.parse().map_err(|_| ChallengeError))
                    .transpose()?,
                description: challenge.parameter("error_description").map(str::to_owned),
            }));
        }
        Ok(None)
    }
}

struct Challenge<'a> {
    scheme: &'a str,
    parameters: Vec<(String, String)>,
}

impl Challenge<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }
}

/// Reads `scheme [ param *( , param ) ] *( , scheme … )`. A token68 in place of parameters is skipped: no scheme of ours has one.
fn challenges(value: &str) -> Result<Vec<Challenge<'_>>, ChallengeError> {
    if value.len() > limits::URI_BYTES {
        return Err(ChallengeError);
    }
    let mut list: Vec<Challenge<'_>> = Vec::new();
    let mut rest = value.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (word, after) = token(rest)?;
        let trimmed = after.trim_start_matches([' ', '\t']);
        let unpadded = trimmed.trim_start_matches('=');
        let ends = unpadded.trim_start_matches([' ', '\t']);
        if unpadded.len() < trimmed.len() && (ends.is_empty() || ends.starts_with(',')) {
            rest = ends.trim_start_matches([' ', '\t', ',']);
        } else if let Some(parameter_value) = trimmed.strip_prefix('=') {
            let (text, after) = parameter(parameter_value.trim_start_matches([' ', '\t']))?;
            let challenge = list.last_mut().ok_or(ChallengeError)?;
            let name = word.to_ascii_lowercase();
            if challenge.parameter(&name).is_some() {
                return Err(ChallengeError);
            }
            challenge.parameters.push((name, text));
            let after = after.trim_start_matches([' ', '\t']);
            if !after.is_empty() && !after.starts_with(',') {
                return Err(ChallengeError);
            }
            rest = after.trim_start_matches([' ', '\t', ',']);
        } else {
            list.push(Challenge { scheme: word, parameters: Vec::new() });
            rest = trimmed.trim_start_matches([' ', '\t', ',']);
        }
    }
    Ok(list)
}

/// token of RFC 9110 §5.6.2, plus the characters of token68 so that foreign schemes do not stop us.
fn token(text: &str) -> Result<(&str, &str), ChallengeError> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    if end == 0 { Err(ChallengeError) } else { Ok(text.split_at(end)) }
}

fn parameter(text: &str) -> Result<(String, &str), ChallengeError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, after) = token(text)?;
        return Ok((word.to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next().ok_or(ChallengeError)?.1),
            c if c.is_control() && c != '\t' => return Err(ChallengeError),
            c => value.push(c),
        }
    }
    Err(ChallengeError)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot go on should stop
mod tests {
    use super::*;
    use counterfoil_core::time::Time;
    use proptest::prelude::*;

    fn decision() -> DecisionId {
        DecisionId::new(Time::from_seconds(1_700_000_000), [7; 10])
    }

    #[test]
    fn what_is_built_is_what_the_contract_shows() {
        let challenge = StepUpChallenge {
            acr_values: vec![Acr::Phr],
            max_age_seconds: Some(300),
            decision_id: Some(decision()),
            description: None,
        };
        assert_eq!(
            challenge.to_string(),
            format!(
                "DPoP error=\"insufficient_user_authentication\", acr_values=\"phr\", max_age=300, decision_id=\"{}\"",
                decision()
            )
        );
        assert_eq!(StepUpChallenge::parse(&challenge.to_string()), Ok(Some(challenge)));
    }

    #[test]
    fn reads_what_rfc_9470_and_other_servers_write() {
        for (value, acr, max_age) in [
            (
                r#"Bearer error="insufficient_user_authentication", error_description="x", acr_values="phr aal2""#,
                2,
                None,
            ),
            (r#"Bearer error="insufficient_user_authentication", max_age="5""#, 0, Some(5)),
            (r#"dpop error = insufficient_user_authentication ,, max_age=0 , algs="ES256""#, 0, Some(0)),
            (
                r#"Negotiate YWJj==, Basic realm="a, b=\"c", DPoP error="insufficient_user_authentication", acr_values="phr unknown""#,
                1,
                None,
            ),
        ] {
            let challenge = StepUpChallenge::parse(value).unwrap().unwrap();
            assert_eq!((challenge.acr_values.len(), challenge.max_age_seconds), (acr, max_age), "{value}");
        }
    }

    #[test]
    fn other_challenges_are_none() {
        for value in
            ["", "DPoP", "Bearer", r#"DPoP error="invalid_token""#, r#"Basic error="insufficient_user_authentication""#]
        {
            assert_eq!(StepUpChallenge::parse(value), Ok(None), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let step = "DPoP error=\"insufficient_user_authentication\"";
        for rest in [
            ", max_age=x",
            ", max_age=-1",
            ", max_age=\"\"",
            ", max_age=+5",
            ", max_age=99999999999",
            ", decision_id=\"x\"",
            ", error=\"again\"",
            " max_age=1",
            ", acr_values=\"phr",
            ", acr_values=\"\\",
            ", =",
            ", é=1",
        ] {
            assert_eq!(StepUpChallenge::parse(&format!("{step}{rest}")), Err(ChallengeError), "{rest}");
        }
        assert_eq!(StepUpChallenge::parse("max_age=1"), Err(ChallengeError));
        assert_eq!(StepUpChallenge::parse(&format!("{step}{}", ", a=b".repeat(1000))), Err(ChallengeError));
    }

    #[test]
    fn dpop_challenges_read_as_rfc_9449_section_7_1() {
        assert_eq!(DpopChallenge::Missing.to_string(), r#"DPoP algs="ES256 EdDSA PS256""#);
        assert_eq!(DpopChallenge::UseNonce.to_string(), r#"DPoP error="use_dpop_nonce", algs="ES256 EdDSA PS256""#);
    }

    proptest! {
        #[test]
        fn no_value_panics_and_no_description_breaks_out(value in ".{0,80}") {
            let _ = StepUpChallenge::parse(&value);
            let challenge = StepUpChallenge { acr_values: vec![], max_age_seconds: None, decision_id: None, description: Some(value) };
            let read = StepUpChallenge::parse(&challenge.to_string()).unwrap().unwrap();
            prop_assert_eq!((read.acr_values, read.max_age_seconds, read.decision_id), (vec![], None, None));
        }
    }
}
