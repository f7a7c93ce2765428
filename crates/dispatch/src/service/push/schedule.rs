//! When a message is tried again, and when it is set aside.

use super::send::Answer;
use chrono::{DateTime, Duration, Utc};

/// Longest a receiver may put the next attempt off.
const RETRY_AFTER_SECONDS_MAX: i64 = 86_400;

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The receiver has the message.
    Delivered,
    /// It is tried again, not before this.
    Again(DateTime<Utc>),
    /// That was the last attempt.
    Dead,
}

/// Whether the receiver said that it wants no more messages at all.
pub fn is_gone(answer: &Answer) -> bool {
    answer.status == Some(410)
}

/// What follows the attempt that is the `attempts`th (from 1), ended at `now`. Nothing about it is random: what was tried when can be told from
/// the settings.
pub fn step(retry_seconds: &[i64], attempts: i32, answer: &Answer, now: DateTime<Utc>) -> Step {
    if answer.status.is_some_and(|status| (200..300).contains(&status)) {
        return Step::Delivered;
    }
    let wait = usize::try_from(attempts - 1).ok().and_then(|n| retry_seconds.get(n));
    let Some(wait) = wait else { return Step::Dead };
    let asked = answer.retry_after.filter(|_| matches!(answer.status, Some(429 | 503))).unwrap_or(0);
    Step::Again(now + Duration::seconds((*wait).max(asked.min(RETRY_AFTER_SECONDS_MAX)).max(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: Option<u16>, retry_after: Option<i64>) -> Answer {
        Answer { status, error: None, retry_after, took_ms: 1 }
    }

    #[test]
    fn attempts_follow_the_schedule_to_its_end() {
        let now = DateTime::from_timestamp(1_775_001_600, 0).unwrap();
        let after = |seconds| Step::Again(now + Duration::seconds(seconds));
        let waits = [5, 60, 300];
        for status in [200, 202, 204, 299] {
            assert_eq!(step(&waits, 4, &answer(Some(status), None), now), Step::Delivered);
        }
        for status in [None, Some(301), Some(400), Some(404), Some(410), Some(500), Some(503)] {
            assert_eq!(step(&waits, 1, &answer(status, None), now), after(5), "{status:?}");
            assert_eq!(step(&waits, 3, &answer(status, None), now), after(300), "{status:?}");
            assert_eq!(step(&waits, 4, &answer(status, None), now), Step::Dead, "{status:?}");
        }
        assert_eq!(step(&[], 1, &answer(None, None), now), Step::Dead);
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_ever_and_not_for_less() {
        let now = DateTime::from_timestamp(1_775_001_600, 0).unwrap();
        let after = |seconds| Step::Again(now + Duration::seconds(seconds));
        let asked = |status, seconds| step(&[60], 1, &answer(Some(status), Some(seconds)), now);
        assert_eq!(asked(429, 600), after(600));
        assert_eq!(asked(503, 600), after(600));
        assert_eq!(asked(503, 1), after(60));
        assert_eq!(asked(503, i64::MAX), after(86_400));
        assert_eq!(asked(503, -5), after(60));
        assert_eq!(asked(500, 600), after(60), "only those two statuses ask");
        assert!(is_gone(&answer(Some(410), None)) && !is_gone(&answer(Some(404), None)) && !is_gone(&answer(None, None)));
    }
}
