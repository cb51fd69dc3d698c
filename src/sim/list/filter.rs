//! Which sessions a request asks for.

use crate::sim::account::Account;
use crate::sim::session::Session;
use crate::sim::v2;

/// Which sessions a request asks for; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The id of a meeting, as in `meeting_id` of a session.
    pub meeting: Option<String>,
    /// Of the room with this id of the customer's own.
    pub custom_room: Option<String>,
    /// `ongoing` or `ended`, as v2 has it.
    pub status: Option<String>,
    /// Started then or later; microseconds.
    pub from: Option<i64>,
    /// Started then or earlier; microseconds.
    pub to: Option<i64>,
}

impl Filter {
    /// As [`Filter::lets`] for a session of the account, which is made only if its start and meeting fit.
    pub(super) fn lets_index(&self, account: &Account, index: u64) -> bool {
        self.lets_start(Some(account.start(index)))
            && self.meeting.as_ref().is_none_or(|meeting| account.meeting_id(index) == *meeting)
            && (self.custom_room.is_none() && self.status.is_none() || self.lets(&account.session(index)))
    }

    pub(super) fn lets(&self, session: &Session) -> bool {
        self.lets_start(session.start)
            && (self.meeting.is_none() || session.meeting_id == self.meeting)
            && (self.custom_room.is_none() || v2::custom_room_id(session) == self.custom_room)
            && self.status.as_ref().is_none_or(|status| status == v2::status(session))
    }

    fn lets_start(&self, start: Option<i64>) -> bool {
        self.from.is_none_or(|from| start.is_some_and(|start| start >= from))
            && self.to.is_none_or(|to| start.is_some_and(|start| start <= to))
    }
}
