//! Mail by SMTP (RFC 5321): over TLS from the first byte or by STARTTLS (RFC 3207) which must succeed; without TLS only to this
//! machine.

use crate::config::{Smtp, SmtpSecurity};
use counterfoil_core::limits;
use counterfoil_store::Message;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
        extension::ClientId,
    },
};
use std::{
    error::Error as _,
    fmt::Write as _,
    time::{Duration, SystemTime},
};

/// How mail goes out.
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// What message identifiers end with, so that a message that comes twice is known to be one.
    host: String,
}

/// Why a message did not go out, in words without the message or where it was to go.
#[derive(Debug)]
pub enum NotSent {
    /// Perhaps later.
    ForNow(String),
    /// This message never will.
    Ever(String),
}

impl Mail {
    /// By this configuration, for the issuer of this host. The refusal says what to correct.
    pub fn new(smtp: &Smtp, host: String) -> Result<Self, String> {
        let server = smtp.server().map_err(|error| error.to_string())?;
        let from = smtp.from.parse().map_err(|_| format!("smtp.from: {:?} is no mail address", smtp.from))?;
        let tls = || {
            let mut tls = TlsParameters::builder(server.host.clone());
            if let Some(file) = &smtp.ca {
                let wrong = |error: &dyn std::fmt::Display| format!("smtp.ca: {}: {error}", file.display());
                let pem = std::fs::read(file).map_err(|error| wrong(&error))?;
                tls = tls.certificate_store(CertificateStore::None);
                tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| wrong(&error))?);
            }
            tls.build().map_err(|error| format!("smtp.url: {error}"))
        };
        let tls = match server.security {
            SmtpSecurity::Implicit => Tls::Wrapper(tls()?),
            SmtpSecurity::StartTls => Tls::Required(tls()?),
            SmtpSecurity::None => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host)
            .port(server.port)
            .tls(tls)
            .hello_name(ClientId::Domain(host.clone()))
            .timeout(Some(Duration::from_secs(limits::MAIL_STEP_SECONDS)));
        if let Some((user, password)) = smtp.credentials()? {
            transport = transport.credentials(Credentials::new(user, password));
        }
        Ok(Self { transport: transport.build(), from, host })
    }

    /// Does the server answer, is it the right one, and does it take our name and password?
    pub async fn is_there(&self) -> Result<(), String> {
        let whole = Duration::from_secs(limits::MAIL_SEND_SECONDS);
        match tokio::time::timeout(whole, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the server does not go on after the greeting".to_owned()),
            Ok(Err(error)) => Err(with_causes(&error)),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// Hands one message over.
    pub async fn send(&self, message: &Message) -> Result<(), NotSent> {
        let mail = self.compose(message).map_err(|why| NotSent::Ever(why.to_owned()))?;
        match self.transport.send(mail).await {
            Ok(_) => Ok(()),
            // What a server says of an address names it, so its code has to do.
            Err(error) => match (error.status(), error.is_permanent()) {
                (Some(code), true) => Err(NotSent::Ever(format!("refused {code}"))),
                (Some(code), false) => Err(NotSent::ForNow(format!("put off {code}"))),
                (None, _) if error.is_tls() => Err(NotSent::ForNow("tls".to_owned())),
                (None, _) if error.is_timeout() => Err(NotSent::ForNow("timeout".to_owned())),
                (None, _) => Err(NotSent::ForNow("connection".to_owned())),
            },
        }
    }

    fn compose(&self, message: &Message) -> Result<lettre::Message, &'static str> {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(message.at.millis().unsigned_abs());
        lettre::Message::builder()
            .from(self.from.clone())
            .to(message.to.parse().map_err(|_| "no_address")?)
            .subject(message.title.clone())
            .date(at)
            .message_id(Some(format!("<{}@{}>", message.id, self.host)))
            // RFC 3834 §5: so that no absence note comes back.
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.clone())
            .map_err(|_| "no_mail")
    }
}

/// An error with what caused it: "connection error" alone helps nobody to correct a certificate.
fn with_causes(error: &lettre::transport::smtp::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::*;
    use counterfoil_core::{
        id::{AddressId, MessageId, SubjectId},
        time::Time,
    };

    #[test]
    fn a_message_is_one_mail_under_one_identifier_that_nobody_answers_by_machine() {
        let url = "smtps://mail.example.org".to_owned();
        let from = "Counterfoil <id@example.org>".to_owned();
        let smtp = Smtp { url, from, user: None, password_file: None, ca: None };
        let mail = Mail::new(&smtp, "id.example.org".to_owned()).unwrap();
        let at = Time::from_seconds(1_800_000_000);
        let message = Message {
            id: MessageId::new(at, [1; 10]),
            subject: SubjectId::new(at, [2; 10]),
            address: AddressId::new(at, [3; 10]),
            to: "sam@example.org".to_owned(),
            at,
            title: "Übung\r\nBcc: eve@example.org".to_owned(),
            text: "Grüße".to_owned(),
            sent_at: None,
            starts_rest_of: None,
        };
        let text = String::from_utf8(mail.compose(&message).unwrap().formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let id = format!("Message-ID: <{}@id.example.org>", message.id);
        for line in
            ["To: sam@example.org", "Auto-Submitted: auto-generated", "Date: Fri, 15 Jan 2027 08:00:00 +0000", &id]
        {
            assert!(head.lines().any(|shown| shown == line), "{line}: {head}");
        }
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert_eq!(mail.compose(&Message { to: "nobody".to_owned(), ..message }).unwrap_err(), "no_address");
    }
}
