//! Charts, drawn to SVG while the page is made.
//!
//! The library writes colours of its own; here each stands for a class of the page's style, and keeps a colour that can be seen
//! on any ground where no style is in force. Nothing that others wrote is ever drawn: charts hold numbers, days and hours.

use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::Rectangle;
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TRANSPARENT, TextStyle};

use super::numbers::{Row, Week};
use crate::error::{Error, Kind, Result};
use crate::rows::attendance::Span;

/// A colour as the library writes it, its class on the page, and the colour where no style is in force.
type Ink = (RGBColor, &'static str, &'static str);

const TEXT: Ink = (RGBColor(1, 0, 0), "k-text", "currentColor");
const GRID: Ink = (RGBColor(2, 0, 0), "k-grid", "#8884");
const FIRST: Ink = (RGBColor(3, 0, 0), "k-first", "#3b82a0");
const SECOND: Ink = (RGBColor(4, 0, 0), "k-second", "#c2843a");
const MARK: Ink = (RGBColor(5, 0, 0), "k-mark", "currentColor");
const INKS: [Ink; 5] = [TEXT, GRID, FIRST, SECOND, MARK];

/// The names of the days of the week, from Monday on.
pub const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Units of a chart of columns; the page shows it at about a third of that.
const HEIGHT: u32 = 460;
const HEAT: (u32, u32) = (1180, 500);
const FONT: u32 = 44;

/// Units of a chart that has half of the page's width.
pub const HALF: u32 = 1200;
/// Units of a chart that has a third of it.
pub const THIRD: u32 = 900;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// What stands between `<svg>` and `</svg>`, and how large it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Width and height in units of its own.
    pub size: (u32, u32),
    /// Elements of SVG, without a text of anybody.
    pub elements: String,
}

fn draw(size: (u32, u32), each: impl FnOnce(&Area<'_>) -> Drawn) -> Result<Chart> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
    let drawn = each(&area).and_then(|()| area.present());
    drop(area);
    drawn.map_err(|error| Error::new(Kind::Unexpected, "a chart can't be drawn").because(error))?;
    let inner = text.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</svg>"));
    let mut elements = inner.map(|(inner, _)| inner.trim().to_owned()).unwrap_or_default();
    for (RGBColor(red, green, blue), class, color) in INKS {
        for side in ["fill", "stroke"] {
            let written = format!("{side}=\"#{red:02X}{green:02X}{blue:02X}\"");
            elements = elements.replace(&written, &format!("class=\"{class}\" {side}=\"{color}\""));
        }
    }
    for usual in [" opacity=\"1\"", " stroke=\"none\""] {
        elements = elements.replace(usual, "");
    }
    Ok(Chart { size, elements })
}

fn label(h: HPos, v: VPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", FONT).into_font()).color(&TEXT.0).pos(Pos::new(h, v))
}

fn filled((color, _, _): Ink) -> ShapeStyle {
    color.filled()
}

/// Columns side by side: their heights, and the labels below some of them by their places.
pub struct Columns<'a> {
    /// Heights, 0 or more.
    pub values: &'a [f64],
    /// Texts below the columns at these places.
    pub labels: &'a [(usize, String)],
    /// Whether it is drawn in the second colour.
    pub is_second: bool,
    /// Units from left to right: [`HALF`] or [`THIRD`].
    pub width: u32,
}

impl Columns<'_> {
    /// Draws them over a scale from 0 on.
    pub fn chart(&self) -> Result<Chart> {
        let highest = self.values.iter().copied().fold(0.0, f64::max);
        let top = if highest > 0.0 { highest * 1.08 } else { 1.0 };
        draw((self.width, HEIGHT), |area| self.onto(area, top))
    }

    #[allow(clippy::cast_precision_loss, reason = "a chart has some hundred columns")]
    fn onto(&self, area: &Area<'_>, top: f64) -> Drawn {
        let count = self.values.len().max(1) as f64;
        let mut builder = ChartBuilder::on(area);
        builder.margin_top(24).margin_right(36).x_label_area_size(66).y_label_area_size(115);
        let mut chart = builder.build_cartesian_2d(0.0..count, 0.0..top)?;
        let mut mesh = chart.configure_mesh();
        mesh.disable_x_mesh().x_labels(0).y_labels(if top < 4.0 { 3 } else { 5 }).axis_style(TRANSPARENT);
        mesh.bold_line_style(GRID.0.stroke_width(2)).light_line_style(TRANSPARENT);
        mesh.y_label_style(label(HPos::Right, VPos::Center)).y_label_formatter(&|value| tick(*value)).draw()?;
        let gap = if self.values.len() > 120 { 0.0 } else { 0.12 };
        let ink = filled(if self.is_second { SECOND } else { FIRST });
        let columns = self.values.iter().enumerate().filter(|(_, value)| **value > 0.0);
        let column = |(place, value): (usize, &f64)| {
            Rectangle::new([(place as f64 + gap, *value), (place as f64 + 1.0 - gap, 0.0)], ink)
        };
        chart.draw_series(columns.map(column))?;
        for (place, text) in self.labels {
            let (x, y) = chart.backend_coord(&(*place as f64 + 0.5, 0.0));
            area.draw_text(text, &label(HPos::Center, VPos::Top), (x, y + 16))?;
        }
        Ok(())
    }
}

/// A value on the scale; between whole numbers below 10 there is none.
fn tick(value: f64) -> String {
    match value {
        value if value.fract().abs() > 1e-9 && value < 10.0 => String::new(),
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.0}k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

/// The hours of a week, the darker the more people are there on average.
#[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "places on a drawing")]
pub fn heat_map(week: &Week) -> Result<Chart> {
    let (left_edge, top_edge, width, height) = (120, 64, 44, 60);
    let present = |weekday, hour| week.present(weekday, hour);
    let all = (0..7).flat_map(|weekday| (0..24).map(move |hour| present(weekday, hour)));
    let highest = all.fold(0.0, f64::max);
    draw(HEAT, |area| {
        for hour in (0..24).step_by(3) {
            let x = left_edge + hour * width + width / 2;
            area.draw_text(&format!("{hour:02}"), &label(HPos::Center, VPos::Bottom), (x, top_edge - 10))?;
        }
        for (weekday, name) in DAYS.iter().enumerate() {
            let top = top_edge + weekday as i32 * height;
            area.draw_text(name, &label(HPos::Right, VPos::Center), (left_edge - 20, top + height / 2))?;
            for hour in 0..24 {
                let (left, share) = (left_edge + hour as i32 * width, present(weekday, hour) / highest.max(1e-9));
                let style = if share > 0.0 { FIRST.0.mix(0.12 + 0.88 * share).filled() } else { filled(GRID) };
                area.draw(&Rectangle::new([(left, top), (left + width - 4, top + height - 4)], style))?;
            }
        }
        Ok(())
    })
}

/// When one person was there: `within` is the width of the drawing.
pub fn presence(row: &Row, within: Span) -> Result<Chart> {
    const WIDTH: i32 = 2000;
    const LOW: i32 = 32;
    let at = |time: i64| place(time, within, WIDTH);
    let bar = |from: i64, to: i64, ink: Ink| {
        let (left, right) = (at(from), at(to));
        Rectangle::new([(left, 5), (right.max(left + 3), LOW - 5)], filled(ink))
    };
    draw((2000, 32), |area| {
        for quarter in 0..=4 {
            let x = quarter * (WIDTH - 2) / 4;
            area.draw(&Rectangle::new([(x, 0), (x + 2, LOW)], filled(GRID)))?;
        }
        for span in &row.spans {
            area.draw(&bar(span.start, span.end, FIRST))?;
        }
        if let Some(since) = row.present_since {
            area.draw(&bar(since, within.end, SECOND))?;
        }
        for joined in row.joined.iter().map(|joined| at(*joined)) {
            area.draw(&Rectangle::new([(joined, 0), (joined + 5, LOW)], filled(MARK)))?;
        }
        Ok(())
    })
}

/// How much one value is of the largest beside it, as a bar.
#[allow(clippy::cast_possible_truncation, reason = "from 0 to 300")]
pub fn bar(value: i64, most: i64) -> Result<Chart> {
    let right = i64::saturating_mul(value, 300).checked_div(most.max(1)).unwrap_or_default().clamp(2, 300);
    draw((300, 20), |area| area.draw(&Rectangle::new([(0, 0), (right as i32, 20)], filled(FIRST))))
}

/// Where a moment is on a line of so many units.
fn place(time: i64, within: Span, width: i32) -> i32 {
    let (length, since) = (i128::from(within.length().max(1)), i128::from(time) - i128::from(within.start));
    let place = since.clamp(0, length) * i128::from(width) / length;
    i32::try_from(place).unwrap_or(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_classes_and_nothing_else_is_left() {
        let labels = [(0, "01 Nov".to_owned())];
        let chart =
            Columns { values: &[3.0, 0.0, 7.5], labels: &labels, is_second: false, width: HALF }.chart().unwrap();
        assert!(
            chart.elements.contains("class=\"k-first\"") && chart.elements.contains("01 Nov"),
            "{}",
            chart.elements
        );
        assert_eq!(chart.elements.matches("class=\"k-first\"").count(), 2, "{}", chart.elements);
        for written in ["#01", "#02", "#03", "#04", "#05", "<svg", "style="] {
            assert!(!chart.elements.contains(written), "{written}: {}", chart.elements);
        }
    }

    #[test]
    fn empty_charts_can_be_drawn() {
        let columns = Columns { values: &[], labels: &[], is_second: true, width: THIRD };
        assert!(columns.chart().is_ok());
        assert!(heat_map(&Week { attended: [[0; 24]; 7], days: [0; 7] }).is_ok());
        assert!(bar(0, 0).is_ok());
    }

    #[test]
    fn moments_have_their_places() {
        let within = Span { start: 0, end: 100 };
        assert_eq!([-5, 0, 50, 100, 900].map(|time| place(time, within, 2000)), [0, 0, 1000, 2000, 2000]);
        assert_eq!(place(i64::MAX, Span { start: i64::MIN, end: i64::MAX }, 2000), 2000);
    }

    #[test]
    fn scales_have_short_numbers() {
        assert_eq!([0.0, 0.5, 2.0, 1234.0, 20_000.0, 2e6].map(tick), ["0", "", "2", "1234", "20k", "2.0M"]);
    }
}
