//! Sessions that begin and end while the list is read.

use super::List;
use crate::sim::random::Random;
use crate::sim::session::Session;

impl List {
    /// The present, in seconds; time does not run backwards.
    pub(in crate::sim) fn tell(&mut self, seconds: i64) {
        self.now = self.now.max(seconds.saturating_mul(1_000_000));
    }

    /// A session begins now, and is listed where the order wants it.
    pub fn begin(&mut self) -> Session {
        const MILLISECOND: i64 = 1000;
        let mut session = self.account.fresh(self.fresh, self.now);
        session.end = None;
        if let Some(log) = session.participants.last_mut().and_then(|last| last.timelogs.last_mut()) {
            log.end = None;
        }
        self.fresh += 1;
        // The next one begins later.
        self.now += MILLISECOND;
        self.insert_in_order(session.clone());
        self.running.push_back(session.id.clone());
        session
    }

    /// The session at this position ends now, and is listed where the order wants it.
    pub fn end_in_order(&mut self, position: u64) {
        self.end_session(position, self.now);
        self.now += 1000;
        let is_by_end = self.ranks.order().is_by_end();
        if let Some(row) = is_by_end.then(|| self.delete(position)).flatten() {
            let place = self.insert_in_order(row.session.clone());
            self.replace(place, row);
        }
    }

    /// So many times a session begins, or the oldest one that began here ends, or any one vanishes.
    pub fn churn(&mut self, times: u64) {
        for _ in 0..times {
            let mut random = self.draw();
            match random.below(10) {
                0..5 => {
                    self.begin();
                }
                5..8 => {
                    if let Some(position) = self.running.pop_front().and_then(|id| self.find(&id)) {
                        self.end_in_order(position);
                    }
                }
                _ => {
                    self.now += 1000;
                    self.delete(random.below(self.len));
                }
            }
        }
    }

    pub(super) const fn draw(&mut self) -> Random {
        self.draws += 1;
        Random::new(self.account.seed, self.draws)
    }

    /// Ends the session at this position, and its open timelogs with it, in place. Microseconds.
    pub fn end_session(&mut self, position: u64, at: i64) {
        if let Some(mut row) = self.row(position) {
            row.session.end = Some(at);
            let logs = row.session.participants.iter_mut().flat_map(|participant| &mut participant.timelogs);
            logs.filter(|log| log.end.is_none()).for_each(|log| log.end = Some(at));
            self.replace(position, row);
        }
    }
}
