//! Numbers for readers.

/// A count with thin spaces between thousands: `62 000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut grouped = String::with_capacity(digits.len() + 8);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 test`, `2 tests`.
pub fn of(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A percentage that never rounds a failure away: 99.97 stays below 100.
pub fn percent(rate: f64) -> String {
    if rate >= 100.0 {
        return "100 %".to_owned();
    }
    let tenths = (rate * 10.0).floor() / 10.0;
    if tenths.fract() == 0.0 && tenths < 99.0 {
        return format!("{tenths:.0} %");
    }
    format!("{tenths:.1} %")
}

/// Two decimals, for JSON.
pub fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Seconds in JSON: milliseconds are kept below a minute.
pub fn round_seconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::{count, percent};

    #[test]
    fn thousands_are_grouped_from_five_digits_on() {
        assert_eq!(count(0), "0");
        assert_eq!(count(9_999), "9999");
        assert_eq!(count(62_000), "62\u{202f}000");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn one_failure_in_a_million_is_not_a_hundred_percent() {
        assert_eq!(percent(99.9999), "99.9 %");
        assert_eq!(percent(100.0), "100 %");
        assert_eq!(percent(50.0), "50 %");
        assert_eq!(percent(0.0), "0 %");
    }
}
