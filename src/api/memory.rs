//! Memory for what is read: one measure for all answers in flight, from their first byte until their rows are staged.
//!
//! Most answers take their share of a common pool. One at a time, the *senior*, may take what it needs beyond that: so
//! however much they all want, there is always one that can go on, and whoever waits becomes senior in turn. Memory is
//! never more than the pool and the largest answer.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The memory that all answers have together. Its clones share it.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Pools>);

#[derive(Debug)]
struct Pools {
    common: Arc<Semaphore>,
    senior: Arc<Semaphore>,
}

/// What one answer has of it; dropped, it is given back.
#[derive(Debug)]
pub struct Share {
    of: Memory,
    common: Option<OwnedSemaphorePermit>,
    senior: Option<OwnedSemaphorePermit>,
}

impl Memory {
    /// With a common pool of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let common = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Pools { common, senior: Arc::new(Semaphore::new(1)) }))
    }

    /// A share for one answer, of no bytes yet.
    pub fn share(&self) -> Share {
        Share { of: self.clone(), common: None, senior: None }
    }
}

impl Share {
    /// Waits until so many bytes may be in use in all.
    pub async fn grow_to(&mut self, bytes: usize) {
        let held = self.common.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if self.senior.is_some() || bytes <= held {
            return;
        }
        let Pools { common, senior } = self.of.0.as_ref();
        let Ok(more) = u32::try_from(bytes - held) else { return };
        tokio::select! {
            biased;
            Ok(taken) = Arc::clone(common).acquire_many_owned(more) => match &mut self.common {
                Some(permit) => permit.merge(taken),
                None => self.common = Some(taken),
            },
            Ok(taken) = Arc::clone(senior).acquire_owned() => self.senior = Some(taken),
            else => {} // Neither is ever closed.
        }
    }

    /// Gives back what is held beyond so many bytes. A senior steps down where the pool has room for them.
    pub fn shrink_to(&mut self, bytes: usize) {
        let held = self.common.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if let Some(beyond) = held.checked_sub(bytes) {
            drop(self.common.as_mut().and_then(|permit| permit.split(beyond)));
        } else if self.senior.is_some() {
            let more = u32::try_from(bytes - held).ok();
            let taken = more.and_then(|more| Arc::clone(&self.of.0.common).try_acquire_many_owned(more).ok());
            let Some(taken) = taken else { return };
            match &mut self.common {
                Some(permit) => permit.merge(taken),
                None => self.common = Some(taken),
            }
        }
        self.senior = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn grows(share: &mut Share, bytes: usize) -> bool {
        timeout(Duration::from_millis(20), share.grow_to(bytes)).await.is_ok()
    }

    #[tokio::test]
    async fn one_at_a_time_may_have_more_than_the_pool() {
        let memory = Memory::new(100);
        let [mut first, mut second, mut third] = [memory.share(), memory.share(), memory.share()];
        assert!(grows(&mut first, 60).await && grows(&mut second, 40).await);
        // The pool is used up: the next that grows is the senior, and then whoever waits.
        assert!(grows(&mut first, 5000).await && grows(&mut first, 90_000).await);
        assert!(!grows(&mut second, 41).await && !grows(&mut third, 1).await);
        first.shrink_to(50);
        assert!(grows(&mut third, 10).await && grows(&mut second, 41).await && grows(&mut second, 7000).await);
        assert!(!grows(&mut first, 51).await);
        drop(second);
        assert!(grows(&mut first, 51).await && grows(&mut first, 60).await);
        drop((first, third));
        let mut all = memory.share();
        assert!(grows(&mut all, 100).await && all.senior.is_none());
    }

    #[tokio::test]
    async fn a_senior_steps_down_only_where_there_is_room() {
        let memory = Memory::new(10);
        let [mut first, mut second] = [memory.share(), memory.share()];
        assert!(grows(&mut first, 1000).await && grows(&mut second, 8).await);
        first.shrink_to(3);
        assert!(first.senior.is_some() && !grows(&mut second, 11).await);
        first.shrink_to(2);
        assert!(first.senior.is_none() && grows(&mut second, 11).await);
    }
}
