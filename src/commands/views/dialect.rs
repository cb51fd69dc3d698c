//! How each engine writes what the two do not share.

use super::source::Source;
use super::template::fill;
use crate::cli::Engine;

/// A quarter of an hour, in microseconds. Since 1972 the hours of every zone begin at a quarter, so a quarter is in one hour
/// whole.
const QUARTER: i64 = 15 * 60 * 1_000_000;

/// An engine with all that its SQL depends on.
#[derive(Debug)]
pub struct Dialect {
    /// Which engine.
    pub engine: Engine,
    /// The zone of days and hours: a name of the IANA database, such as `Asia/Kolkata`.
    pub zone: String,
    /// Where the engine finds the dataset.
    pub source: Source,
}

impl Dialect {
    /// A template's text in the engine's own words.
    pub fn write(&self, template: &str) -> String {
        fill(template, |name, argument| self.piece(name, argument))
    }

    /// A piece of a template. Moments are microseconds since 1970: `micros` makes one of an instant, `instant` an instant of one,
    /// `local` what clocks in the zone show then, `quarters` a row for each quarter of an hour that `since, until` touches.
    fn piece(&self, name: &str, argument: &str) -> String {
        match name {
            "zone" => self.zone.clone(),
            "table" => self.source.table(argument),
            "receipts" => self.source.receipts(),
            "gone" => self.source.gone(),
            "quarters" => self.quarters(argument),
            _ => match self.engine {
                Engine::DuckDb => duckdb(name, argument, &self.zone),
                Engine::Spark => spark(name, argument, &self.zone),
            },
        }
    }

    fn quarters(&self, span: &str) -> String {
        // Both engines cut towards zero, which is up before 1970.
        let quarter = |moment: &str| format!("{moment} - ((({moment}) % {QUARTER}) + {QUARTER}) % {QUARTER}");
        let (since, until) = span.split_once(", ").unwrap_or((span, span));
        let (first, last) = (quarter(since), quarter(&format!("{until} - 1")));
        match self.engine {
            Engine::DuckDb => format!("unnest(generate_series({first}, {last}, {QUARTER}))"),
            Engine::Spark => format!("explode(sequence({first}, {last}, {QUARTER}L))"),
        }
    }
}

fn duckdb(name: &str, argument: &str, zone: &str) -> String {
    match name {
        "micros" => format!("epoch_us({argument})"),
        "instant" => format!("make_timestamptz({argument})"),
        "local" => format!("timezone('{zone}', make_timestamptz({argument}))"),
        "millis" => format!("CAST(({argument}) // 1000 AS BIGINT)"),
        "each" => format!("unnest({argument})"),
        "field" => format!("json_extract_string(content, '$.{argument}')"),
        "text" => "VARCHAR".to_owned(),
        "time" => "TIMESTAMPTZ".to_owned(),
        _ => format!("{{{name}: {argument}}}"),
    }
}

fn spark(name: &str, argument: &str, zone: &str) -> String {
    match name {
        "micros" => format!("unix_micros({argument})"),
        "instant" => format!("timestamp_micros({argument})"),
        // Every other way depends on the session's zone.
        "local" => format!(
            "convert_timezone('UTC', '{zone}', timestampadd(MICROSECOND, {argument}, TIMESTAMP_NTZ'1970-01-01 00:00:00'))"
        ),
        "millis" => format!("CAST(({argument}) DIV 1000 AS BIGINT)"),
        "each" => format!("explode({argument})"),
        "field" => format!("get_json_object(content, '$.{argument}')"),
        "text" => "STRING".to_owned(),
        "time" => "TIMESTAMP_LTZ".to_owned(),
        _ => format!("{{{name}: {argument}}}"),
    }
}
