//! What is being handed out by this master right now, so that who asks at the same moment tries something
//! else first, instead of waiting for what he will not get.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::offer::Place;

/// How many are at each place. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns {
    taken: Arc<Mutex<HashMap<Place, u32>>>,
}

/// Somebody is at a place until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) place: Place,
    turns: Turns,
}

impl Turns {
    /// Goes to the first place where nobody is; where somebody is at all of them, to the first.
    pub(super) fn take(&self, mut places: Vec<Place>) -> Option<Turn> {
        if places.is_empty() {
            return None;
        }
        let mut taken = self.taken();
        let free = places.iter().position(|place| !taken.contains_key(place));
        let place = places.swap_remove(free.unwrap_or(0));
        *taken.entry(place.clone()).or_default() += 1;
        Some(Turn {
            place,
            turns: self.clone(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Place, u32>> {
        // Whoever panicked with it left it whole.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.taken();
        if let Some(count) = taken.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_at_the_same_moment_goes_somewhere_else() {
        let places = || [1, 2].map(Place::Job).to_vec();
        let turns = Turns::default();
        let first = turns.take(places()).unwrap();
        let second = turns.take(places()).unwrap();
        let third = turns.take(places()).unwrap();
        let went = [&first, &second, &third].map(|turn| turn.place.clone());
        assert_eq!(went, [1, 2, 1].map(Place::Job));
        drop(first);
        let fourth = turns.take(places()).unwrap();
        assert_eq!(fourth.place, Place::Job(1));
        drop((second, third, fourth));
        assert!(turns.taken().is_empty());
        assert!(turns.take(Vec::new()).is_none());
    }
}
