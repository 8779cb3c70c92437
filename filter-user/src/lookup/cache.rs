//! What remote directories have said, for a while and in bounded memory. Known and unknown recipients are remembered
//! apart, so that who asks for a million names that do not exist makes nobody forgotten who does.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::question::Question;

/// Answers, each until its time is over or another needs its place.
#[derive(Debug)]
pub(super) struct Cache {
    known: Mutex<Remembered>,
    unknown: Mutex<Remembered>,
    /// How often everything was forgotten.
    cleared: AtomicU64,
}

impl Cache {
    /// Remembers so many known recipients, and so many unknown ones, each kind for so long.
    pub(super) fn new(size: usize, known_for: Duration, unknown_for: Duration) -> Self {
        Self {
            known: Mutex::new(Remembered::new(size, known_for)),
            unknown: Mutex::new(Remembered::new(size, unknown_for)),
            cleared: AtomicU64::new(0),
        }
    }

    /// Whether the mailbox is known, if that was said not long ago.
    pub(super) fn get(&self, question: &Question, now: Instant) -> Option<bool> {
        if locked(&self.known).has(question, now) {
            return Some(true);
        }
        locked(&self.unknown).has(question, now).then_some(false)
    }

    /// The time that this is, for a question that is asked now.
    pub(super) fn era(&self) -> Era {
        Era(self.cleared.load(Ordering::Acquire))
    }

    /// Remembers an answer in place of an earlier one; not one to a question of before everything was forgotten.
    pub(super) fn put(&self, question: Question, known: bool, asked: Era, now: Instant) {
        let (remember, forget) =
            if known { (&self.known, &self.unknown) } else { (&self.unknown, &self.known) };
        locked(forget).forget(&question);
        let mut remember = locked(remember);
        // Looked at under the lock: who forgets everything does so behind the change of the era.
        if asked == self.era() {
            remember.take(question, now);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.cleared.fetch_add(1, Ordering::AcqRel);
        locked(&self.known).clear();
        locked(&self.unknown).clear();
    }
}

/// Between two times that everything was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Era(u64);

fn locked(remembered: &Mutex<Remembered>) -> std::sync::MutexGuard<'_, Remembered> {
    // Nothing that is done under the lock can leave it half-done.
    remembered.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Questions that had one answer. In two generations: when the young one is full, the old one, of what nobody has asked
/// since, is dropped whole. So the oldest go first, without a list in their order.
#[derive(Debug)]
struct Remembered {
    young: HashMap<Question, Instant>,
    old: HashMap<Question, Instant>,
    most_of_each: usize,
    remembered_for: Duration,
}

impl Remembered {
    fn new(size: usize, remembered_for: Duration) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most_of_each: (size / 2).max(1), remembered_for }
    }

    fn has(&mut self, question: &Question, now: Instant) -> bool {
        if let Some(until) = self.young.get(question) {
            return now < *until;
        }
        let Some((question, until)) = self.old.remove_entry(question) else { return false };
        let fresh = now < until;
        if fresh {
            self.keep(question, until);
        }
        fresh
    }

    fn take(&mut self, question: Question, now: Instant) {
        self.old.remove(&question);
        self.keep(question, now + self.remembered_for);
    }

    fn keep(&mut self, question: Question, until: Instant) {
        if self.young.len() >= self.most_of_each {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(question, until);
    }

    fn forget(&mut self, question: &Question) {
        self.young.remove(question);
        self.old.remove(question);
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str) -> Question {
        Question { local_part: name.to_owned(), domain: "example.org".to_owned() }
    }

    fn cache(size: usize) -> Cache {
        Cache::new(size, Duration::from_secs(100), Duration::from_secs(10))
    }

    #[test]
    fn an_answer_holds_for_its_time() {
        let (cache, start) = (cache(10), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        cache.put(question("known"), true, cache.era(), start);
        cache.put(question("unknown"), false, cache.era(), start);
        for (seconds, known, unknown) in [
            (0, Some(true), Some(false)),
            (9, Some(true), Some(false)),
            (10, Some(true), None),
            (99, Some(true), None),
            (100, None, None),
        ] {
            let now = after(seconds);
            assert_eq!(cache.get(&question("known"), now), known, "{seconds}");
            assert_eq!(cache.get(&question("unknown"), now), unknown, "{seconds}");
        }
    }

    #[test]
    fn a_later_answer_takes_the_place_of_an_earlier_one() {
        let (cache, now) = (cache(10), Instant::now());
        for known in [true, false, true] {
            cache.put(question("moved"), known, cache.era(), now);
            assert_eq!(cache.get(&question("moved"), now), Some(known));
        }
        cache.clear();
        assert_eq!(cache.get(&question("moved"), now), None);
    }

    #[test]
    fn a_flood_of_unknown_names_makes_no_known_one_forgotten() {
        let (cache, now) = (cache(100), Instant::now());
        for number in 0..50 {
            cache.put(question(&format!("known{number}")), true, cache.era(), now);
        }
        for number in 0..10_000 {
            cache.put(question(&format!("unknown{number}")), false, cache.era(), now);
        }
        assert!((0..50).all(|number| cache.get(&question(&format!("known{number}")), now) == Some(true)));
        let unknown = cache.unknown.lock().unwrap();
        assert!(unknown.young.len() + unknown.old.len() <= 100);
    }

    #[test]
    fn what_is_asked_for_again_is_remembered_longer() {
        let (cache, now) = (cache(100), Instant::now());
        cache.put(question("asked for"), true, cache.era(), now);
        for number in 0..1000 {
            cache.put(question(&format!("known{number}")), true, cache.era(), now);
            assert_eq!(cache.get(&question("asked for"), now), Some(true), "{number}");
        }
        assert_eq!(cache.get(&question("known0"), now), None);
    }

    #[test]
    fn an_answer_of_before_everything_was_forgotten_is_not_remembered_after_it() {
        let cache = Cache::new(10, Duration::from_secs(60), Duration::from_secs(60));
        let (asked, now) = (cache.era(), Instant::now());
        cache.clear();
        cache.put(question("gone"), true, asked, now);
        assert_eq!(cache.get(&question("gone"), now), None);
        cache.put(question("gone"), false, cache.era(), now);
        assert_eq!(cache.get(&question("gone"), now), Some(false));
    }
}
