//! Moments and durations for readers.

use chrono::{DateTime, TimeDelta, Utc};

/// A moment to the second: `21 Nov 2026, 08:00:12 UTC`.
pub fn absolute(moment: DateTime<Utc>) -> String {
    moment.format("%-d %b %Y, %H:%M:%S UTC").to_string()
}

/// The time of day to the second: `08:00:12 UTC`.
pub fn time(moment: DateTime<Utc>) -> String {
    moment.format("%H:%M:%S UTC").to_string()
}

/// A moment to the minute, for tables: `21 Nov 08:00`, with the year when it is not `now`'s.
pub fn short(moment: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let same_year = moment.format("%Y").to_string() == now.format("%Y").to_string();
    let form = if same_year {
        "%-d %b %H:%M"
    } else {
        "%-d %b %Y"
    };
    moment.format(form).to_string()
}

/// For JSON: `2026-11-21T08:00:12Z`.
pub fn machine(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// How long ago: `3 hours ago`, `just now`, and for clocks that disagree `in the future`.
pub fn ago(moment: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let passed = now - moment;
    if passed < TimeDelta::seconds(-60) {
        return "in the future by this clock".to_owned();
    }
    if passed < TimeDelta::seconds(60) {
        return "just now".to_owned();
    }
    let (number, unit) = match passed.num_minutes() {
        minutes @ ..=89 => (minutes, "minute"),
        minutes @ 90..=2_159 => ((minutes + 30) / 60, "hour"),
        minutes => ((minutes + 720) / 1_440, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

/// A duration: `12 ms`, `3.42 s`, `3 min 12 s`, `1 h 04 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    if seconds == 0.0 {
        return "0 s".to_owned();
    }
    if seconds < 0.001 {
        return "<1 ms".to_owned();
    }
    if seconds < 0.9995 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    if seconds < 9.995 {
        return format!("{seconds:.2} s");
    }
    if seconds < 99.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    if whole < 3_600 {
        return format!("{} min {:02} s", whole / 60, whole % 60);
    }
    format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60)
}

#[cfg(test)]
mod tests {
    use super::{ago, duration, short};
    use shared::time::parse;

    #[test]
    fn durations_keep_three_digits_and_grow_units() {
        for (seconds, words) in [
            (0.0, "0 s"),
            (0.000_4, "<1 ms"),
            (0.012, "12 ms"),
            (3.417, "3.42 s"),
            (59.96, "60.0 s"),
            (192.0, "3 min 12 s"),
            (3_840.0, "1 h 04 min"),
        ] {
            assert_eq!(duration(seconds), words);
        }
        assert_eq!(duration(f64::NAN), "unknown");
    }

    #[test]
    fn the_past_is_told_in_its_largest_unit() {
        let now = parse("2026-11-21T12:00:00Z").unwrap();
        for (moment, words) in [
            ("2026-11-21T11:59:30Z", "just now"),
            ("2026-11-21T11:00:00Z", "60 minutes ago"),
            ("2026-11-21T09:10:00Z", "3 hours ago"),
            ("2026-11-19T12:00:00Z", "2 days ago"),
            ("2027-01-01T00:00:00Z", "in the future by this clock"),
        ] {
            assert_eq!(ago(parse(moment).unwrap(), now), words);
        }
    }

    #[test]
    fn a_table_names_the_year_only_when_it_is_another() {
        let now = parse("2026-11-21T12:00:00Z").unwrap();
        assert_eq!(
            short(parse("2026-03-01T07:05:00Z").unwrap(), now),
            "1 Mar 07:05"
        );
        assert_eq!(short(parse("2025-03-01").unwrap(), now), "1 Mar 2025");
    }
}
