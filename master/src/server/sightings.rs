//! Since when something has been as it is, by a clock that is never set.
//!
//! Silence is measured by this process: something is silent when its pulse has not changed since this
//! master first saw it so. So a wall clock that is stepped ends nothing, a master that was away itself gives
//! everybody a whole period after its start, and several masters on one database need not agree on the time.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// Something that gives signs of life.
pub(super) trait Living {
    /// What it is told from others by.
    type Key: Eq + Hash;

    /// Its name.
    fn key(&self) -> Self::Key;

    /// Differs after every sign of life.
    fn pulse(&self) -> i64;
}

/// When something was seen.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    pulse: i64,
    /// Since when it has this pulse.
    since: Instant,
    /// Since when it is known.
    first: Instant,
}

/// Something that was seen, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen<L> {
    pub(super) living: L,
    /// Without a sign of life.
    pub(super) silent: Duration,
    /// Since it was seen first.
    pub(super) known: Duration,
}

/// Since when each has been as it is.
#[derive(Debug)]
pub(super) struct Sightings<K> {
    seen: HashMap<K, Sighting>,
    looked: Option<Instant>,
    pause_max: Duration,
}

impl<K: Eq + Hash> Sightings<K> {
    /// Whoever did not look for longer than `pause_max` begins anew.
    pub(super) fn new(pause_max: Duration) -> Self {
        Self {
            seen: HashMap::new(),
            looked: None,
            pause_max,
        }
    }

    /// Begins anew: everybody gets more time.
    pub(super) fn clear(&mut self) {
        self.seen.clear();
    }

    /// Takes note of all that live.
    pub(super) fn look<L: Living<Key = K>>(&mut self, all: Vec<L>, now: Instant) -> Vec<Seen<L>> {
        // Who did not look for so long was not there to hear either: stopped, or out of breath.
        let was_away = |looked| now.duration_since(looked) > self.pause_max;
        if self.looked.is_some_and(was_away) {
            self.seen.clear();
        }
        self.looked = Some(now);
        let mut sightings = HashMap::with_capacity(all.len());
        let mut seen = Vec::with_capacity(all.len());
        for living in all {
            let (key, pulse) = (living.key(), living.pulse());
            let before = self.seen.get(&key);
            let sighting = Sighting {
                pulse,
                since: match before {
                    Some(before) if before.pulse == pulse => before.since,
                    _ => now,
                },
                first: before.map_or(now, |before| before.first),
            };
            seen.push(Seen {
                living,
                silent: now.duration_since(sighting.since),
                known: now.duration_since(sighting.first),
            });
            sightings.insert(key, sighting);
        }
        self.seen = sightings;
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_mins(2);

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Heart(&'static str, i64);

    impl Living for Heart {
        type Key = &'static str;

        fn key(&self) -> &'static str {
            self.0
        }

        fn pulse(&self) -> i64 {
            self.1
        }
    }

    fn silent(
        sightings: &mut Sightings<&'static str>,
        hearts: &[Heart],
        now: Instant,
    ) -> Vec<Heart> {
        let seen = sightings.look(hearts.to_vec(), now).into_iter();
        let silent = seen.filter(|seen| seen.silent >= MAX);
        silent.map(|seen| seen.living).collect()
    }

    #[test]
    fn what_did_not_change_for_the_whole_period_is_silent() {
        let start = Instant::now();
        let mut sightings = Sightings::new(MAX / 2);
        let mut look = |seconds, hearts: &[Heart]| {
            silent(&mut sightings, hearts, start + Duration::from_secs(seconds))
        };
        assert_eq!(look(0, &[Heart("a", 1), Heart("b", 1)]), []);
        assert_eq!(look(60, &[Heart("a", 1), Heart("b", 2)]), []);
        assert_eq!(look(119, &[Heart("a", 1), Heart("b", 2)]), []);
        let both = [Heart("a", 1), Heart("b", 2)];
        assert_eq!(look(120, &both), [Heart("a", 1)]);
        assert_eq!(look(179, &[Heart("b", 2)]), []);
        let both = [Heart("a", 2), Heart("b", 2)];
        assert_eq!(look(180, &both), [Heart("b", 2)]);
    }

    #[test]
    fn a_master_that_did_not_look_gives_everybody_more_time() {
        let start = Instant::now();
        let mut sightings = Sightings::new(MAX / 2);
        let hearts = [Heart("a", 1)];
        assert_eq!(silent(&mut sightings, &hearts, start), []);
        let late = start + 10 * MAX;
        assert_eq!(silent(&mut sightings, &hearts, late), []);
        assert_eq!(silent(&mut sightings, &hearts, late + MAX / 2), []);
        assert_eq!(silent(&mut sightings, &hearts, late + MAX), hearts);
    }

    #[test]
    fn what_gives_signs_of_life_is_known_since_its_first() {
        let start = Instant::now();
        let mut sightings = Sightings::new(MAX);
        for minutes in 0..5 {
            let now = start + minutes * MAX / 2;
            let seen = sightings.look(vec![Heart("a", i64::from(minutes))], now);
            assert_eq!(seen[0].known, minutes * MAX / 2);
            assert_eq!(seen[0].silent, Duration::ZERO);
        }
    }
}
