//! Durations as 16-bit codes that keep their order.
//!
//! The unit is 10 µs. Below 10 ms a code is the number of units. From there it is three significant
//! decimal digits: `1000 + 900 * decade + (mantissa - 100)`, so that half a second reads back as
//! exactly 0.5, and the many trivial tests of a suite share few codes.

use super::ColumnsError;

/// Units in one second.
const UNITS_PER_SECOND: f64 = 100_000.0;

/// Codes below this are numbers of units.
const LINEAR: u64 = 1_000;

/// Mantissas in one decade: 100 to 999.
const MANTISSAS: u64 = 900;

/// Beyond this decade no duration that [`shared::limits`] lets through can lie.
const DECADE_MAX: u64 = 14;

/// The last code of the last decade.
const LARGEST: u64 = LINEAR + MANTISSAS * (DECADE_MAX + 1) - 1;

/// A duration, quantised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationCode(pub(super) u16);

impl DurationCode {
    /// Stands in a column for a duration that is absent or follows from others.
    pub(super) const NOTHING: u16 = u16::MAX;

    /// The nearest code. Negative and unreal durations become 0, endless ones the largest.
    pub fn from_seconds(seconds: f64) -> Self {
        let units = (seconds * UNITS_PER_SECOND).round() as u64;
        if units < LINEAR {
            return Self(units as u16);
        }
        let decade = u64::from(units.ilog10()).saturating_sub(3);
        if decade > DECADE_MAX {
            return Self(LARGEST as u16);
        }
        let step = 10u64.pow(decade as u32 + 1);
        // A mantissa that rounds up to 1000 is the first code of the next decade all by itself.
        let mantissa = (units + step / 2) / step;
        Self((LINEAR + MANTISSAS * decade + mantissa - 100).min(LARGEST) as u16)
    }

    /// Reads a stored code.
    pub(super) fn from_stored(code: u16) -> Result<Self, ColumnsError> {
        if u64::from(code) > LARGEST {
            return Err(ColumnsError::Impossible("duration"));
        }
        Ok(Self(code))
    }

    /// The duration in units of 10 µs.
    pub(super) fn units(self) -> u64 {
        let code = u64::from(self.0);
        if code < LINEAR {
            return code;
        }
        let above = code - LINEAR;
        let decade = above / MANTISSAS;
        (above % MANTISSAS + 100) * 10u64.pow(decade as u32 + 1)
    }

    /// The duration in seconds.
    pub fn seconds(self) -> f64 {
        seconds(self.units())
    }
}

/// Seconds of a number of units: the nearest number to the decimal fraction.
pub(super) fn seconds(units: u64) -> f64 {
    units as f64 / UNITS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn round_durations_read_back_exactly() {
        for seconds in [
            0.0, 0.000_01, 0.001_23, 0.009_99, 0.01, 0.012_3, 0.5, 1.0, 1.5, 59.9, 3600.0,
        ] {
            let back = DurationCode::from_seconds(seconds).seconds();
            assert!(
                (back - seconds).abs() < f64::EPSILON,
                "{seconds} became {back}"
            );
        }
    }

    #[test]
    fn unreal_durations_do_no_harm() {
        assert_eq!(DurationCode::from_seconds(f64::NAN).0, 0);
        assert_eq!(DurationCode::from_seconds(-1.0).0, 0);
        let longest = DurationCode::from_seconds(f64::INFINITY);
        assert_eq!(DurationCode::from_stored(longest.0), Ok(longest));
    }

    proptest! {
        #[test]
        fn three_digits_or_ten_microseconds_are_kept(seconds in 0.0..shared::limits::DURATION_S_MAX) {
            let back = DurationCode::from_seconds(seconds).seconds();
            prop_assert!((back - seconds).abs() <= (seconds * 0.005_001).max(0.000_005_001));
        }

        #[test]
        fn the_order_is_kept(one in 0.0..1e6f64, other in 0.0..1e6f64) {
            let (less, more) = if one < other { (one, other) } else { (other, one) };
            prop_assert!(DurationCode::from_seconds(less) <= DurationCode::from_seconds(more));
        }

        #[test]
        fn codes_read_back(code in 0u16..=u16::MAX) {
            if let Ok(code) = DurationCode::from_stored(code) {
                prop_assert_eq!(DurationCode::from_seconds(code.seconds()), code);
            }
        }
    }
}
