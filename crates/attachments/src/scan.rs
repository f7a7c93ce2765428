//! The virus scanner: any program that reads contents from its standard input and says with its exit code what it found.

use crate::model::ATTACHMENT_SCAN_FAILED;
use credence_core::problem::{Problem, Result};
use credence_core::settings;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// What a scanner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or no scanner is set.
    Clean,
    /// Something.
    Infected,
}

fn failed(cause: impl std::fmt::Display) -> Problem {
    tracing::error!(%cause, "an attachment could not be looked at for viruses");
    Problem { internal: Some(cause.to_string().into()), ..Problem::new(&ATTACHMENT_SCAN_FAILED) }
}

/// Shows contents to the scanner.
///
/// # Errors
/// When it cannot be run, does not read all of them, takes too long, or ends with another code than 0 and 1: what was not seen is not kept.
pub(crate) async fn scan(settings: &settings::Attachments, bytes: &[u8]) -> Result<Found> {
    let Some((program, arguments)) = settings.scan_command.split_first() else { return Ok(Found::Clean) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| failed(format!("{program}: {e}")))?;
    let mut input = child.stdin.take();
    let work = async {
        let mut written = Ok(());
        if let Some(pipe) = &mut input {
            written = pipe.write_all(bytes).await;
        }
        // It waits for the end of the contents, which is the end of the pipe.
        drop(input);
        (written, child.wait().await)
    };
    let limit = Duration::from_secs(settings.scan_timeout_seconds);
    let Ok((written, status)) = timeout(limit, work).await else {
        return Err(failed(format!("{program}: no result after {} s", limit.as_secs())));
    };
    match (written, status.map_err(failed)?.code()) {
        // Whoever has found something need not read on.
        (_, Some(1)) => Ok(Found::Infected),
        (Ok(()), Some(0)) => Ok(Found::Clean),
        (Err(e), Some(0)) => Err(failed(format!("{program} did not read the whole: {e}"))),
        (_, code) => Err(failed(format!("{program} ended with {code:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(command: &[&str], bytes: &[u8]) -> Result<Found, &'static str> {
        let mut settings = settings::Settings::load(None, std::iter::empty()).unwrap().attachments;
        settings.scan_command = command.iter().map(|&part| part.to_owned()).collect();
        settings.scan_timeout_seconds = 20;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(scan(&settings, bytes)).map_err(|problem| problem.code())
    }

    #[test]
    fn the_exit_code_decides_and_whatever_is_neither_clean_nor_infected_keeps_nothing() {
        // Larger than a pipe holds, so that a scanner which does not read is noticed.
        let large = vec![b'a'; 1 << 20];
        let refused = Err("attachment_scan_failed");
        assert_eq!(scanned(&[], &large), Ok(Found::Clean));
        assert_eq!(scanned(&["sh", "-c", "cat > /dev/null"], &large), Ok(Found::Clean));
        assert_eq!(scanned(&["sh", "-c", "cat > /dev/null; exit 1"], &large), Ok(Found::Infected));
        assert_eq!(scanned(&["sh", "-c", "exit 1"], &large), Ok(Found::Infected));
        assert_eq!(scanned(&["sh", "-c", "exit 0"], &large), refused);
        assert_eq!(scanned(&["sh", "-c", "cat > /dev/null; exit 2"], &large), refused);
        assert_eq!(scanned(&["sh", "-c", "kill -9 $$"], &large), refused);
        assert_eq!(scanned(&["/nonexistent/scanner"], &large), refused);
    }

    #[test]
    fn a_scanner_sees_exactly_the_contents() {
        let compare = ["sh", "-c", "test \"$(cat)\" = EICAR && exit 1; exit 0"];
        assert_eq!(scanned(&compare, b"EICAR"), Ok(Found::Infected));
        assert_eq!(scanned(&compare, b"EICAR "), Ok(Found::Clean));
    }
}
