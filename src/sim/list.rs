//! The list as the API shows it, which moves while it is read: an overlay over an account's sessions.
//!
//! A rope of pieces: runs of the account's own sessions, made when somebody looks, and single sessions that were put
//! in or changed. Memory grows with the changes, not with the account. Positions count from 0, the head of the list.

mod filter;
mod life;

use std::collections::VecDeque;

use super::account::{Account, NOW};
use super::order::Ranks;
pub use super::order::{Grain, Key, Order, Running, Sort};
use super::session::Session;
pub use filter::Filter;

/// One entry of the list, as an answer shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What is listed, and what the truth counts.
    pub session: Session,
    /// JSON to be sent in its place, for records that no session can express.
    pub raw: Option<String>,
}

impl Row {
    /// Whether it is the session with this id, be it by what stands in a raw record.
    fn is(&self, id: &str) -> bool {
        let raw = || serde_json::from_str::<serde_json::Value>(self.raw.as_deref()?).ok();
        self.session.id == id || raw().is_some_and(|raw| raw["id"] == id || raw["_id"] == id)
    }
}

impl From<Session> for Row {
    fn from(session: Session) -> Self {
        Self { session, raw: None }
    }
}

/// A run of ranks (places in the list as it was first), or one row of the list's own.
#[derive(Debug, Clone)]
enum Piece {
    Run { first: u64, len: u64 },
    Own(Box<Row>),
}

impl Piece {
    const fn len(&self) -> u64 {
        match self {
            Self::Run { len, .. } => *len,
            Self::Own(_) => 1,
        }
    }
}

/// The list at one moment; see the module.
#[derive(Debug, Clone)]
pub struct List {
    account: Account,
    ranks: Ranks,
    pieces: Vec<Piece>,
    len: u64,
    changed: bool,
    fresh: u64,
    /// When sessions begin and end from now on, in microseconds since 1970.
    now: i64,
    /// Sessions that began here and are running, the oldest first.
    running: VecDeque<String>,
    /// How often something was left to chance.
    draws: u64,
}

/// The account's sessions by start, newest first.
impl From<Account> for List {
    fn from(account: Account) -> Self {
        Self::new(account, Order::NewestFirst)
    }
}

impl List {
    /// The account's sessions in this order.
    #[must_use]
    pub fn new(account: Account, order: Order) -> Self {
        let ranks = Ranks::new(&account, order);
        let len = account.len();
        let pieces = if len == 0 { Vec::new() } else { vec![Piece::Run { first: 0, len }] };
        let (now, running) = (NOW, VecDeque::new());
        Self { account, ranks, pieces, len, changed: false, fresh: 0, now, running, draws: 0 }
    }

    /// The account that the list was made of; changes of the list do not reach it.
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// How many rows the list has now.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the list has no row.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether anything was changed since the start, so that what was prepared is of no use.
    pub const fn is_changed(&self) -> bool {
        self.changed
    }

    /// The row at this position, from 0; `None` behind the end.
    pub fn row(&self, position: u64) -> Option<Row> {
        self.page(position, 1).pop()
    }

    /// The rows at positions `[offset, offset + size)`, as far as there are any.
    pub fn page(&self, offset: u64, size: u64) -> Vec<Row> {
        let end = offset.saturating_add(size).min(self.len);
        let mut rows = Vec::with_capacity(usize::try_from(end.saturating_sub(offset)).unwrap_or(0));
        let mut begin = 0;
        for piece in &self.pieces {
            let (from, to) = (offset.max(begin), end.min(begin + piece.len()));
            match piece {
                Piece::Run { first, .. } => {
                    rows.extend((from..to).map(|place| Row::from(self.ranked(first + place - begin))));
                }
                Piece::Own(row) if from < to => rows.push(Row::clone(row)),
                Piece::Own(_) => {}
            }
            begin += piece.len();
            if begin >= end {
                break;
            }
        }
        rows
    }

    /// All sessions in the list's order.
    pub fn sessions(&self) -> impl Iterator<Item = Session> + '_ {
        self.pieces.iter().flat_map(|piece| {
            let (run, own) = match piece {
                Piece::Run { first, len } => (*first..first + len, None),
                Piece::Own(row) => (0..0, Some(row.session.clone())),
            };
            run.map(|rank| self.ranked(rank)).chain(own)
        })
    }

    /// Positions of the sessions that a filter lets through, in the list's order. Looks at every session.
    pub fn chosen(&self, filter: &Filter) -> Vec<u64> {
        let mut found = Vec::new();
        let mut begin = 0;
        for piece in &self.pieces {
            match piece {
                Piece::Run { first, len } => found.extend(
                    (0..*len)
                        .filter(|at| filter.lets_index(&self.account, self.ranks.index(first + at)))
                        .map(|at| begin + at),
                ),
                Piece::Own(row) if filter.lets(&row.session) => found.push(begin),
                Piece::Own(_) => {}
            }
            begin += piece.len();
        }
        found
    }

    /// The position of the session with this id.
    pub fn find(&self, id: &str) -> Option<u64> {
        let rank = self.account.index_of(id).and_then(|index| self.ranks.rank(index));
        let mut begin = 0;
        for piece in &self.pieces {
            match (piece, rank) {
                (Piece::Own(row), _) if row.is(id) => return Some(begin),
                (Piece::Run { first, len }, Some(rank)) if (*first..first + len).contains(&rank) => {
                    return Some(begin + rank - first);
                }
                _ => {}
            }
            begin += piece.len();
        }
        None
    }

    /// Puts a row at this position, or at the end if the list is shorter; what was there moves down.
    pub fn insert(&mut self, position: u64, row: impl Into<Row>) {
        let place = self.split_at(position);
        self.pieces.insert(place, Piece::Own(Box::new(row.into())));
        self.len += 1;
        self.changed = true;
    }

    /// Puts a session where the list's order wants it: behind all that must come before it. In a shuffled list that is
    /// the end. Returns its position.
    pub fn insert_in_order(&mut self, session: Session) -> u64 {
        let order = self.ranks.order();
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low.midpoint(high);
            let before = self.row(middle).is_some_and(|row| order.precedes(&row.session, &session));
            if before { low = middle + 1 } else { high = middle }
        }
        self.insert(low, session);
        low
    }

    /// Puts a new session here, one that never was in the account, with a start that suits the position.
    pub fn insert_fresh(&mut self, position: u64) -> Session {
        const SECOND: i64 = 1_000_000;
        let start = |position| self.row(position).and_then(|row| row.session.start);
        let newer_first = if self.ranks.order().is_oldest_first() { -1 } else { 1 };
        let start = match (position.checked_sub(1).and_then(start), start(position)) {
            (Some(before), Some(after)) => before.midpoint(after).div_euclid(1000) * 1000,
            (Some(before), None) => before - newer_first * SECOND,
            (None, Some(after)) => after + newer_first * SECOND,
            (None, None) => super::account::NOW,
        };
        let session = self.account.fresh(self.fresh, start);
        self.fresh += 1;
        self.insert(position, session.clone());
        session
    }

    /// Sessions of one key change places, as in a database that has nothing else to sort by. Takes memory for the list.
    pub fn shuffle_ties(&mut self) {
        let order = self.ranks.order();
        let mut rows = self.page(0, self.len);
        let mut random = self.draw();
        rows.chunk_by_mut(|one, other| order.is_tied(&one.session, &other.session))
            .filter(|tied| tied.len() > 1)
            .for_each(|tied| random.shuffle(tied));
        self.pieces = rows.into_iter().map(|row| Piece::Own(Box::new(row))).collect();
        self.changed = true;
    }

    /// Takes the row at this position out; what follows moves up.
    pub fn delete(&mut self, position: u64) -> Option<Row> {
        let row = self.row(position)?;
        let place = self.isolate(position);
        self.pieces.remove(place);
        self.len -= 1;
        self.changed = true;
        Some(row)
    }

    /// Puts another row in the place of the one at this position, and returns the earlier one.
    pub fn replace(&mut self, position: u64, row: impl Into<Row>) -> Option<Row> {
        let earlier = self.row(position)?;
        let place = self.isolate(position);
        self.pieces[place] = Piece::Own(Box::new(row.into()));
        self.changed = true;
        Some(earlier)
    }

    /// The place among the pieces of one that begins at this position.
    fn split_at(&mut self, position: u64) -> usize {
        let mut begin = 0;
        for place in 0..self.pieces.len() {
            if begin >= position {
                return place;
            }
            if let Piece::Run { first, len } = self.pieces[place]
                && position < begin + len
            {
                let head = position - begin;
                self.pieces[place] = Piece::Run { first, len: head };
                self.pieces.insert(place + 1, Piece::Run { first: first + head, len: len - head });
                return place + 1;
            }
            begin += self.pieces[place].len();
        }
        self.pieces.len()
    }

    /// The place of a piece that is just the row at this position, which must exist.
    fn isolate(&mut self, position: u64) -> usize {
        self.split_at(position + 1);
        self.split_at(position)
    }

    fn ranked(&self, rank: u64) -> Session {
        self.account.session(self.ranks.index(rank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::account::{Ids, NOW, Shape, Spacing};
    use crate::sim::random::Random;
    use crate::sim::session::Timelog;

    fn plain(sessions: u64) -> Account {
        Account::new(1, sessions, Shape::Plain)
    }

    fn ids(list: &List) -> Vec<String> {
        list.sessions().map(|session| session.id).collect()
    }

    /// The same operation on the list and on a plain vector of its sessions.
    fn step(random: &mut Random, list: &mut List, model: &mut Vec<Session>, number: u64) {
        let len = model.len() as u64;
        let at = random.below(len + 1);
        let place = usize::try_from(at).unwrap();
        match random.below(4) {
            0 => {
                let session = list.insert_fresh(at);
                model.insert(place, session);
            }
            1 => {
                let gone = list.delete(at).map(|row| row.session);
                assert_eq!(gone, (at < len).then(|| model.remove(place)));
            }
            2 => {
                let session = list.account().fresh(1_000_000 + number, NOW);
                let earlier = list.replace(at, session.clone()).map(|row| row.session);
                assert_eq!(earlier, (at < len).then(|| std::mem::replace(&mut model[place], session)));
            }
            _ => {
                let (offset, size) = (random.below(len + 3), random.below(12));
                let rows: Vec<Session> = list.page(offset, size).into_iter().map(|row| row.session).collect();
                let skip = usize::try_from(offset).unwrap();
                let expected: Vec<Session> =
                    model.iter().skip(skip).take(usize::try_from(size).unwrap()).cloned().collect();
                assert_eq!(rows, expected);
            }
        }
        assert_eq!(list.len(), model.len() as u64);
    }

    #[test]
    fn behaves_like_a_plain_vector() {
        for seed in 0..60 {
            let orders = [Order::NewestFirst, Order::OldestFirst, Order::Shuffled(seed), Order::ByEnd];
            let mut random = Random::new(seed, 0);
            let mut list = List::new(plain(seed % 30), *random.pick(&orders));
            let mut model: Vec<Session> = list.sessions().collect();
            for number in 0..120 {
                step(&mut random, &mut list, &mut model, number);
            }
            assert!(list.sessions().eq(model.iter().cloned()));
            for (position, session) in model.iter().enumerate() {
                assert_eq!(list.find(&session.id), Some(position as u64));
            }
        }
    }

    #[test]
    fn orders_hold_every_session_once() {
        let account = Account::new(1, 200, Shape::Realistic);
        let newest: Vec<String> = account.sessions().map(|session| session.id).collect();
        let mut oldest = newest.clone();
        oldest.reverse();
        assert_eq!(ids(&List::from(account)), newest);
        assert_eq!(ids(&List::new(account, Order::OldestFirst)), oldest);
        for order in [Order::Shuffled(3), Order::ByEnd] {
            let mut found = ids(&List::new(account, order));
            assert_ne!(found, newest);
            found.sort();
            let mut all = newest.clone();
            all.sort();
            assert_eq!(found, all);
        }
        let ends: Vec<i64> = List::new(account, Order::ByEnd).sessions().map(|s| s.end.unwrap_or(i64::MAX)).collect();
        assert!(ends.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn a_late_session_goes_where_its_start_belongs() {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let mut list = List::new(plain(1000), order);
            let start = list.row(700).unwrap().session.start.unwrap() + 1000;
            let late = list.account().fresh(5, start);
            let position = list.insert_in_order(late.clone());
            assert_eq!(list.row(position).unwrap().session, late);
            let starts: Vec<i64> = list.sessions().filter_map(|session| session.start).collect();
            assert!(starts.is_sorted() || starts.is_sorted_by(|a, b| a >= b));
        }
    }

    #[test]
    fn fresh_sessions_keep_the_order() {
        let mut list = List::from(plain(10));
        for position in [0, 0, 5, 13, 13] {
            list.insert_fresh(position);
        }
        let starts: Vec<i64> = list.sessions().filter_map(|session| session.start).collect();
        assert!(starts.is_sorted_by(|a, b| a > b), "{starts:?}");
    }

    #[test]
    fn ending_a_session_ends_who_is_there() {
        let mut list = List::from(Account::new(1, 3, Shape::AllOpen));
        list.end_session(1, NOW + 5_000_000);
        let session = list.row(1).unwrap().session;
        assert_eq!(session.end, Some(NOW + 5_000_000));
        assert!(
            matches!(session.participants[1].timelogs[0], Timelog { end: Some(end), .. } if end == NOW + 5_000_000)
        );
        assert_eq!(list.row(2).unwrap().session.end, None);
    }

    #[test]
    fn a_meeting_is_found_wherever_its_sessions_are() {
        let mut list = List::from(plain(3000));
        let meeting = list.row(8).unwrap().session.meeting_id.unwrap();
        let mut extra = list.account().fresh(0, NOW);
        extra.meeting_id = Some(meeting.clone());
        list.insert(4, extra);
        let found = list.chosen(&Filter { meeting: Some(meeting.clone()), ..Filter::default() });
        let expected: Vec<u64> = list
            .sessions()
            .enumerate()
            .filter(|(_, session)| session.meeting_id.as_ref() == Some(&meeting))
            .map(|(position, _)| position as u64)
            .collect();
        assert_eq!(found, expected);
        assert!(found.contains(&4) && found.contains(&9));
    }

    fn sorts() -> impl Iterator<Item = Sort> {
        let keys = [Key::Start, Key::End, Key::Id, Key::IdTime];
        let ways = [(false, Running::First), (false, Running::Last), (true, Running::First), (true, Running::Last)];
        let grains = [Grain::Fine, Grain::Second];
        keys.into_iter().flat_map(move |key| {
            ways.into_iter().flat_map(move |(rising, running)| {
                grains.into_iter().map(move |grain| Sort { key, rising, grain, running })
            })
        })
    }

    #[test]
    fn a_list_is_sorted_and_stays_so_while_sessions_begin_and_end() {
        let account =
            Account::new(1, 90, Shape::Varied).named(Ids::Made(7200)).spaced(Spacing { gap_ms: 300, tied: 2 });
        for sort in sorts() {
            let order = Order::Sorted(sort);
            let mut list = List::new(account, order);
            list.churn(60);
            let rows: Vec<Session> = list.sessions().collect();
            assert!(rows.iter().filter(|row| account.index_of(&row.id).is_none()).count() > 10);
            for pair in rows.windows(2) {
                assert!(order.precedes(&pair[0], &pair[1]), "{sort:?}: {pair:?}");
            }
            if sort.key == Key::End {
                let running: Vec<bool> = rows.iter().map(|row| row.end.is_none()).collect();
                assert!(running.contains(&true));
                let first = sort.running == Running::First;
                assert!(running.is_sorted_by(|one, other| if first { one >= other } else { one <= other }));
            }
            let key = |session: &Session| match sort.key {
                Key::Start => session.start.map(|start| start.to_string()),
                Key::End => session.end.map(|end| end.to_string()),
                Key::Id => Some(session.id.clone()),
                Key::IdTime => Some(session.id[..8].to_owned()),
            };
            let keys: Vec<String> = rows.iter().filter_map(key).collect();
            if sort.grain == Grain::Second && matches!(sort.key, Key::Start | Key::End) {
                continue;
            }
            let ends = if sort.rising { [keys.first(), keys.last()] } else { [keys.last(), keys.first()] };
            assert_eq!(ends, [keys.iter().min(), keys.iter().max()], "{sort:?}");
        }
    }

    #[test]
    fn a_session_that_ends_moves_in_a_list_by_end_only() {
        for (order, moves) in [(Order::Sorted(Sort::by(Key::End)), true), (Order::NewestFirst, false)] {
            let mut list = List::new(Account::new(1, 40, Shape::Varied), order);
            let begun = list.begin();
            let before = list.find(&begun.id).unwrap();
            list.end_in_order(before);
            let row = list.row(list.find(&begun.id).unwrap()).unwrap();
            assert!(row.session.end > begun.start);
            let running = list.sessions().take_while(|session| session.end.is_none()).count() as u64;
            assert_eq!(list.find(&begun.id), Some(if moves { running } else { before }), "{order:?}");
            assert_eq!(list.len(), 41);
        }
    }

    #[test]
    fn only_equal_keys_change_places() {
        let account = Account::new(1, 60, Shape::Plain).spaced(Spacing { gap_ms: 60_000, tied: 3 });
        let mut list = List::from(account);
        let before = ids(&list);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..20 {
            list.shuffle_ties();
            let now = ids(&list);
            for (one, other) in before.chunks(3).zip(now.chunks(3)) {
                let sorted = |ids: &[String]| ids.iter().cloned().collect::<std::collections::BTreeSet<_>>();
                assert_eq!(sorted(one), sorted(other));
            }
            seen.insert(now);
        }
        assert!(seen.len() > 15);
    }

    #[test]
    fn ten_million_sessions_need_no_memory() {
        let mut list = List::from(plain(10_000_000));
        list.insert_fresh(0);
        list.delete(5_000_000);
        assert_eq!(list.pieces.len(), 3);
        assert_eq!(list.page(9_999_990, 100).len(), 10);
    }
}
