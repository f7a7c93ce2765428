//! Time is an argument. Deadlines are the product, so nothing but [`SystemClock`] reads the machine's clock (clippy.toml forbids it).

use chrono::{DateTime, Duration, FixedOffset, NaiveDate, Utc};
use std::sync::{Arc, Mutex, PoisonError};

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// This instant.
    fn now(&self) -> DateTime<Utc>;

    /// Today's date in China Standard Time (UTC+8, no daylight saving), the only zone the law knows.
    fn today(&self) -> NaiveDate {
        china_date(self.now())
    }
}

/// The calendar day in China Standard Time that an instant falls on.
pub fn china_date(at: DateTime<Utc>) -> NaiveDate {
    FixedOffset::east_opt(8 * 3600).map_or_else(|| at.date_naive(), |zone| at.with_timezone(&zone).date_naive())
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    fn now(&self) -> DateTime<Utc> {
        // PostgreSQL keeps microseconds; anything finer would not survive a round trip.
        let now = Utc::now();
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<DateTime<Utc>>>);

impl ManualClock {
    /// Starts at `at`.
    pub fn at(at: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(at)))
    }

    /// Goes to `at`, forward or back.
    pub fn set(&self, at: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Goes forward by `by`.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_turns_at_midnight_in_china() {
        let late = DateTime::parse_from_rfc3339("2026-04-01T15:59:59Z").unwrap().to_utc();
        let clock = ManualClock::at(late);
        assert_eq!(clock.today().to_string(), "2026-04-01");
        clock.advance(Duration::seconds(1));
        assert_eq!(clock.today().to_string(), "2026-04-02");
    }
}
