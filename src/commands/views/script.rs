//! The statements that make the views. Each ends with a semicolon at the end of a line, and nothing else does, so that a program
//! without a parser can tell them apart.

use super::catalog::{VIEWS, View};
use super::dialect::Dialect;
use super::source::literal;
use crate::cli::Engine;
use crate::words::redact::shown;

/// All statements. The views are temporary: they belong to a session, hide what has the same name in a database, and change
/// nothing that others see.
pub fn script(dialect: &Dialect, place: &str) -> String {
    let Dialect { engine, zone, .. } = dialect;
    let mut text = format!(
        "-- Views over the dataset {} for {}, with days and hours in {zone}.\n-- They are made in each session anew.\n",
        shown(place),
        match engine {
            Engine::DuckDb => "DuckDB",
            Engine::Spark => "Spark",
        }
    );
    let begin = dialect.source.begin();
    if !begin.is_empty() {
        text.push('\n');
        text.push_str(&begin);
    }
    for view in VIEWS {
        text.push('\n');
        text.push_str(&statements(dialect, view));
    }
    text
}

fn statements(dialect: &Dialect, View { name, row, sql }: View) -> String {
    let (row, select) = (dialect.write(row), dialect.write(sql));
    let body = dialect.source.using(name).unwrap_or_else(|| format!("AS\n{}", select.trim_end()));
    let create = format!("CREATE OR REPLACE TEMPORARY VIEW {name} {body};\n");
    match dialect.engine {
        Engine::DuckDb => format!("{create}COMMENT ON VIEW {name} IS {};\n", literal(&row)),
        // Spark takes a comment of a temporary view, and forgets it.
        Engine::Spark => format!("-- {row}\n{create}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::{Records, Source};
    use super::*;
    use crate::store::place::Place;

    fn scripts(place: &str) -> [String; 2] {
        [Engine::DuckDb, Engine::Spark].map(|engine| {
            let records = Records { receipts: true, gone: true };
            let source = Source::new(engine, &Place::parse(place).unwrap(), records).unwrap();
            script(&Dialect { engine, zone: "Asia/Kolkata".to_owned(), source }, place)
        })
    }

    #[test]
    fn every_piece_is_known_to_both_engines() {
        for text in scripts("/srv/data") {
            assert!(!text.contains(['{', '}']), "{text}");
            assert_eq!(text.matches("CREATE OR REPLACE TEMPORARY VIEW").count(), VIEWS.len());
        }
    }

    #[test]
    fn statements_are_told_apart_by_their_last_character() {
        let [duckdb, spark] = scripts("/a;b");
        for (text, number) in [(duckdb, 2 * VIEWS.len()), (spark, VIEWS.len())] {
            let statements: Vec<_> = text.split(";\n").filter(|text| !text.trim().is_empty()).collect();
            assert_eq!(statements.len(), number, "{text}");
        }
    }

    #[test]
    fn a_view_is_made_of_those_before_it() {
        for (index, view) in VIEWS.iter().enumerate() {
            let words: Vec<_> = view.sql.split_whitespace().collect();
            let read = words.windows(2).filter(|pair| matches!(pair[0], "FROM" | "JOIN")).map(|pair| pair[1]);
            let read: Vec<_> = read.filter(|name| VIEWS.iter().any(|view| view.name == *name)).collect();
            let before = |name: &&str| VIEWS[..index].iter().any(|view| view.name == *name);
            assert!(read.iter().all(before), "{} is made of {read:?}", view.name);
        }
    }
}
