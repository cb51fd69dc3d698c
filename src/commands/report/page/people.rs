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
        Ok(html! {
            section id="meetings" aria-labelledby="meetings-title" {
                h2 id="meetings-title" { "The busiest meetings" }
                p { "By attended time. Of " (number(self.numbers.all.meetings)) " meetings." }
                @if rows.is_empty() { p { "There are none." } } @else {
                    div.card { table.rank aria-label="The busiest meetings" {
                        thead { tr {
                            th scope="col" { "meeting" } th.bar scope="col" { "attended" }
                            th.number scope="col" { "attended" } th.number scope="col" { "sessions" } th.number scope="col" { "persons" }
                            th.number.optional scope="col" { "peak" } th.number.optional scope="col" { "last" }
                        } }
                        tbody { @for row in &rows { (row) } }
                    } }
                }
            }
        })
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
        Ok(html! {
            section id="people" aria-labelledby="people-title" {
                h2 id="people-title" { "The people who attend most" }
                p { "By attended time. Of " (number(self.numbers.all.persons)) " persons. The share is that of a session's length, on average." }
                @if rows.is_empty() { p { "There are none." } } @else {
                    div.card { table.rank aria-label="The people who attend most" {
                        thead { tr {
                            th scope="col" { "person" } th.bar scope="col" { "attended" }
                            th.number scope="col" { "attended" } th.number scope="col" { "sessions" } th.number scope="col" { "share" }
                            th.number.optional scope="col" { "last seen" }
                        } }
                        tbody { @for row in &rows { (row) } }
                    } }
                }
            }
        })
    }

    fn date(&self, at: Option<i64>) -> String {
        at.map(|at| clock(self.zone, at).chars().take(10).collect()).unwrap_or_default()
    }
}
