//! Strict `application/x-www-form-urlencoded`: each parameter once (RFC 6749 §3.2), valid escapes, valid UTF-8, bounded.

use crate::error::{ErrorCode, OAuthError};
use counterfoil_core::limits;

/// The parameters of one request. Values without content count as absent (RFC 6749 §3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    parameters: Vec<(String, String)>,
}

impl Form {
    /// Reads a body or a query string.
    ///
    /// # Errors
    /// `invalid_request` when it is too large, not valid encoding, or names a parameter twice; `invalid_target` when that
    /// is `resource`, which RFC 8707 §2 lets repeat, but our tokens have one audience.
    pub fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        if body.len() > limits::BODY_BYTES {
            return Err(OAuthError::invalid_request("The request is too large."));
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if name.is_empty() || name.len() > limits::NAME_BYTES {
                return Err(OAuthError::invalid_request("A parameter name is empty or too long."));
            }
            if parameters.iter().any(|(earlier, _)| *earlier == name) {
                return Err(repeated(&name));
            }
            if parameters.len() == limits::FORM_PARAMETERS {
                return Err(OAuthError::invalid_request("There are too many parameters."));
            }
            parameters.push((name, value));
        }
        Ok(Self { parameters })
    }

    /// The value of a parameter, if it was given with content.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(candidate, value)| candidate == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request` naming the parameter.
    pub fn require(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| {
            OAuthError::composed(ErrorCode::InvalidRequest, &format!("The parameter '{name}' is missing."))
        })
    }

    /// The value of a parameter that is a name: printable ASCII or text without control characters, of bounded length.
    ///
    /// # Errors
    /// `invalid_request` naming the parameter.
    pub fn bounded(&self, name: &'static str, bytes_max: usize) -> Result<Option<&str>, OAuthError> {
        match self.get(name) {
            Some(value) if value.len() > bytes_max || value.chars().any(char::is_control) => Err(OAuthError::composed(
                ErrorCode::InvalidRequest,
                &format!("The parameter '{name}' is too long or has control characters."),
            )),
            value => Ok(value),
        }
    }
}

/// Whether a `Content-Type` header value names this encoding, with nothing but a UTF-8 charset beside it.
pub fn is_form_content_type(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
        && parts.all(|parameter| {
            parameter.eq_ignore_ascii_case("charset=utf-8") || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
        })
}

fn repeated(name: &str) -> OAuthError {
    if name == "resource" {
        return OAuthError::new(ErrorCode::InvalidTarget, "A token is for one resource; ask for each in turn.");
    }
    OAuthError::composed(ErrorCode::InvalidRequest, &format!("The parameter '{name}' is given more than once."))
}

fn decode(encoded: &[u8]) -> Result<String, OAuthError> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter().copied();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(OAuthError::invalid_request("The form has an incomplete percent escape.")),
            },
            b'!'..=b'~' => byte,
            _ => return Err(OAuthError::invalid_request("The form has a byte that must be percent-encoded.")),
        });
    }
    match String::from_utf8(decoded) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(OAuthError::invalid_request("The form is not valid UTF-8 text.")),
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot go on should stop
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_escapes_and_plus() {
        let form = Form::parse(b"a=1+2%2B3&b=%C3%BC&c=x=y&d&e=").unwrap();
        assert_eq!(form.get("a"), Some("1 2+3"));
        assert_eq!(form.get("b"), Some("ü"));
        assert_eq!(form.get("c"), Some("x=y"));
        assert_eq!((form.get("d"), form.get("e"), form.get("f")), (None, None, None));
    }

    #[test]
    fn what_is_not_strict_is_refused() {
        let long_name = format!("{}=1", "n".repeat(limits::NAME_BYTES + 1));
        let many = (0..=limits::FORM_PARAMETERS).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join("&");
        let large = vec![b'a'; limits::BODY_BYTES + 1];
        for (body, code) in [
            (&b"a=1&a=1"[..], ErrorCode::InvalidRequest),
            (b"a=1&%61=2", ErrorCode::InvalidRequest),
            (b"a&a", ErrorCode::InvalidRequest),
            (b"resource=a&resource=b", ErrorCode::InvalidTarget),
            (b"a=%", ErrorCode::InvalidRequest),
            (b"a=%2", ErrorCode::InvalidRequest),
            (b"a=%zz", ErrorCode::InvalidRequest),
            (b"a=%+1", ErrorCode::InvalidRequest),
            (b"a=%FF", ErrorCode::InvalidRequest),
            (b"a=%C0%80", ErrorCode::InvalidRequest),
            (b"a=%00", ErrorCode::InvalidRequest),
            (b"a=\xC3\xBC", ErrorCode::InvalidRequest),
            (b"a= b", ErrorCode::InvalidRequest),
            (b"a=1\r\n", ErrorCode::InvalidRequest),
            (b"=1", ErrorCode::InvalidRequest),
            (long_name.as_bytes(), ErrorCode::InvalidRequest),
            (many.as_bytes(), ErrorCode::InvalidRequest),
            (&large, ErrorCode::InvalidRequest),
        ] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
            assert_eq!(Form::parse(body).map_err(|error| error.code()), Err(code), "{shown}");
        }
    }

    #[test]
    fn content_type_is_the_form_and_nothing_else() {
        for (value, accepted) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", true),
            ("application/x-www-form-urlencoded; charset=latin1", false),
            ("application/json", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(is_form_content_type(value), accepted, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics_and_what_is_read_reads_again(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(form) = Form::parse(&body) {
                let again: Vec<String> = form.parameters.iter().map(|(name, value)| {
                    format!("{}={}", escape(name), escape(value))
                }).collect();
                prop_assert_eq!(Form::parse(again.join("&").as_bytes()), Ok(form));
            }
        }
    }

    fn escape(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }
}
