//! The state of the export: how its last run ended, what it could show, what is missing.

use maud::{Markup, html};

use super::{Page, foreign};

impl Page<'_> {
    /// In one sentence, at the top.
    pub(super) fn verdict(&self) -> Markup {
        let status = self.status;
        let is_proven = status.last_is_proof();
        let is_good = is_proven && status.notices.is_empty();
        let run = status.last_run();
        let what = match (&status.last, is_good) {
            (None, _) => "No run has left a record, so nobody can say whether sessions are missing.",
            (Some(_), true) => "The last run has shown that no session was missed.",
            (Some(_), false) if is_proven => {
                "The last run has shown that no session was missed, but not all is as it should be."
            }
            (Some(last), false) if last.exit_code == 0 => {
                "The last run was none that can show that no session was missed; the state of the export tells of the last that could."
            }
            (Some(_), false) => "The last run could not show that no session was missed, so some may be missing here.",
        };
        html! {
            div.note.bad[!is_good] { p { (what) " " span.soft { (foreign(&run)) ". " } a href="#export" { "The export" } } }
        }
    }

    pub(super) fn export(&self) -> Markup {
        html! {
            section id="export" aria-labelledby="export-title" {
                h2 id="export-title" { "The state of the export" }
                p { "Of the whole dataset, whichever sessions were chosen above." }
                div.card {
                    dl.facts { @for (subject, line) in self.status.lines().into_iter().filter(|(subject, _)| !subject.is_empty()) {
                        dt { (subject) } dd { (foreign(&line)) }
                    } }
                }
                @for notice in &self.status.notices {
                    div.note.bad { p { code { (foreign(&notice.path)) } ": " (foreign(&notice.what)) ". Next: " (foreign(&notice.next)) "." } }
                }
            }
        }
    }
}
