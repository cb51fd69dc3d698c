//! Single sessions: who was there when, and those that run.

use maud::{Markup, html};

use super::{Page, Table, foreign, hours, id, length, name, number, stretched};
use crate::commands::report::charts::presence;
use crate::commands::report::numbers::{Row, Timeline};
use crate::commands::report::zone::{clock, time_of_day};
use crate::error::Result;

/// Stretches of time that are written out of a person.
const WRITTEN: usize = 12;

impl Page<'_> {
    pub(super) fn timelines(&self) -> Result<Markup> {
        let numbers = self.numbers;
        let drawn = numbers.timelines.iter().map(|timeline| self.timeline(timeline)).collect::<Result<Vec<_>>>()?;
        Ok(html! {
            section id="timelines" aria-labelledby="timelines-title" {
                h2 id="timelines-title" { "Who was there when" }
                p { "Each bar is a stretch of time, each upright mark a join; a second mark in a row is a rejoin. "
                    "A bar in the other colour goes on: the session ran when it was last seen." }
                @for missing in &numbers.missing { p { "Session " (id(Some(missing))) " is not among those that are counted here." } }
                @if drawn.is_empty() { p { "There is none." } }
                @for timeline in &drawn { (timeline) }
            }
        })
    }

    fn timeline(&self, timeline: &Timeline) -> Result<Markup> {
        let middle = timeline.span.start + timeline.span.length() / 2;
        let clocks = [timeline.span.start, middle, timeline.span.end].map(|at| time_of_day(self.zone, at));
        let draw = |row: &Row| -> Result<Markup> { Ok(stretched(&presence(row, timeline.span)?, &self.written(row))) };
        let drawn = timeline.rows.iter().map(draw).collect::<Result<Vec<_>>>()?;
        let about = self.about(timeline);
        Ok(html! {
            figure.card {
                figcaption { h3 { "Session " (id(Some(&timeline.id))) } p { "Meeting " (id(timeline.meeting.as_deref())) ". " (about) } }
                table.timeline aria-label="Who was there when" {
                    thead { tr {
                        th scope="col" { "person" }
                        th scope="col" { div.hours { @for clock in &clocks { span { (clock) } " " } } }
                        th.number scope="col" { "attended" }
                    } }
                    tbody { @for (row, drawn) in timeline.rows.iter().zip(&drawn) { tr {
                        th scope="row" { (name(row.name.as_deref())) }
                        td { (drawn) }
                        td.number { (length(row.attended_ms)) }
                    } } }
                }
                @if timeline.more > 0 { p.soft { (timeline.more) " more were there for less time." } }
                (self.table(timeline).folded("Who was there when"))
            }
        })
    }

    fn about(&self, timeline: &Timeline) -> String {
        let from = clock(self.zone, timeline.span.start);
        let to = if timeline.is_open {
            "still running when last seen".to_owned()
        } else {
            time_of_day(self.zone, timeline.span.end)
        };
        let persons = timeline.rows.len() + timeline.more;
        format!(
            "{from} to {to}, {persons} persons, {} at once, {} attended.",
            timeline.peak,
            hours(timeline.attended_ms)
        )
    }

    fn table(&self, timeline: &Timeline) -> Table<'static> {
        let row = |row: &Row| {
            let at =
                |time: Option<i64>, none: &str| time.map_or_else(|| none.to_owned(), |at| time_of_day(self.zone, at));
            vec![
                name(row.name.as_deref()),
                html! { (at(row.first_joined_at, "")) },
                html! { (at(row.last_left_at, if row.present_since.is_some() { "there" } else { "" })) },
                html! { (self.written(row)) },
                html! { (row.joins) },
                html! { (length(row.attended_ms)) },
            ]
        };
        let columns = &["person", "joined", "left", "there", "joins", "attended"];
        Table { columns, words: 4, rows: timeline.rows.iter().map(row).collect() }
    }

    /// When a person was there, in words.
    fn written(&self, row: &Row) -> String {
        let clock = |at| time_of_day(self.zone, at);
        let spans = row.spans.iter().take(WRITTEN).map(|span| format!("{} to {}", clock(span.start), clock(span.end)));
        let goes_on = row.present_since.map(|since| format!("since {}", clock(since)));
        let written = spans.chain(goes_on).collect::<Vec<_>>().join(", ");
        match row.spans.len().saturating_sub(WRITTEN) {
            0 => written,
            more => format!("{written}, and {more} times more"),
        }
    }

    pub(super) fn running(&self) -> Markup {
        let running = &self.numbers.running;
        let at = |time: Option<i64>| html! { (time.map(|at| clock(self.zone, at)).unwrap_or_default()) };
        let rows = running.iter().map(|session| {
            let present = number(session.present);
            vec![
                id(Some(&session.id)),
                id(session.meeting.as_deref()),
                at(session.started_at),
                at(session.observed_at),
                present,
            ]
        });
        let columns = &["session", "meeting", "started", "last seen", "there"];
        let table = Table { columns, words: 4, rows: rows.collect() };
        html! {
            section id="running" aria-labelledby="running-title" {
                h2 id="running-title" { "Sessions that run now" }
                @if running.is_empty() { p { "None had no end when the sessions were last read." } } @else {
                    p { (number(self.numbers.open)) " had no end when they were last seen"
                        @if (running.len() as u64) < self.numbers.open { "; the latest " (running.len()) " are listed" } "." }
                    div.card { (table.scrolled("Sessions that run now")) }
                }
            }
        }
    }

    pub(super) fn anomalies(&self) -> Markup {
        let rows = self.numbers.anomalies.iter().map(|(table, anomaly, rows)| {
            vec![html! { code { (foreign(anomaly)) } }, html! { (meaning(anomaly)) }, html! { (table) }, number(*rows)]
        });
        let table = Table { columns: &["anomaly", "meaning", "table", "rows"], words: 3, rows: rows.collect() };
        html! {
            section id="anomalies" aria-labelledby="anomalies-title" {
                h2 id="anomalies-title" { "Anomalies" }
                @if table.rows.is_empty() { p { "Nothing odd was found in these sessions." } } @else {
                    p { "What was odd in the records, and how it was counted. A participant has its timelogs' anomalies, too, and a session all of them." }
                    div.card { (table.scrolled("Anomalies")) }
                }
            }
        }
    }
}

fn meaning(anomaly: &str) -> &'static str {
    use crate::rows::anomaly::Anomaly;
    Anomaly::ALL.iter().find(|known| known.name() == anomaly).map_or("", |known| known.doc())
}
