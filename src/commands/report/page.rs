//! The page: what stands where, in which words. Whatever others wrote gets into it by [`foreign`], and the template language
//! escapes every text; only charts, which hold nothing of others, are put in as they are.

mod days;
mod export;
mod frame;
mod people;
mod sessions;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::Chart;
use super::numbers::Numbers;
use super::zone::Zone;
use crate::commands::status::Status;
use crate::error::Result;

/// What is on the page besides the numbers.
pub struct Page<'a> {
    /// The numbers.
    pub numbers: &'a Numbers,
    /// The state of the export.
    pub status: &'a Status,
    /// Where the dataset is.
    pub dataset: &'a str,
    /// By which the days and hours are.
    pub zone: &'a Zone,
    /// Which sessions were chosen, in words; empty where all are counted.
    pub chosen: &'a [String],
    /// When the page was made, in microseconds.
    pub made_at: i64,
}

impl Page<'_> {
    /// The whole document.
    ///
    /// # Errors
    /// `Unexpected` where a chart can't be drawn.
    pub fn html(&self) -> Result<String> {
        let body = html! {
            a.skip href="#main" { "To the numbers" }
            (self.header())
            (frame::navigation())
            main id="main" tabindex="-1" {
                (self.days()?)
                (self.punctuality()?)
                (self.week()?)
                (self.meetings()?)
                (self.people()?)
                (self.timelines()?)
                (self.running())
                (self.anomalies())
                (self.export())
            }
            (self.footer())
        };
        Ok(html! { (DOCTYPE) html lang="en" { (frame::head()) body { (body) } } }.into_string())
    }
}

/// A text that others wrote: it can neither be markup, nor turn what stands around it.
fn foreign(text: &str) -> Markup {
    let clean: String = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    html! { bdi { (clean) } }
}

/// An id: text of others that is no word.
fn id(text: Option<&str>) -> Markup {
    text.map_or_else(|| html! { span.soft { "none" } }, |text| html! { code { (foreign(text)) } })
}

fn name(text: Option<&str>) -> Markup {
    text.map_or_else(|| html! { span.soft { "no name" } }, foreign)
}

/// A drawing with what it shows in words.
fn svg(chart: &Chart, class: &str, label: &str) -> Markup {
    let Chart { size: (width, height), elements } = chart;
    let view = format!("0 0 {width} {height}");
    html! {
        svg.(class) role="img" aria-label=(label) viewBox=(view) width=(width / 3) height=(height / 3) {
            (PreEscaped(elements))
        }
    }
}

/// A drawing that is stretched over its cell.
fn stretched(chart: &Chart, label: &str) -> Markup {
    let Chart { size: (width, height), elements } = chart;
    let view = format!("0 0 {width} {height}");
    html! {
        svg role="img" aria-label=(label) viewBox=(view) width="300" height="14" preserveAspectRatio="none" {
            (PreEscaped(elements))
        }
    }
}

/// A chart with its title, what it shows, and its table.
fn figure(title: &str, about: &str, drawing: &Markup, table: &Table<'_>) -> Markup {
    html! {
        figure.card {
            figcaption { h3 { (title) } p { (about) } }
            (drawing)
            (table.folded(title))
        }
    }
}

/// A table: its columns and its rows. The first column names the row.
struct Table<'a> {
    columns: &'a [&'a str],
    /// How many columns from the left hold words; numbers are to the right of them.
    words: usize,
    rows: Vec<Vec<Markup>>,
}

impl Table<'_> {
    fn markup(&self, caption: &str) -> Markup {
        let class = |place: usize| (place >= self.words).then_some("number");
        html! {
            table aria-label=(caption) {
                thead { tr { @for (place, column) in self.columns.iter().enumerate() { th scope="col" class=[class(place)] { (column) } } } }
                tbody { @for row in &self.rows { tr { @for (place, cell) in row.iter().enumerate() {
                    @if place == 0 { th scope="row" { (cell) } } @else { td class=[class(place)] { (cell) } }
                } } } }
            }
        }
    }

    /// Behind a line that opens it.
    fn folded(&self, caption: &str) -> Markup {
        html! { details { summary { "The numbers of this chart" } (self.scrolled(caption)) } }
    }

    fn scrolled(&self, caption: &str) -> Markup {
        html! { div.scroll tabindex="0" role="region" aria-label={ (caption) ", table" } { (self.markup(caption)) } }
    }
}

/// A whole number.
fn number(number: u64) -> Markup {
    html! { (crate::terminal::summary::grouped(number)) }
}

/// Milliseconds as hours: `1,234.5 h`.
#[allow(clippy::cast_precision_loss, reason = "it is rounded")]
fn hours(millis: i64) -> String {
    let tenths = (millis as f64 / 360_000.0).round();
    let whole = crate::terminal::summary::grouped(whole(tenths / 10.0));
    if tenths.abs() >= 1_000.0 { format!("{whole} h") } else { format!("{:.1} h", tenths / 10.0) }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "hours are fewer, and not below 0")]
fn whole(number: f64) -> u64 {
    number.round().max(0.0) as u64
}

/// Milliseconds as a length: `1 h 05 min`, `12 min`, `40 s`.
fn length(millis: i64) -> String {
    let seconds = millis / 1_000;
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{} h {minutes:02} min", crate::terminal::summary::grouped(hours.unsigned_abs())),
    }
}
