//! Work on several threads whose results are wanted in order. How many partitions are published side by side is decided
//! here.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::error::{Error, Kind, Result};

/// Each lane holds the encoders of three tables.
const MOST: usize = 8;
/// Results that may be under way or waiting for their turn, a lane.
const AHEAD: usize = 2;

/// How many partitions are worked on side by side: one a core, `MOST` at most.
pub fn lanes() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MOST)
}

/// Makes things number `0..count` on threads of their own and takes them one after the other on this one, until `take`
/// fails. One that panics is an error (`Unexpected`).
pub fn in_order<T: Send>(
    count: usize,
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let (jobs, queue) = mpsc::channel();
    let (done, arrived) = mpsc::channel();
    let (queue, over) = (Mutex::new(queue), AtomicBool::new(false));
    thread::scope(|scope| {
        let lanes = lanes().min(count);
        for _ in 0..lanes {
            let done = done.clone();
            let (queue, over, make) = (&queue, &over, &make);
            scope.spawn(move || work(queue, over, make, &done));
        }
        drop(done);
        let mut begun = 0..count;
        let mut early = BTreeMap::new();
        let mut taken = || {
            for number in 0..count {
                let room = number + lanes * AHEAD;
                while begun.start < room.min(count) {
                    jobs.send(begun.start).map_err(|_| failed())?;
                    begun.start += 1;
                }
                while !early.contains_key(&number) {
                    early.extend(Some(arrived.recv().map_err(|_| failed())?));
                }
                take(early.remove(&number).flatten().ok_or_else(failed)?)?;
            }
            Ok(())
        };
        let taken = taken();
        over.store(true, Ordering::Relaxed);
        drop(jobs);
        taken
    })
}

/// What a lane does: it makes one thing after the other until nothing is wanted any more.
fn work<T>(
    queue: &Mutex<mpsc::Receiver<usize>>,
    over: &AtomicBool,
    make: &impl Fn(usize) -> T,
    done: &mpsc::Sender<(usize, Option<T>)>,
) {
    while let Some(number) = next(queue).filter(|_| !over.load(Ordering::Relaxed)) {
        // A lane that only died would be waited for without end.
        let thing = catch_unwind(AssertUnwindSafe(|| make(number))).ok();
        // Whoever was waiting for it may be gone.
        if done.send((number, thing)).is_err() {
            break;
        }
    }
}

fn next(queue: &Mutex<mpsc::Receiver<usize>>) -> Option<usize> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn failed() -> Error {
    Error::new(Kind::Unexpected, "a worker failed")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    #[test]
    fn things_are_taken_in_order_whoever_is_first() {
        let mut taken = Vec::new();
        let make = |number: usize| {
            thread::sleep(Duration::from_millis(u64::from(number.is_multiple_of(3))));
            number
        };
        let all = in_order(50, make, |number| {
            taken.push(number);
            Ok(())
        });
        all.unwrap();
        assert_eq!(taken, (0..50).collect::<Vec<_>>());
        in_order(0, make, |_| Err(failed())).unwrap();
    }

    #[test]
    fn little_is_made_that_nobody_takes() {
        let count = AtomicUsize::new(0);
        let make = |number: usize| {
            count.fetch_add(1, Ordering::Relaxed);
            number
        };
        let failed = in_order(1000, make, |number| if number < 5 { Ok(()) } else { Err(failed()) });
        assert_eq!(failed.unwrap_err().kind(), Kind::Unexpected);
        assert!(count.load(Ordering::Relaxed) <= 6 + lanes() * AHEAD);
    }

    #[test]
    fn a_panic_is_an_error_and_not_waited_for() {
        let make = |number: usize| {
            assert!(number != 3, "the third is bad");
            number
        };
        let failed = in_order(100, make, |_| Ok(()));
        assert_eq!(failed.unwrap_err().kind(), Kind::Unexpected);
    }
}
