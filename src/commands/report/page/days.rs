//! What is told by day, how long sessions are active, and when people are there.

use maud::{Markup, html};

use super::{Page, Table, figure, hours, length, number, svg};
use crate::commands::report::charts::{Columns, DAYS, HALF, THIRD, heat_map};
use crate::commands::report::numbers::Day;
use crate::commands::report::spread::Spread;
use crate::commands::report::zone::day;
use crate::error::Result;

/// Days that are drawn and listed, the latest ones.
const SHOWN: usize = 400;

impl Page<'_> {
    pub(super) fn days(&self) -> Result<Markup> {
        let days = self.shown_days();
        let labels = labels(&days);
        let chart =
            |title: &str, about: &str, values: &dyn Fn(&Day) -> f64, text: &dyn Fn(&Day) -> Markup| -> Result<Markup> {
                let heights: Vec<f64> = days.iter().map(|(_, of_day)| values(of_day)).collect();
                let chart = Columns { values: &heights, labels: &labels, is_second: false, width: HALF }.chart()?;
                let said = format!("{title} by day, {}", said(&days));
                let rows = self.numbers.daily.iter().rev().take(SHOWN);
                let rows = rows.map(|(at, of_day)| vec![day_name(*at), text(of_day)]).collect();
                let what = title.to_lowercase();
                let table = Table { columns: &["day", &what], words: 1, rows };
                Ok(figure(title, about, &svg(&chart, "chart", &said), &table))
            };
        let dated = self.numbers.daily.iter().filter(|(day, _)| day.is_some()).count();
        Ok(html! {
            section id="days" aria-labelledby="days-title" {
                h2 id="days-title" { "By day" }
                p { @if dated > SHOWN { "The latest " (SHOWN) " days with sessions. " }
                    @if let Some((None, undated)) = self.numbers.daily.first() { (super::number(undated.sessions)) " sessions have no start and are on no day. " }
                    "A session belongs to the day on which it started." }
                div.pair {
                    (chart("Sessions", "How many sessions started", &|day| count(day.sessions), &|day| number(day.sessions))?)
                    (chart("Persons", "How many different persons came", &|day| count(day.persons), &|day| number(day.persons))?)
                    (chart("Attended hours", "The time of all persons together", &|day| in_hours(day.attended_ms), &|day| html! { (hours(day.attended_ms)) })?)
                    (chart("Active hours", "The time with somebody there, of all sessions", &|day| in_hours(day.occupied_ms), &|day| html! { (hours(day.occupied_ms)) })?)
                }
            }
        })
    }

    /// The latest days, with those between them on which nothing was.
    fn shown_days(&self) -> Vec<(i32, Day)> {
        let dated = self.numbers.daily.iter().filter_map(|(at, of_day)| Some(((*at)?, *of_day)));
        let mut days: Vec<(i32, Day)> = dated.collect();
        days.drain(..days.len().saturating_sub(SHOWN));
        let Some((&(first, _), &(last, _))) = days.first().zip(days.last()) else { return days };
        if last - first >= i32::try_from(SHOWN).unwrap_or(i32::MAX) {
            return days; // far apart: side by side
        }
        let mut given = days.into_iter().peekable();
        (first..=last).map(|at| given.next_if(|(given, _)| *given == at).unwrap_or((at, Day::default()))).collect()
    }

    pub(super) fn punctuality(&self) -> Result<Markup> {
        let numbers = self.numbers;
        Ok(html! {
            section id="punctuality" aria-labelledby="punctuality-title" {
                h2 id="punctuality-title" { "How long, how late, how early" }
                p { "How long somebody was there in a session, how long after its start persons came, and how long before its end they left." }
                div.pair.three {
                    (spread("Active time of a session", "sessions", &numbers.active, false)?)
                    (spread("Late coming", "persons in sessions", &numbers.late, true)?)
                    (spread("Early leaving", "persons in sessions", &numbers.early, true)?)
                }
                @if numbers.empty > 0 { p.soft { "In " (number(numbers.empty)) " sessions nobody was there at any time." } }
            }
        })
    }

    pub(super) fn week(&self) -> Result<Markup> {
        let week = &self.numbers.week;
        let chart = heat_map(week)?;
        let present = |weekday: usize, hour: usize| html! { (format!("{:.1}", week.present(weekday, hour))) };
        let row = |hour: usize| {
            let name = html! { (format!("{hour:02}:00")) };
            [name].into_iter().chain((0..7).map(|weekday| present(weekday, hour))).collect()
        };
        let columns: Vec<&str> = ["hour"].into_iter().chain(DAYS).collect();
        let table = Table { columns: &columns, words: 1, rows: (0..24).map(row).collect() };
        let slots = (0..7).flat_map(|weekday| (0..24).map(move |hour| (weekday, hour)));
        let most = slots.max_by(|a, b| week.present(a.0, a.1).total_cmp(&week.present(b.0, b.1)));
        let about = most.filter(|(weekday, hour)| week.attended[*weekday][*hour] > 0).map_or_else(
            || "Nobody was there.".to_owned(),
            |(weekday, hour)| {
                let present = week.present(weekday, hour);
                format!("The fullest hour is {} from {hour:02}:00, with {present:.1} people on average.", DAYS[weekday])
            },
        );
        let said = format!("People present by hour and day of the week. {about}");
        Ok(html! {
            section id="week" aria-labelledby="week-title" {
                h2 id="week-title" { "When people are there" }
                p { "People present on average, over all sessions, on days with sessions; the stronger the colour, the more." }
                (figure("People present by hour and weekday", &about, &svg(&chart, "heat", &said), &table))
            }
        })
    }
}

/// A chart of how lengths of time are spread.
fn spread(title: &str, what: &str, spread: &Spread, is_second: bool) -> Result<Markup> {
    let heights: Vec<f64> = spread.counts.iter().map(|number| count(*number)).collect();
    let labels: Vec<(usize, String)> =
        (0..spread.bounds.len()).step_by(2).map(|place| (place, short(spread, place))).collect();
    let chart = Columns { values: &heights, labels: &labels, is_second, width: THIRD }.chart()?;
    let about = match (spread.minutes_at(0.5), spread.minutes_at(0.9)) {
        (Some(half), Some(most)) => {
            format!("Half under {}, nine in ten under {}", minutes(half + 1), minutes(most + 1))
        }
        _ => "There are none".to_owned(),
    };
    let rows = spread.counts.iter().enumerate();
    let rows = rows.map(|(place, counted)| vec![html! { (spread.label(place)) }, number(*counted)]).collect();
    let table = Table { columns: &["length", what], words: 1, rows };
    let said = format!("{title}: {what} by length. {about}.");
    Ok(figure(title, &format!("{about}; in minutes"), &svg(&chart, "chart", &said), &table))
}

/// A range of minutes as it stands below its column.
fn short(spread: &Spread, place: usize) -> String {
    match place.checked_sub(1) {
        None => format!("<{}", spread.bounds[0]),
        Some(before) => format!("{}", spread.bounds[before]),
    }
}

fn minutes(minutes: usize) -> String {
    length(i64::try_from(minutes).unwrap_or(i64::MAX).saturating_mul(60_000))
}

/// Which days are named below a chart: some five of them.
fn labels(days: &[(i32, Day)]) -> Vec<(usize, String)> {
    let step = days.len().div_ceil(5).max(1);
    let named = days.iter().enumerate().skip(step / 2).step_by(step);
    named.map(|(place, (at, _))| (place, day(*at).chars().skip(5).collect())).collect()
}

fn said(days: &[(i32, Day)]) -> String {
    match (days.first(), days.last()) {
        (Some((first, _)), Some((last, _))) => format!("from {} to {}", day(*first), day(*last)),
        _ => "no days".to_owned(),
    }
}

fn day_name(at: Option<i32>) -> Markup {
    html! { @match at { Some(at) => (day(at)), None => "without a start" } }
}

#[allow(clippy::cast_precision_loss, reason = "a height of a column")]
const fn count(number: u64) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss, reason = "a height of a column")]
fn in_hours(millis: i64) -> f64 {
    millis as f64 / 3.6e6
}
