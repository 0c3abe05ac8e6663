//! Signs of life of the loops that read from Kafka, so that one that hangs is told from one that waits for Kafka.
//!
//! A loop's thread carries its heart. Every turn of the loop beats, and so does every wait of this crate that has an end
//! and is gone through again while Kafka is away: a full producer, a topic that is read back, a transaction. What
//! hangs in between, such as a lock that is never given back, does not beat.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

thread_local! {
    static CARRIED: RefCell<Option<Arc<Heart>>> = const { RefCell::new(None) };
}

/// When a loop last gave a sign.
#[derive(Debug)]
pub(crate) struct Heart {
    start: Instant,
    /// Milliseconds from the start, and one more; 0 before the first.
    last: AtomicU64,
}

impl Default for Heart {
    fn default() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Heart {
    fn beat(&self) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.fetch_max(since.saturating_add(1), Ordering::Relaxed);
    }

    /// How long it has given none; nothing before its first, because what has not begun does not hang.
    pub(crate) fn silence(&self) -> Duration {
        match self.last.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            last => self.start.elapsed().saturating_sub(Duration::from_millis(last)),
        }
    }

    /// Makes this thread carry it for as long as the guard lives.
    pub(crate) fn carry(self: &Arc<Self>) -> Carried {
        self.beat();
        let before = CARRIED.replace(Some(Arc::clone(self)));
        Carried { before, here: PhantomData }
    }
}

/// A thread carries a loop's heart; dropped on the same thread.
#[derive(Debug)]
#[must_use]
pub struct Carried {
    before: Option<Arc<Heart>>,
    here: PhantomData<Rc<()>>,
}

impl Drop for Carried {
    fn drop(&mut self) {
        CARRIED.set(self.before.take());
    }
}

/// The loop whose heart this thread carries, if any, has not hung.
pub(crate) fn beat() {
    // A thread that is about to end has none any more, and that is fine.
    let _ = CARRIED.try_with(|carried| {
        if let Some(heart) = &*carried.borrow() {
            heart.beat();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_beats_for_the_loop_whose_heart_it_carries_and_for_no_other() {
        let (one, other) = (Arc::new(Heart::default()), Arc::new(Heart::default()));
        beat();
        assert_eq!(one.last.load(Ordering::Relaxed), 0);
        assert_eq!(one.silence(), Duration::ZERO, "it has not begun");
        let carried = one.carry();
        {
            let _inner = other.carry();
            wait_for(|| one.silence() > Duration::from_millis(20));
            beat();
            assert!(one.silence() > Duration::from_millis(20) && other.silence() < one.silence());
        }
        // Beats of one millisecond cannot be told apart.
        wait_for(|| other.silence() > Duration::from_millis(20));
        beat();
        assert!(other.silence() > one.silence());
        drop(carried);
        let last = one.last.load(Ordering::Relaxed);
        beat();
        assert_eq!(one.last.load(Ordering::Relaxed), last);
    }

    fn wait_for(reached: impl Fn() -> bool) {
        let begun = Instant::now();
        while !reached() {
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
    }
}
