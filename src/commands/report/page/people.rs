//! The busiest meetings, and the people who attend most.

use maud::{Markup, html};

use super::{Page, foreign, hours, id, number, stretched};
use crate::commands::report::charts::bar;
use crate::commands::report::numbers::{Meeting, Person};
use crate::commands::report::zone::clock;
use crate::error::Result;

/// Rows that are listed.
const SHOWN: usize = 15;

impl Page<'_> {
    pub(super) fn meetings(&self) -> Result<Markup> {
        let meetings = &self.numbers.meetings;
        let most = meetings.first().map_or(0, |meeting| meeting.attended_ms);
        let row = |meeting: &Meeting| -> Result<Markup> {
            let drawn = stretched(&bar(meeting.attended_ms, most)?, &hours(meeting.attended_ms));
            Ok(html! {
                tr {
                    th scope="row" { (id(Some(&meeting.id))) }
                    td.bar { (drawn) }
                    td.number { (hours(meeting.attended_ms)) }
                    td.number { (number(meeting.sessions)) }
                    td.number { (number(meeting.persons)) }
                    td.number.optional { (meeting.peak) }
                    td.number.optional { (self.date(meeting.last_started_at)) }
                }
            })
        };
        let rows = meetings.iter().take(SHOWN).map(row).collect::<Result<Vec<_>>>()?;
        let heads = [
            ("", "meeting"),
            ("bar", "attended"),
            ("number", "attended"),
            ("number", "sessions"),
            ("number", "persons"),
            ("number optional", "peak"),
            ("number optional", "last"),
        ];
        let about = html! { "By attended time. Of " (number(self.numbers.all.meetings)) " meetings." };
        Ok(ranking("meetings", "The busiest meetings", &about, &heads, &rows))
    }

    pub(super) fn people(&self) -> Result<Markup> {
        let people = &self.numbers.people;
        let most = people.first().map_or(0, |person| person.attended_ms);
        let row = |person: &Person| -> Result<Markup> {
            let drawn = stretched(&bar(person.attended_ms, most)?, &hours(person.attended_ms));
            let share = person.mean_share.map(|share| format!("{:.0} %", share * 100.0)).unwrap_or_default();
            Ok(html! {
                tr {
                    th scope="row" { @match &person.name { Some(name) => (foreign(name)), None => (id(Some(&person.person))) } }
                    td.bar { (drawn) }
                    td.number { (hours(person.attended_ms)) }
                    td.number { (number(person.sessions)) }
                    td.number { (share) }
                    td.number.optional { (self.date(person.last_seen_at)) }
                }
            })
        };
        let rows = people.iter().take(SHOWN).map(row).collect::<Result<Vec<_>>>()?;
        let heads = [
            ("", "person"),
            ("bar", "attended"),
            ("number", "attended"),
            ("number", "sessions"),
            ("number", "share"),
            ("number optional", "last seen"),
        ];
        let about = html! {
            "By attended time. Of " (number(self.numbers.all.persons)) " persons. The share is that of a session's length, on average."
        };
        Ok(ranking("people", "The people who attend most", &about, &heads, &rows))
    }

    fn date(&self, at: Option<i64>) -> String {
        at.map(|at| clock(self.zone, at).chars().take(10).collect()).unwrap_or_default()
    }
}

/// A section with a table of rows that are drawn; `heads`: the class and the name of each column.
fn ranking(id: &str, title: &str, about: &Markup, heads: &[(&'static str, &str)], rows: &[Markup]) -> Markup {
    let class = |class: &'static str| Some(class).filter(|class| !class.is_empty());
    html! {
        section id=(id) aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (title) }
            p { (about) }
            @if rows.is_empty() { p { "There are none." } } @else {
                div.card { table.rank aria-label=(title) {
                    thead { tr { @for (kind, name) in heads { th class=[class(kind)] scope="col" { (name) } } } }
                    tbody { @for row in rows { (row) } }
                } }
            }
        }
    }
}
