//! How mail leaves: to a mail server, as a file for those who have none, or not at all.

use chrono::{DateTime, Utc};
use credence_catalog::disclosure::cover_numbers;
use credence_core::problem::{Problem, Result};
use credence_core::settings::{self, MailSender, MailTls};
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{Address, Message, SmtpTransport, Transport};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// Most characters of what is kept about a failure.
const ERROR_CHARS_MAX: usize = 300;

/// What a mail says.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Id of its notice; a mail that is sent again has the same Message-ID, so that it can be told from a new one.
    pub id: Uuid,
    /// When the notice was written.
    pub at: DateTime<Utc>,
    /// To whom.
    pub address: String,
    /// Its subject.
    pub title: String,
    /// Its text.
    pub text: String,
}

/// How mail leaves.
enum Way {
    /// Not at all.
    None,
    /// As a file of this folder.
    File(PathBuf),
    /// To a mail server.
    Smtp(Box<SmtpTransport>),
}

/// Sends mail.
pub struct Mailer {
    way: Way,
    from: Mailbox,
    /// When a mail that did not leave is tried again.
    pub(crate) retry_seconds: Vec<i64>,
    /// Most mails of one round.
    pub(crate) round_max: i64,
    /// Longest one attempt may take.
    pub(crate) attempt_seconds: i64,
}

/// How many answers of the server one mail takes: greeting, EHLO, STARTTLS, EHLO, AUTH (two), MAIL, RCPT, DATA, the end of it, QUIT, one to spare.
const ANSWERS: i64 = 12;

/// An address, with a name before it or without.
fn mailbox(text: &str) -> Option<Mailbox> {
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => (Some(name.trim().to_owned()).filter(|name| !name.is_empty()), address.trim()),
        None => (None, text),
    };
    Some(Mailbox::new(name, address.parse::<Address>().ok()?))
}

/// Whether mail can be sent to this address, as far as its form tells.
pub fn is_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

impl Mailer {
    /// The mailer that the settings want.
    ///
    /// # Errors
    /// When they name no usable address, folder or server, or a login without encryption.
    pub fn new(settings: &settings::Mail, data_dir: &Path) -> Result<Self> {
        let unusable = |what: String| Problem::internal(format!("settings [mail]: {what}"));
        let from = mailbox(&settings.from).ok_or_else(|| unusable(format!("from = {:?} is no address", settings.from)))?;
        let way = match settings.sender {
            MailSender::None => Way::None,
            MailSender::File => {
                let dir = data_dir.join(&settings.dir);
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
                made.map_err(|e| unusable(format!("{}: {e}", dir.display())))?;
                Way::File(dir)
            }
            MailSender::Smtp => Way::Smtp(Box::new(transport(settings).map_err(unusable)?)),
        };
        let timeout = i64::try_from(settings.timeout_seconds).unwrap_or(i64::MAX / ANSWERS);
        Ok(Self {
            way,
            from,
            retry_seconds: settings.retry_seconds.clone(),
            round_max: settings.round_max,
            attempt_seconds: timeout.saturating_mul(ANSWERS),
        })
    }

    /// Whether it sends at all; when not, no mail is written.
    pub fn sends(&self) -> bool {
        !matches!(self.way, Way::None)
    }

    /// Sends a mail and waits until it was taken; blocks the thread.
    ///
    /// # Errors
    /// Why it was not, without the address: what a server answers may repeat that.
    pub(crate) fn send(&self, mail: &Mail) -> Result<(), String> {
        let message = self.message(mail)?;
        match &self.way {
            Way::None => Err("mail is not sent".to_owned()),
            Way::File(dir) => keep(dir, mail.id, &message.formatted()).map_err(|e| e.to_string()),
            Way::Smtp(transport) => transport.send(&message).map(|_| ()).map_err(|error| why(&error)),
        }
    }

    /// The mail as it leaves: the same bytes at every attempt.
    fn message(&self, mail: &Mail) -> Result<Message, String> {
        let to = mail.address.parse::<Address>().map_err(|_| "the address is none".to_owned())?;
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.title.clone())
            .date(SystemTime::from(mail.at))
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(|_| "the mail cannot be put together".to_owned())?;
        // Whoever answers automatically is not to answer this (RFC 3834).
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        message.headers_mut().insert_raw(automatic);
        Ok(message)
    }
}

/// Writes a mail to a folder; a mail that is there already becomes the same again.
fn keep(dir: &Path, id: Uuid, bytes: &[u8]) -> std::io::Result<()> {
    let partial = dir.join(format!(".{id}.partial"));
    std::fs::write(&partial, bytes)?;
    std::fs::rename(&partial, dir.join(format!("{id}.eml")))
}

fn transport(settings: &settings::Mail) -> Result<SmtpTransport, String> {
    let host = settings.host.as_str();
    if host.is_empty() {
        return Err("host is empty".to_owned());
    }
    let login = !settings.username.is_empty();
    let builder = match settings.tls {
        MailTls::None if login => return Err("a login is not given over a connection without encryption; set tls".to_owned()),
        MailTls::None => SmtpTransport::builder_dangerous(host),
        MailTls::Starttls => SmtpTransport::starttls_relay(host).map_err(|e| e.to_string())?,
        MailTls::Tls => SmtpTransport::relay(host).map_err(|e| e.to_string())?,
    };
    let builder = builder.port(settings.port).timeout(Some(Duration::from_secs(settings.timeout_seconds)));
    let builder = if login { builder.credentials(Credentials::new(settings.username.clone(), settings.password.clone())) } else { builder };
    Ok(builder.build())
}

/// Why a mail did not leave. Of what the server answered only the code is kept: its words may hold the address.
fn why(error: &SmtpError) -> String {
    if let Some(code) = error.status() {
        return format!("the mail server answered {code}");
    }
    if error.is_response() {
        return "the mail server gave an answer that cannot be read".to_owned();
    }
    cover_numbers(&error.to_string()).chars().take(ERROR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> settings::Mail {
        settings::Settings::load(None, std::iter::empty()).unwrap().mail
    }

    fn mail() -> Mail {
        Mail {
            id: Uuid::from_u128(7),
            at: DateTime::from_timestamp(1_775_001_600, 0).unwrap(),
            address: "applicant@example.org".to_owned(),
            title: "申请已受理".to_owned(),
            text: "您好：\n已受理。\n".to_owned(),
        }
    }

    #[test]
    fn a_mail_is_the_same_at_every_attempt_and_says_who_wrote_it() {
        let dir = std::env::temp_dir();
        let mailer = |from: &str| {
            let settings = settings::Mail { from: from.to_owned(), sender: MailSender::None, ..settings() };
            Mailer::new(&settings, &dir).unwrap()
        };
        let named = mailer("廊坊市政府信用办 <credit@example.gov.cn>");
        let (one, two) = (named.message(&mail()).unwrap().formatted(), named.message(&mail()).unwrap().formatted());
        assert_eq!(one, two);
        let text = String::from_utf8(one).unwrap();
        for line in [
            "Message-ID: <00000000-0000-0000-0000-000000000007@example.gov.cn>",
            "To: applicant@example.org",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(text.contains("<credit@example.gov.cn>"), "{text}");
        assert!(mailer("credit@example.gov.cn").message(&Mail { address: "nobody".to_owned(), ..mail() }).is_err());
    }

    #[test]
    fn settings_that_cannot_work_are_refused_at_the_start() {
        let dir = std::env::temp_dir();
        let refused = |change: &dyn Fn(&mut settings::Mail)| {
            let mut mail = settings::Mail { sender: MailSender::Smtp, ..settings() };
            change(&mut mail);
            Mailer::new(&mail, &dir).err().and_then(|problem| problem.internal).unwrap_or_default().to_string()
        };
        assert_eq!(refused(&|_| {}), "");
        assert!(refused(&|mail| mail.from = "nobody".to_owned()).contains("from"));
        assert!(refused(&|mail| mail.host = String::new()).contains("host"));
        let plain = refused(&|mail| {
            mail.tls = MailTls::None;
            mail.username = "user".to_owned();
        });
        assert!(plain.contains("without encryption"), "{plain}");
    }

    #[test]
    fn addresses_are_told_from_other_texts() {
        assert!(is_address("a.b@example.org"));
        for text in ["", "example.org", "a@", "@b.cn", "a b@example.org", "x <a@example.org>"] {
            assert!(!is_address(text), "{text}");
        }
    }
}
