//! What the demonstration keeps beside its database: how far it has been made, its logins, a file to push; and what it prints at each
//! start.

use super::super::{Context, Failure};
use chrono::NaiveDate;
use credence_demo::{City, DemoAgency};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How far the city has been made. Written before anything is made and after each step, so that a start that was stopped is taken up
/// again with the same rows and the same password.
#[derive(Serialize, Deserialize)]
pub(super) struct Progress {
    /// The day the rows are made for. On another day the same files would have other bytes, and nothing would recognise them.
    pub today: NaiveDate,
    /// Organisations.
    pub organisations: u32,
    /// Rows.
    pub rows: u32,
    /// Password of all accounts.
    pub password: String,
    /// Files whose rows all have their verdict.
    pub pushed: BTreeSet<String>,
}

/// Logins and examples. Written last: its presence says that the city is complete.
#[derive(Serialize, Deserialize)]
pub(super) struct Card {
    /// Password of all accounts.
    pub password: String,
    /// Login names, and whose they are.
    pub accounts: Vec<(String, String)>,
    /// An API key that may push.
    pub provider_key: String,
    /// Code of an organisation.
    pub example_uscc: String,
}

/// A case that is followed without a login. Its code is shown once, when the case is filed, so it is kept at once and beside the card, which is written
/// last.
#[derive(Serialize, Deserialize)]
pub(super) struct Followed {
    /// Number of the case.
    pub case_no: String,
    /// The code that opens it.
    pub code: String,
}

const PROGRESS_FILE: &str = "demo.progress.json";
const FOLLOWED_FILE: &str = "demo.case.json";
const CARD_FILE: &str = "demo.json";

impl Progress {
    /// What an earlier start left, if it was stopped.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, Failure> {
        read(&data_dir.join(PROGRESS_FILE))
    }

    /// Keeps it.
    pub fn save(&self, data_dir: &Path) -> Result<(), Failure> {
        save(&data_dir.join(PROGRESS_FILE), self)
    }
}

impl Card {
    /// The card of a complete city.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, Failure> {
        read(&data_dir.join(CARD_FILE))
    }

    /// Says that the city is complete.
    pub fn save(&self, data_dir: &Path) -> Result<(), Failure> {
        save(&data_dir.join(CARD_FILE), self)?;
        // Left behind it does no harm: the card is looked at first.
        let _ = std::fs::remove_file(data_dir.join(PROGRESS_FILE));
        Ok(())
    }
}

impl Followed {
    /// The case that was filed, if one was.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, Failure> {
        read(&data_dir.join(FOLLOWED_FILE))
    }

    /// Keeps it.
    pub fn save(&self, data_dir: &Path) -> Result<(), Failure> {
        save(&data_dir.join(FOLLOWED_FILE), self)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|e| {
            let folder = path.parent().unwrap_or(path);
            Failure::from(format!("{}: {e}; remove {} to have the city made anew", path.display(), folder.display()))
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::new("file_unreadable", format!("{}: {e}", path.display()))),
    }
}

/// Writes a file that holds secrets, for its owner alone, whole or not at all.
fn save(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let unwritable = |e: std::io::Error| Failure::new("file_unwritable", format!("{}: {e}", path.display()));
    let text = serde_json::to_string_pretty(value).map_err(|e| e.to_string())?;
    let part = path.with_extension("part");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(unwritable)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)?;
    std::fs::rename(&part, path).map_err(unwritable)
}

/// A file to push, unless it is there: one sound row, and one with a wrong code that comes back with the reason.
pub(super) fn sample(data_dir: &Path, city: &City, agency: &DemoAgency) -> Result<PathBuf, Failure> {
    let folder = data_dir.join("samples");
    let path = std::path::absolute(folder.join("honours.csv")).map_err(|e| e.to_string())?;
    if path.exists() {
        return Ok(path);
    }
    let unwritable = |e: &dyn std::fmt::Display| Failure::new("file_unwritable", format!("{}: {e}", path.display()));
    let mut writer = csv::Writer::from_writer(vec![0xEF, 0xBB, 0xBF]);
    writer
        .write_record(["主体名称", "统一社会信用代码", "荣誉名称", "级别", "授予单位", "授予单位代码", "授予日期"])
        .map_err(|e| unwritable(&e))?;
    for (at, organisation) in city.organisations.iter().take(2).enumerate() {
        let code = if at == 0 { organisation.uscc.clone() } else { with_a_slip(&organisation.uscc) };
        let (name, granted_by) = (organisation.name.as_str(), agency.name.as_str());
        let row = [name, code.as_str(), "诚信经营示范单位", "市级", granted_by, agency.uscc.as_str(), "2024-06-03"];
        writer.write_record(row).map_err(|e| unwritable(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| unwritable(&e))?;
    std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, bytes)).map_err(|e| unwritable(&e))?;
    Ok(path)
}

/// The code with another check character.
fn with_a_slip(code: &str) -> String {
    let body = code.get(..17).unwrap_or(code);
    let other = if code.ends_with('0') { '1' } else { '0' };
    format!("{body}{other}")
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=+@%".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Things to try. They name the program, the server and the file in full, so that they work from any folder.
fn commands(card: &Card, followed: Option<&Followed>, url: &str, sample: &Path) -> Vec<(&'static str, String)> {
    let program = std::env::current_exe().map_or_else(|_| "credence".to_owned(), |path| quoted(&path.display().to_string()));
    let (uscc, key) = (&card.example_uscc, &card.provider_key);
    let at = |path: &str| quoted(&format!("{url}{path}"));
    let mut commands = vec![
        ("a company's public file; no login is needed", format!("curl -s {}", at(&format!("/v1/subjects/{uscc}/file")))),
        (
            "its penalties, as of a past day",
            format!("curl -s {}", at(&format!("/v1/subjects/{uscc}/file?as_of=2025-01-01&section=administrative_penalty"))),
        ),
        (
            "the spreadsheet template of a catalogue item, into this folder",
            format!("curl -sO {}", at("/v1/catalog/administrative_penalty_organisation/template.xlsx")),
        ),
        (
            "push a file as a department does: its second row is refused, and honours.rejects.xlsx beside it says why",
            format!("CREDENCE_KEY={key} {program} push --url {} --item honour {}", quoted(url), quoted(&sample.display().to_string())),
        ),
        (
            "check codes (the second is refused) and count working days; neither needs the server",
            format!("{program} code check 91110000710925462X 91110000710925462Y; {program} calendar add 2026-09-29 7"),
        ),
        (
            "who stands on a list, and on what ground; docs/walkthrough-joint-action.md goes the whole way there and back, with every request",
            format!("curl -s {}", at(&format!("/v1/lists/{}/entries", super::joint_action::SANCTIONED))),
        ),
    ];
    if let Some(case) = followed {
        let body = json!({ "case_no": case.case_no, "code": case.code });
        commands.push((
            "how far the repair of a penalty has come (`tracker`): nothing here shows it, one agency has answered, one is overdue; 1. has one in dispute",
            format!("curl -s {} -H 'Content-Type: application/json' -d {}", at("/v1/case-lookups"), quoted(&body.to_string())),
        ));
    }
    commands
}

/// Prints where the city is served, who can log in, and what to try.
pub(super) fn print(context: &Context, card: &Card, followed: Option<&Followed>, url: &str, sample: &Path, took: Duration) {
    let commands = commands(card, followed, url, sample);
    let tries: Vec<_> = commands.iter().map(|(what, command)| json!({ "what": what, "command": command })).collect();
    let value = json!({ "url": url, "password": card.password, "accounts": card.accounts, "provider_key": card.provider_key, "example_uscc": card.example_uscc, "try": tries });
    context.print(&value, || {
        let password = &card.password;
        let mut text = format!(
            "\nready at {url} after {:.1} s; API browser: {url}/docs/ ; Ctrl-C stops everything\n\nlogins (password of all: {password})\n",
            took.as_secs_f64()
        );
        for (name, what) in &card.accounts {
            text.push_str(&format!("  {name:<18} {what}\n"));
        }
        let provider = card.accounts.iter().map(|(name, _)| name.as_str()).find(|name| name.starts_with("provider")).unwrap_or("provider");
        text.push_str(&format!(
            "log in with\n  curl -s {} -H 'Content-Type: application/json' -d '{{\"username\":\"{provider}\",\"password\":\"{password}\"}}'\n",
            quoted(&format!("{url}/v1/sessions"))
        ));
        text.push_str(&format!("\nAPI key of a provider: {}\ncode of a company:     {}\n", card.provider_key, card.example_uscc));
        text.push_str("\nthings to try in another terminal:\n");
        for (n, (what, command)) in (1..).zip(&commands) {
            text.push_str(&format!("\n# {n}. {what}\n{command}\n"));
        }
        text
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_core::identifiers::uscc::{Uscc, UsccRules};

    #[test]
    fn the_sample_has_a_sound_row_and_a_wrong_one_whatever_the_size_of_the_city() {
        let dir = std::env::temp_dir().join(format!("credence-sample-{}", std::process::id()));
        let (small, large) = (City::generate(1, 2), City::generate(1, 200));
        assert_eq!(small.organisations[..], large.organisations[..2]);
        let path = sample(&dir, &small, &small.agencies[0]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        let codes: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
        let sound: Vec<bool> = codes.iter().map(|code| Uscc::parse(code, &UsccRules::default()).is_ok()).collect();
        assert_eq!(sound, [true, false], "{text}");
    }

    #[test]
    fn words_come_through_a_shell() {
        assert_eq!(quoted("/a/b-1.csv"), "/a/b-1.csv");
        assert_eq!(quoted("http://h:1/x?a=1&b"), "'http://h:1/x?a=1&b'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }

    #[test]
    fn a_card_and_how_far_the_city_is_are_read_back() {
        let dir = std::env::temp_dir().join(format!("credence-card-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        assert!(Progress::read(&dir).unwrap().is_none());
        let today = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        let progress = Progress { today, organisations: 2, rows: 3, password: "p".into(), pushed: ["a b".to_owned()].into() };
        progress.save(&dir).unwrap();
        let read = Progress::read(&dir).unwrap().unwrap();
        assert_eq!((read.today, read.organisations, read.rows, read.pushed), (today, 2, 3, progress.pushed));
        let card = Card { password: "p".into(), accounts: vec![], provider_key: "k".into(), example_uscc: "c".into() };
        card.save(&dir).unwrap();
        assert!(Progress::read(&dir).unwrap().is_none() && Card::read(&dir).unwrap().is_some());
        assert!(Followed::read(&dir).unwrap().is_none());
        Followed { case_no: "XF1".into(), code: "ABCDE23456".into() }.save(&dir).unwrap();
        let followed = Followed::read(&dir).unwrap();
        // Without a case there is nothing to follow, and nothing is said of it.
        assert_eq!(commands(&card, None, "http://h:1", &dir).len() + 1, commands(&card, followed.as_ref(), "http://h:1", &dir).len());
        let (_, last) = commands(&card, followed.as_ref(), "http://h:1", &dir).pop().unwrap();
        assert!(last.ends_with(r#"-d '{"case_no":"XF1","code":"ABCDE23456"}'"#), "{last}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
