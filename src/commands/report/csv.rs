//! The numbers as CSV files (RFC 4180, UTF-8) that a spreadsheet opens.
//!
//! A cell that a spreadsheet would take for a formula gets a `'` before it. Columns have the names that the views have.

use std::fmt::Display;

use super::numbers::{Day, Meeting, Numbers, Person, Row, Running, Timeline};
use super::spread::Spread;
use super::zone::{Zone, day};
use crate::commands::status::Status;
use crate::words::timestamp;

/// Tells a spreadsheet that the file is UTF-8.
const MARK: &str = "\u{feff}";

/// A file: its name and its text.
pub type File = (&'static str, String);

/// All files of a report.
pub fn files(numbers: &Numbers, status: &Status, zone: &Zone) -> Vec<File> {
    vec![
        ("daily.csv", daily(numbers)),
        ("hours.csv", hours(numbers, zone)),
        ("active_time.csv", spread(&numbers.active)),
        ("late.csv", spread(&numbers.late)),
        ("early.csv", spread(&numbers.early)),
        ("meetings.csv", meetings(&numbers.meetings)),
        ("people.csv", people(&numbers.people)),
        ("timelines.csv", timelines(&numbers.timelines)),
        ("open_sessions.csv", running(&numbers.running)),
        ("anomaly_counts.csv", anomalies(numbers)),
        ("export.csv", export(status)),
    ]
}

/// Lines under a heading.
struct Lines(String);

impl Lines {
    fn under(heading: &str) -> Self {
        Self(format!("{MARK}{heading}\r\n"))
    }

    fn add<const N: usize>(&mut self, cells: [Cell; N]) {
        self.0.push_str(&cells.map(|Cell(text)| text).join(","));
        self.0.push_str("\r\n");
    }
}

/// A cell as it is written.
struct Cell(String);

/// Others may have written it.
fn text(text: &str) -> Cell {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let quoted = text.replace('"', "\"\"");
    Cell(format!("\"{}{quoted}\"", if is_formula { "'" } else { "" }))
}

fn optional(of: Option<&str>) -> Cell {
    of.map_or_else(|| Cell(String::new()), text)
}

fn number(number: impl Display + Copy) -> Cell {
    Cell(number.to_string())
}

fn time(at: Option<i64>) -> Cell {
    Cell(at.map(timestamp::text).unwrap_or_default())
}

fn daily(numbers: &Numbers) -> String {
    let mut lines = Lines::under("day,sessions,meetings,persons,duration_ms,occupied_ms,attended_ms,peak");
    for (at, of_day) in &numbers.daily {
        let Day { sessions, meetings, persons, duration_ms, occupied_ms, attended_ms, peak } = *of_day;
        lines.add([
            Cell(at.map(day).unwrap_or_default()),
            number(sessions),
            number(meetings),
            number(persons),
            number(duration_ms),
            number(occupied_ms),
            number(attended_ms),
            number(peak),
        ]);
    }
    lines.0
}

fn hours(numbers: &Numbers, zone: &Zone) -> String {
    let mut lines = Lines::under("zone,weekday,hour,attended_ms,days,present");
    for (weekday, hours) in numbers.week.attended.iter().enumerate() {
        for (hour, attended) in hours.iter().enumerate() {
            let present = format!("{:.4}", numbers.week.present(weekday, hour));
            let (weekday_number, days) = (weekday + 1, numbers.week.days[weekday]);
            lines.add([
                text(zone.name()),
                number(weekday_number),
                number(hour),
                number(attended.div_euclid(1_000)),
                number(days),
                Cell(present),
            ]);
        }
    }
    lines.0
}

fn spread(spread: &Spread) -> String {
    let mut lines = Lines::under("from_min,below_min,count");
    for (place, count) in spread.counts.iter().enumerate() {
        let from = place.checked_sub(1).map_or(0, |before| spread.bounds[before]);
        let below = spread.bounds.get(place).map(ToString::to_string).unwrap_or_default();
        lines.add([number(from), Cell(below), number(count)]);
    }
    lines.0
}

fn meetings(meetings: &[Meeting]) -> String {
    let heading =
        "meeting_id,sessions,first_started_at,last_started_at,duration_ms,occupied_ms,attended_ms,persons,peak";
    let mut lines = Lines::under(heading);
    for meeting in meetings {
        lines.add([
            text(&meeting.id),
            number(meeting.sessions),
            time(meeting.first_started_at),
            time(meeting.last_started_at),
            number(meeting.duration_ms),
            number(meeting.occupied_ms),
            number(meeting.attended_ms),
            number(meeting.persons),
            number(meeting.peak),
        ]);
    }
    lines.0
}

fn people(people: &[Person]) -> String {
    let mut lines = Lines::under("person,name,sessions,attended_ms,first_seen_at,last_seen_at,mean_share");
    for person in people {
        let share = person.mean_share.map(|share| format!("{share:.6}")).unwrap_or_default();
        lines.add([
            text(&person.person),
            optional(person.name.as_deref()),
            number(person.sessions),
            number(person.attended_ms),
            time(person.first_seen_at),
            time(person.last_seen_at),
            Cell(share),
        ]);
    }
    lines.0
}

fn timelines(timelines: &[Timeline]) -> String {
    let heading = "session_id,meeting_id,name,joins,first_joined_at,last_left_at,attended_ms,is_present";
    let mut lines = Lines::under(heading);
    for timeline in timelines {
        for row in &timeline.rows {
            let Row { name, joins, first_joined_at, last_left_at, attended_ms, present_since, .. } = row;
            lines.add([
                text(&timeline.id),
                optional(timeline.meeting.as_deref()),
                optional(name.as_deref()),
                number(joins),
                time(*first_joined_at),
                time(*last_left_at),
                number(attended_ms),
                number(present_since.is_some()),
            ]);
        }
    }
    lines.0
}

fn running(running: &[Running]) -> String {
    let mut lines = Lines::under("session_id,meeting_id,started_at,observed_at,present");
    for Running { id, meeting, started_at, observed_at, present } in running {
        lines.add([text(id), optional(meeting.as_deref()), time(*started_at), time(*observed_at), number(present)]);
    }
    lines.0
}

fn anomalies(numbers: &Numbers) -> String {
    let mut lines = Lines::under("table_name,anomaly,rows");
    for (table, anomaly, rows) in &numbers.anomalies {
        lines.add([text(table), text(anomaly), number(rows)]);
    }
    lines.0
}

fn export(status: &Status) -> String {
    let mut lines = Lines::under("subject,value");
    for (subject, line) in status.lines() {
        lines.add([text(subject), text(&line)]);
    }
    for notice in &status.notices {
        lines.add([text("notice"), text(&format!("{}: {}; {}", notice.path, notice.what, notice.next))]);
    }
    lines.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_texts_and_quotes_are_doubled() {
        for (given, written) in [
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@A1", "\"'@A1\""),
            ("\t=1", "\"'\t=1\""),
            ("\nx", "\"'\nx\""),
            ("Ann \"A\", B", "\"Ann \"\"A\"\", B\""),
            ("a=1", "\"a=1\""),
            ("", "\"\""),
        ] {
            assert_eq!(text(given).0, written);
        }
    }
}
