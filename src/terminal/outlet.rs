//! Log lines on their way to stderr. A thread of its own writes them, so that a reader who has stopped reading (a pager, a
//! hung shipper of logs) stops no run: it waits for room for a while, then lines are left out and counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of lines that may wait for a slow reader.
const ROOM: usize = 1 << 18;
/// So long whoever logs waits for room, until nobody seems to read any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is written to stderr goes through it, for as long as the process lives.
pub static STDERR: LazyLock<Outlet> = LazyLock::new(|| Outlet::new(io::stderr()));

/// Where log lines go. Its clones are one.
#[derive(Debug, Clone)]
pub struct Outlet(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told when a line was added, or written.
    moved: Condvar,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    is_writing: bool,
    /// Nothing was written for so long that nobody waits any more.
    is_stalled: bool,
    lost: u64,
    /// There is no thread that writes.
    is_direct: bool,
}

impl Outlet {
    /// An outlet to `sink`, whose failures nobody hears of.
    pub fn new(sink: impl Write + Send + 'static) -> Self {
        Self::with_patience(sink, PATIENCE)
    }

    fn with_patience(mut sink: impl Write + Send + 'static, patience: Duration) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::default(), moved: Condvar::new(), patience });
        let writer = Arc::clone(&shared);
        let begun = thread::Builder::new().name("log".to_owned()).spawn(move || writer.write(&mut sink));
        shared.lock().is_direct = begun.is_err();
        Self(shared)
    }

    /// Takes a line, to be written soon. Waits where `ROOM` is used up, once for `PATIENCE`; then lines are
    /// counted and left out.
    pub fn put(&self, line: &[u8]) {
        let shared = &*self.0;
        let mut queue = shared.lock();
        if queue.is_direct {
            // The system has no thread to spare.
            let _ = io::stderr().lock().write_all(line);
            return;
        }
        if queue.bytes > ROOM && !queue.is_stalled {
            let is_full = |queue: &mut Queue| queue.bytes > ROOM && !queue.is_stalled;
            let waited = shared.moved.wait_timeout_while(queue, shared.patience, is_full);
            let (waited, ended) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = waited;
            queue.is_stalled |= ended.timed_out();
        }
        if queue.bytes > ROOM {
            queue.lost += 1;
            return;
        }
        queue.bytes += line.len();
        queue.waiting.push_back(line.to_vec());
        shared.moved.notify_all();
    }

    /// How many lines were left out so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lock().lost
    }

    /// Waits until all is written, or nobody seems to read.
    pub fn flush(&self) {
        let shared = &*self.0;
        let queue = shared.lock();
        let is_busy = |queue: &mut Queue| !queue.is_stalled && (queue.is_writing || !queue.waiting.is_empty());
        let waited = shared.moved.wait_timeout_while(queue, shared.patience, is_busy);
        let (mut queue, ended) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.is_stalled |= ended.timed_out();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes whatever comes, for as long as the process lives.
    fn write(&self, sink: &mut impl Write) {
        loop {
            let idle = |queue: &mut Queue| queue.waiting.is_empty();
            let waited = self.moved.wait_while(self.lock(), idle);
            let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
            let lines = std::mem::take(&mut queue.waiting);
            (queue.bytes, queue.is_writing) = (0, true);
            drop(queue);
            for line in lines {
                let _ = sink.write_all(&line);
            }
            let mut queue = self.lock();
            (queue.is_writing, queue.is_stalled) = (false, false);
            self.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::Instant;

    use super::*;

    /// A reader that takes a piece whenever it likes.
    struct Pipe(SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (Outlet, Receiver<Vec<u8>>) {
        let (sender, receiver) = sync_channel(0);
        (Outlet::with_patience(Pipe(sender), Duration::from_millis(200)), receiver)
    }

    #[test]
    fn lines_come_in_order_however_slowly_they_are_read() {
        let (outlet, receiver) = pipe();
        let reader = thread::spawn(move || receiver.iter().take(2_000).collect::<Vec<_>>());
        for number in 0..2_000 {
            outlet.put(format!("{number} {}\n", "x".repeat(500)).as_bytes());
        }
        outlet.flush();
        assert_eq!(outlet.lost(), 0);
        let read = reader.join().unwrap();
        assert!(read.iter().enumerate().all(|(at, line)| line.starts_with(format!("{at} ").as_bytes())));
    }

    #[test]
    fn nobody_waits_long_for_a_reader_who_has_stopped() {
        let (outlet, receiver) = pipe();
        let begun = Instant::now();
        for _ in 0..5_000 {
            outlet.put(&[b'x'; 1_000]);
        }
        outlet.flush();
        let lost = outlet.lost();
        assert!(lost > 3_000 && begun.elapsed() < Duration::from_secs(3), "{lost} {:?}", begun.elapsed());
        // Once it reads again, all goes on.
        let reader = thread::spawn(move || receiver.iter().find(|line| line == b"last\n").is_some());
        while outlet.0.lock().is_stalled {
            thread::sleep(Duration::from_millis(1));
        }
        outlet.put(b"last\n");
        outlet.flush();
        assert_eq!(outlet.lost(), lost);
        assert!(reader.join().unwrap());
    }

    #[test]
    fn a_reader_who_is_gone_is_no_trouble() {
        let (outlet, receiver) = pipe();
        drop(receiver);
        (0..5_000).for_each(|_| outlet.put(&[b'x'; 1_000]));
        outlet.flush();
        assert_eq!(outlet.lost(), 0);
    }
}
