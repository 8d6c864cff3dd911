//! How many logins failed, by account and by address: who guesses has to wait.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quick_cache::unsync::Cache;
use tokio::time::Instant;

/// Failures of one account before it has to wait, whatever the address.
pub const ACCOUNT_FAILURES_MAX: u32 = 10;

/// Failures from one address before it has to wait, whatever the account.
pub const ADDRESS_FAILURES_MAX: u32 = 30;

/// For how long failures are counted, from the first of them; and then it begins anew.
pub const FAILURES_WINDOW: Duration = Duration::from_mins(5);

/// Accounts and addresses, each, that are remembered at a time.
const REMEMBERED_MAX: usize = 10_000;

/// Logins that failed, in this master alone.
#[derive(Debug)]
pub(super) struct Failures {
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    accounts: Cache<String, Count>,
    addresses: Cache<Address, Count>,
}

/// Failures, and since when they are counted.
#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    failures: u32,
}

/// Whoever has one address of version 6 has its whole network of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Address(IpAddr);

impl Default for Failures {
    fn default() -> Self {
        let counts = Counts {
            accounts: Cache::new(REMEMBERED_MAX),
            addresses: Cache::new(REMEMBERED_MAX),
        };
        Self {
            counts: Mutex::new(counts),
        }
    }
}

impl Failures {
    /// Counts a login as failed before it is tried, so that many at a time are no way around;
    /// [`Self::take_back`] when it went well. Answers how long to wait when there were too many.
    pub(super) fn count(
        &self,
        account: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let address = address.map(Address::of);
        let by_account = current(&counts.accounts, &account.to_owned(), now);
        let by_address = address.map(|address| current(&counts.addresses, &address, now));
        let limits = [
            (Some(by_account), ACCOUNT_FAILURES_MAX),
            (by_address, ADDRESS_FAILURES_MAX),
        ];
        let waits = limits.into_iter().filter_map(|(count, max)| {
            let count = count?;
            let left = (count.since + FAILURES_WINDOW).saturating_duration_since(now);
            (count.failures >= max).then_some(left)
        });
        if let Some(wait) = waits.max() {
            return Err(wait.max(Duration::from_secs(1)));
        }
        counts
            .accounts
            .insert(account.to_owned(), by_account.plus_one());
        if let (Some(address), Some(count)) = (address, by_address) {
            counts.addresses.insert(address, count.plus_one());
        }
        Ok(())
    }

    /// The login was not tried after all.
    pub(super) fn give_back(&self, account: &str, address: Option<IpAddr>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut count) = counts.accounts.get_mut(account) {
            count.failures = count.failures.saturating_sub(1);
        }
        counts.address_gives_back(address);
    }

    /// The login went well: the account begins anew, and its address has one failure less.
    pub(super) fn take_back(&self, account: &str, address: Option<IpAddr>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.accounts.remove(account);
        counts.address_gives_back(address);
    }
}

impl Counts {
    fn address_gives_back(&mut self, address: Option<IpAddr>) {
        let Some(address) = address.map(Address::of) else {
            return;
        };
        if let Some(mut count) = self.addresses.get_mut(&address) {
            count.failures = count.failures.saturating_sub(1);
        }
    }
}

fn current<K: Eq + Hash>(counts: &Cache<K, Count>, key: &K, now: Instant) -> Count {
    let fresh = Count {
        since: now,
        failures: 0,
    };
    let known = counts.peek(key).copied();
    let is_current = |count: &Count| now.duration_since(count.since) < FAILURES_WINDOW;
    known.filter(is_current).unwrap_or(fresh)
}

impl Count {
    const fn plus_one(self) -> Self {
        Self {
            since: self.since,
            failures: self.failures + 1,
        }
    }
}

impl Address {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn an_account_waits_after_so_many_failures_and_begins_anew_after_a_while() {
        let failures = Failures::default();
        let now = Instant::now();
        for _ in 0..ACCOUNT_FAILURES_MAX {
            failures.count("a", HERE, now).unwrap();
        }
        assert_eq!(failures.count("a", None, now), Err(FAILURES_WINDOW));
        assert!(failures.count("b", HERE, now).is_ok());
        assert!(failures.count("a", None, now + FAILURES_WINDOW).is_ok());
    }

    #[test]
    fn an_address_waits_whatever_names_it_tries() {
        let failures = Failures::default();
        let now = Instant::now();
        let of = |last: u64| Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last as u16]));
        for number in 0..ADDRESS_FAILURES_MAX {
            let name = format!("name-{number}");
            failures.count(&name, of(u64::from(number)), now).unwrap();
        }
        assert!(failures.count("another", of(99), now).is_err());
        assert!(failures.count("another", HERE, now).is_ok());
    }

    #[test]
    fn a_login_that_goes_well_is_no_failure() {
        let failures = Failures::default();
        let now = Instant::now();
        for _ in 0..10 * ADDRESS_FAILURES_MAX {
            failures.count("a", HERE, now).unwrap();
            failures.take_back("a", HERE);
        }
    }

    #[test]
    fn a_flood_of_names_takes_bounded_memory() {
        let failures = Failures::default();
        let now = Instant::now();
        for number in 0..5 * REMEMBERED_MAX {
            failures.count(&number.to_string(), None, now).unwrap();
        }
        let counts = failures.counts.lock().unwrap();
        assert!(counts.accounts.len() <= REMEMBERED_MAX);
    }
}
