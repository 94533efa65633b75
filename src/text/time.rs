//! Moments as text: in UTC in files, in local time for people.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// The moment as `2026-11-23T16:02:11Z`, UTC.
#[must_use]
pub fn timestamp(unix_seconds: f64) -> String {
    format!("{}Z", to_the_second(unix_seconds))
}

/// The moment as `2026-11-23T16:02:11.250Z`, UTC: such times are in the order of their texts.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction of a second"
)]
pub fn exact_timestamp(unix_seconds: f64) -> String {
    let milliseconds = (unix_seconds.max(0.0).fract() * 1000.0) as u32;
    format!("{}.{milliseconds:03}Z", to_the_second(unix_seconds))
}

#[expect(clippy::cast_possible_truncation, reason = "seconds fit")]
fn to_the_second(unix_seconds: f64) -> String {
    let moment = Timestamp::from_second(unix_seconds.max(0.0) as i64).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// A moment that a record has (RFC 3339) in local time, as `2026-11-23 17:02:11`; other text as it is.
#[must_use]
pub fn local(timestamp: &str) -> String {
    timestamp.parse::<Timestamp>().map_or_else(
        |_| timestamp.to_owned(),
        |moment| in_zone(moment, &TimeZone::system()),
    )
}

fn in_zone(moment: Timestamp, zone: &TimeZone) -> String {
    let here = ZonedDateTime::new(moment, zone.clone());
    here.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Seconds since 1970 of a moment that a record has.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "milliseconds are below 2^53")]
pub fn seconds_of(timestamp: &str) -> Option<f64> {
    let moment = timestamp.parse::<Timestamp>().ok()?;
    Some(moment.as_millisecond() as f64 / 1000.0)
}

/// Seconds since 1970, now.
#[must_use]
pub fn now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        assert_eq!(timestamp(0.0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_827_696.0), "2000-02-29T12:34:56Z");
        assert_eq!(timestamp(1_795_449_731.0), "2026-11-23T16:02:11Z");
        assert_eq!(
            [1_795_449_731.25, 1_795_449_731.999_9].map(exact_timestamp),
            ["2026-11-23T16:02:11.250Z", "2026-11-23T16:02:11.999Z"]
        );
    }

    #[test]
    fn people_see_their_own_time() {
        let moment = "2026-11-23T16:02:11.250Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(in_zone(moment, &zone), "2026-11-23 18:02:11");
        assert_eq!(local("yesterday"), "yesterday");
        assert_eq!(
            seconds_of("2026-11-23T16:02:11.250Z"),
            Some(1_795_449_731.25)
        );
        assert_eq!(seconds_of("yesterday"), None);
    }
}
