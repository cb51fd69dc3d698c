//! Changes of the list, as data, so that a script can name them.

use super::list::{List, Row};
use super::session::Session;

/// Which row is meant: by its position at that moment, or by its session's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The row at this position, from 0, the head of the list.
    Position(u64),
    /// The row of the session with this id.
    Id(String),
}

impl From<u64> for Target {
    fn from(position: u64) -> Self {
        Self::Position(position)
    }
}

impl From<&str> for Target {
    fn from(id: &str) -> Self {
        Self::Id(id.to_owned())
    }
}

/// One change of the list. A change of a row that isn't there does nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A session comes in at the head.
    InsertHead(Session),
    /// A session comes in at a position, from 0.
    Insert(u64, Session),
    /// A back-dated session comes in where the list's order wants it.
    InsertByStart(Session),
    /// A session that never was in the account comes in at a position; another one each time the rule fires.
    InsertFresh(u64),
    /// A row goes, and all behind it move up by one.
    Delete(Target),
    /// A running session ends in place, at this time in microseconds.
    End(Target, i64),
    /// A session begins now, and is listed where the order wants it; another one each time.
    Begin,
    /// A running session ends now, and is listed where the order wants it.
    EndInOrder(Target),
    /// So many times a session begins, or ends, or vanishes.
    Churn(u64),
    /// Sessions of one key change places; in another way each time.
    ShuffleTies,
    /// A session is changed in place.
    Replace(Target, Session),
    /// A session is listed as this JSON text from now on, in place: for records that no session can express.
    Raw(Target, String),
}

impl Change {
    /// A row goes: `Change::delete(3)`, `Change::delete("6afd590d973e2975b9ec5f86")`.
    pub fn delete(target: impl Into<Target>) -> Self {
        Self::Delete(target.into())
    }

    /// A running session ends in place, at this time in microseconds.
    pub fn end(target: impl Into<Target>, at: i64) -> Self {
        Self::End(target.into(), at)
    }

    /// A session is changed in place; its row stays where it is, whatever its keys.
    pub fn replace(target: impl Into<Target>, session: Session) -> Self {
        Self::Replace(target.into(), session)
    }

    /// A session is listed as this JSON text from now on: `Change::raw(0, "{\"id\": null}")`.
    pub fn raw(target: impl Into<Target>, json: impl Into<String>) -> Self {
        Self::Raw(target.into(), json.into())
    }
}

impl From<Change> for Vec<Change> {
    fn from(change: Change) -> Self {
        vec![change]
    }
}

impl List {
    /// Makes the changes, one after the other.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.change(change);
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::InsertHead(session) => self.insert(0, session.clone()),
            Change::Insert(position, session) => self.insert(*position, session.clone()),
            Change::InsertByStart(session) => {
                self.insert_in_order(session.clone());
            }
            Change::InsertFresh(position) => {
                self.insert_fresh(*position);
            }
            Change::Delete(target) => self.at(target, |list, position| {
                list.delete(position);
            }),
            Change::End(target, at) => self.at(target, |list, position| list.end_session(position, *at)),
            Change::Begin => {
                self.begin();
            }
            Change::EndInOrder(target) => self.at(target, Self::end_in_order),
            Change::Churn(times) => self.churn(*times),
            Change::ShuffleTies => self.shuffle_ties(),
            Change::Replace(target, session) => self.at(target, |list, position| {
                list.replace(position, session.clone());
            }),
            Change::Raw(target, json) => self.at(target, |list, position| {
                if let Some(Row { session, .. }) = list.row(position) {
                    list.replace(position, Row { session, raw: Some(json.clone()) });
                }
            }),
        }
    }

    fn at(&mut self, target: &Target, change: impl FnOnce(&mut Self, u64)) {
        let position = match target {
            Target::Position(position) => Some(*position),
            Target::Id(id) => self.find(id),
        };
        if let Some(position) = position {
            change(self, position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::account::{Account, NOW, Shape};

    #[test]
    fn every_change_does_what_it_says() {
        let account = Account::new(1, 5, Shape::AllOpen);
        let mut list = List::from(account);
        let ids = |list: &List| list.sessions().map(|session| session.id).collect::<Vec<_>>();
        let old: Vec<String> = ids(&list);
        let new = account.fresh(9, NOW);
        list.apply(&[Change::InsertHead(new.clone())]);
        assert_eq!(ids(&list)[0], new.id);
        list.apply(&[Change::delete(0)]);
        assert_eq!(ids(&list), old);
        list.apply(&[Change::delete(&*old[2])]);
        list.apply(&[Change::delete("nobody")]);
        assert_eq!(ids(&list), [&old[..2], &old[3..]].concat());
        list.apply(&[Change::Insert(2, new.clone())]);
        list.apply(&[Change::InsertFresh(0)]);
        assert_eq!((list.len(), &ids(&list)[3]), (6, &new.id));
        list.apply(&[Change::replace(3, account.session(2))]);
        list.apply(&[Change::end(&*old[2], NOW)]);
        assert_eq!(list.row(3).unwrap().session.end, Some(NOW));
        list.apply(&[Change::raw(&*old[2], "{}")]);
        assert_eq!(list.row(3).unwrap().raw.as_deref(), Some("{}"));
        list.apply(&[Change::InsertByStart(account.fresh(1, account.start(4) - 1000))]);
        assert_eq!(list.row(6).unwrap().session.start, Some(account.start(4) - 1000));
    }
}
