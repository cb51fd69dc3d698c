//! What became of the sessions that were asked for one by one: into the state, the receipt and the log.

use super::Scene;
use super::asking::{Asked, Control, Fate};
use super::lookup::Unseen;
use crate::dataset::gone::Gone;
use crate::dataset::receipt::walked::{Owes, Vanished};
use crate::dataset::state::{Covered, Failure, Owed};
use crate::terminal::summary::counted;
use crate::words::timestamp;

/// Sessions that a run names one by one in its log; the receipt names all.
const NAMED: usize = 10;

impl Scene {
    /// Takes the answers into account; returns what the receipt says. `run_began_at`: RFC 3339.
    pub(super) fn settle(&mut self, asked: Asked, unseen: &Unseen, run_began_at: &str) -> Vanished {
        let Asked { count, fates, control } = asked;
        let mut vanished = Vanished {
            asked: count,
            unasked: unseen.unasked(),
            waiting: unseen.waiting(),
            suspicious: unseen.is_suspicious(),
            control: control.name().map(str::to_owned),
            unreachable: unseen.unreachable().iter().cloned().collect(),
            ..Vanished::default()
        };
        let mut books = Books {
            now: timestamp::text(self.now),
            is_its_own: control == Control::Answered,
            is_night: self.chosen.moves_fence,
            owed: self.before.owed_mut(),
            named: 0,
        };
        books.owed.keep(unseen.still_owed());
        for (id, fate) in fates {
            books.enter(id, fate, unseen, &mut vanished);
        }
        books.close(&mut vanished, control);
        let full_at = self.before.covered().and_then(Covered::full_at);
        let noticed = |id: &String| Gone {
            session_id: id.clone(),
            noticed_at: Some(run_began_at.to_owned()),
            last_listed_at: full_at.filter(|_| unseen.was_listed(id)).map(timestamp::text),
        };
        self.noticed = vanished.gone.iter().map(noticed).collect();
        self.before.lose(&vanished.gone, &unseen.back());
        self.before.ask_on_behind(unseen.asked_to());
        vanished
    }
}

/// What the answers by id change: the debts of the dataset, and what the receipt says of them.
struct Books<'a> {
    now: String,
    /// Whether a failure is to be held against the session itself.
    is_its_own: bool,
    is_night: bool,
    owed: &'a mut Owed,
    named: usize,
}

impl Books<'_> {
    /// Enters what became of one session.
    fn enter(&mut self, id: String, fate: Fate, unseen: &Unseen, vanished: &mut Vanished) {
        let was_missed = unseen.is_missing(&id);
        let (status, why) = match fate {
            Fate::There { has_row } => {
                // One that gets no row is not missed.
                vanished.missed += u64::from(was_missed && has_row);
                self.owed.settle(&id);
                return;
            }
            Fate::Gone(said) => {
                tracing::info!("the API no longer knows the session {id}: {said}");
                self.owed.settle(&id);
                vanished.gone.push(id);
                return;
            }
            Fate::Unanswered(status, why) => (status, why),
        };
        let (is_its_own, is_night) = (self.is_its_own, self.is_night);
        let debt = self.owed.fail(&id, Failure { status, is_its_own, is_night, was_missed }, &self.now);
        self.named += 1;
        if self.named <= NAMED {
            tracing::warn!("the session {id} was asked for and not answered: {why}");
        }
        if is_its_own && debt.is_unreachable() {
            vanished.unreachable.push(id);
        } else {
            vanished.failed += 1;
            vanished.owed.push(Owes { session_id: id, status: debt.status, since: debt.since.clone() });
        }
    }

    fn close(self, vanished: &mut Vanished, control: Control) {
        vanished.gone.sort();
        vanished.unreachable.sort();
        if let Some(more) = self.named.checked_sub(NAMED).filter(|more| *more > 0) {
            tracing::warn!("not answered by id, and named in the receipt: {}", counted(more as u64, "further session"));
        }
        if vanished.failed > 0 && control == Control::Unanswered {
            tracing::warn!("sessions that are listed are not answered by id either, so none is known to be gone");
        }
        if vanished.failed > 0 && control == Control::Missing {
            tracing::warn!("no session is listed that could be asked for by id, so none is known to be gone");
        }
        if !vanished.unreachable.is_empty() {
            let ids = vanished.unreachable.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            tracing::warn!(
                "unreachable by id, and asked for by full walks only: {}: {ids}",
                counted(vanished.unreachable.len() as u64, "session")
            );
        }
        if vanished.waiting > 0 {
            tracing::warn!("left for the next run to ask for by id: {}", counted(vanished.waiting, "running session"));
        }
    }
}
