//! Where an engine finds the dataset, in its own words, with everything quoted that it would understand otherwise.

use std::fmt::Write as _;

use object_store::path::Path as Key;

use crate::cli::Engine;
use crate::error::{Error, Kind, Result};
use crate::rows::tables::{Table, Tables};
use crate::store::place::{Objects, Place, Service};

/// Which records of the dataset are there to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Records {
    /// A receipt in `_rollbook/runs/`.
    pub receipts: bool,
    /// `_rollbook/gone.jsonl`.
    pub gone: bool,
}

/// Through what the tables are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Through {
    /// All files at their fixed names.
    Plain,
    /// The immutable files that a snapshot lists: their paths, relative to the lake.
    Snapshot(Tables<Vec<String>>),
    /// The Delta logs.
    Delta,
}

/// A dataset as an engine finds it.
#[derive(Debug)]
pub struct Source {
    engine: Engine,
    /// Where it is, not yet in quotes.
    place: String,
    /// The same; a wildcard in a name is masked.
    root: String,
    records: Records,
    through: Through,
}

impl Source {
    /// The source of a dataset. A folder is named from the root, since an engine may be started elsewhere.
    ///
    /// # Errors
    /// `Config` where the engine needs to know more of the place.
    pub fn new(engine: Engine, place: &Place, records: Records) -> Result<Self> {
        let place = match place {
            Place::Folder(folder) => local(engine, folder)?,
            Place::Objects(objects) => remote(engine, objects)?,
        };
        let place = place.trim_end_matches('/').to_owned();
        let mask: fn(char) -> String = match engine {
            Engine::DuckDb => |c| if "*?[".contains(c) { format!("[{c}]") } else { c.to_string() },
            Engine::Spark => |c| if "*?[]{}".contains(c) { format!("\\{c}") } else { c.to_string() },
        };
        let root = place.chars().map(mask).collect();
        Ok(Self { engine, place, root, records, through: Through::Plain })
    }

    /// The same, read so.
    #[must_use]
    pub fn through(self, through: Through) -> Self {
        Self { through, ..self }
    }

    /// What a session does before it makes the views: in DuckDB, look up once which files the current snapshot lists, so that all
    /// three tables are of one moment.
    pub fn begin(&self) -> String {
        if self.engine != Engine::DuckDb || !matches!(self.through, Through::Snapshot(_)) {
            return String::new();
        }
        let (current, lake) = (format!("{}/lake/current.json", self.root), format!("{}/lake/", self.root));
        let columns = "{tables: 'STRUCT(sessions VARCHAR[], participants VARCHAR[], timelogs VARCHAR[])'}";
        let mut text = format!(
            "-- The current snapshot. Set the variables anew to go on to a newer one.\n\
             SET VARIABLE rollbook_snapshot = (SELECT tables FROM read_json({}, columns = {columns}));\n",
            literal(&current)
        );
        for table in Table::ALL.map(Table::name) {
            let lake = literal(&lake);
            let _ = writeln!(
                text,
                "SET VARIABLE rollbook_{table} = [{lake} || path for path in getvariable('rollbook_snapshot').{table}];"
            );
        }
        text
    }

    /// The statement that makes a table's view, behind `CREATE OR REPLACE TEMPORARY VIEW name`; `None` where it is a query.
    pub fn using(&self, table: &str) -> Option<String> {
        let (Engine::Spark, Through::Snapshot(paths)) = (self.engine, &self.through) else { return None };
        let paths = Table::ALL.into_iter().find(|it| it.name() == table).map(|table| &paths[table])?;
        let names: Vec<_> = paths.iter().filter_map(|path| path.strip_prefix(table)?.strip_prefix('/')).collect();
        let names = if names.len() == 1 { names.concat() } else { format!("{{{}}}", names.join(",")) };
        // The one is a pattern, the other a place.
        let (path, base) = (format!("{}/lake/{table}/{names}", self.root), format!("{}/lake/{table}", self.place));
        let [path, base] = [path, base].map(|text| quoted(&text));
        Some(format!("USING parquet OPTIONS (basePath {base}, path {path})"))
    }

    /// What follows `FROM` to read a table, however the dataset is cut.
    pub fn table(&self, table: &str) -> String {
        match (self.engine, &self.through) {
            (Engine::DuckDb, Through::Snapshot(_)) => {
                format!("read_parquet(getvariable('rollbook_{table}'), hive_partitioning = true)")
            }
            (Engine::DuckDb, Through::Delta) => {
                format!("delta_scan({})", literal(&format!("{}/lake/{table}", self.place)))
            }
            (Engine::Spark, Through::Delta) => format!("delta.`{}/lake/{table}`", self.place.replace('`', "``")),
            (Engine::DuckDb, Through::Plain) => {
                let files = literal(&format!("{}/{table}/**/*.parquet", self.root));
                format!("read_parquet({files}, hive_partitioning = true)")
            }
            (Engine::Spark, _) => self.files("parquet", table),
        }
    }

    /// What follows `FROM` to read the text of each receipt as `content`.
    pub fn receipts(&self) -> String {
        if !self.records.receipts {
            return self.nothing();
        }
        match self.engine {
            Engine::DuckDb => {
                let files = literal(&format!("{}/_rollbook/runs/*.json", self.root));
                format!("(SELECT {SOUND} AS content FROM read_text({files})) files")
            }
            Engine::Spark => {
                let files = self.files("binaryFile", "_rollbook/runs");
                format!("(SELECT decode(content, 'UTF-8') AS content FROM {files}) files")
            }
        }
    }

    /// What follows `FROM` to read each line about a session that is gone as `content`.
    pub fn gone(&self) -> String {
        if !self.records.gone {
            return self.nothing();
        }
        match self.engine {
            Engine::DuckDb => {
                let file = literal(&format!("{}/_rollbook/gone.jsonl", self.root));
                let lines = format!("SELECT unnest(string_split(content, chr(10))) AS content FROM read_text({file})");
                format!("(SELECT {SOUND} AS content FROM ({lines}) lines) sound")
            }
            Engine::Spark => {
                let file = self.files("text", "_rollbook/gone.jsonl");
                format!("(SELECT value AS content FROM {file}) lines")
            }
        }
    }

    /// No text, of the type that there would be.
    fn nothing(&self) -> String {
        let text = match self.engine {
            Engine::DuckDb => "VARCHAR",
            Engine::Spark => "STRING",
        };
        format!("(SELECT CAST(NULL AS {text}) AS content WHERE 1 = 0) nothing_yet")
    }

    /// Spark's way to read files of a format in place.
    fn files(&self, format: &str, path: &str) -> String {
        format!("{format}.`{}/{path}`", self.root.replace('`', "``"))
    }
}

/// DuckDB ends a query at a text that is no JSON.
const SOUND: &str = "CASE WHEN json_valid(content) THEN content END";

/// A text in quotes, as DuckDB reads it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text in quotes, as Spark reads it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn local(engine: Engine, folder: &str) -> Result<String> {
    let whole = std::path::absolute(folder)
        .map_err(|error| Error::new(Kind::Config, format!("cannot find the folder: {folder}")).because(error))?;
    let whole = whole.to_string_lossy();
    Ok(match engine {
        Engine::DuckDb => whole.into_owned(),
        // Else it would be a folder of the file system that a cluster is set to.
        Engine::Spark => format!("file://{whole}"),
    })
}

fn remote(engine: Engine, objects: &Objects) -> Result<String> {
    let Objects { service, bucket, host, path } = objects;
    let root = match (service, engine, host) {
        (Service::S3, Engine::DuckDb, _) => format!("s3://{bucket}"),
        (Service::S3, Engine::Spark, _) => format!("s3a://{bucket}"),
        (Service::Google, ..) => format!("gs://{bucket}"),
        (Service::Azure, Engine::DuckDb, None) => format!("az://{bucket}"),
        (Service::Azure, Engine::DuckDb, Some(host)) => format!("abfss://{}/{bucket}", files_host(host)),
        (Service::Azure, Engine::Spark, Some(host)) => format!("abfss://{bucket}@{}", files_host(host)),
        (Service::Azure, Engine::Spark, None) => {
            let hint = "write the place with its account, such as \
                        abfss://container@account.dfs.core.windows.net/path";
            let what = format!("Spark must be told the account of the container: {bucket}");
            return Err(Error::new(Kind::Config, what).hint(hint));
        }
    };
    // `a%20b` is the name `a b` to the store.
    let key = Key::from_url_path(path).map_or_else(|_| path.clone(), |key| key.to_string());
    Ok(format!("{root}/{key}"))
}

/// The host by which engines read an account as folders and files.
fn files_host(host: &str) -> String {
    host.replace(".blob.core.windows.net", ".dfs.core.windows.net")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Records = Records { receipts: true, gone: true };

    fn tables(place: &str) -> [String; 2] {
        let place = Place::parse(place).unwrap();
        [Engine::DuckDb, Engine::Spark].map(|engine| Source::new(engine, &place, ALL).unwrap().table("sessions"))
    }

    #[test]
    fn places_are_written_as_each_engine_wants_them() {
        for (place, duckdb, spark) in [
            ("/srv/data", "/srv/data", "file:///srv/data"),
            ("s3://bucket/a/b", "s3://bucket/a/b", "s3a://bucket/a/b"),
            ("gs://bucket", "gs://bucket", "gs://bucket"),
            ("s3://bucket/a%20b", "s3://bucket/a b", "s3a://bucket/a b"),
            (
                "az://files@me.blob.core.windows.net/a",
                "abfss://me.dfs.core.windows.net/files/a",
                "abfss://files@me.dfs.core.windows.net/a",
            ),
        ] {
            assert_eq!(
                tables(place),
                [
                    format!("read_parquet('{duckdb}/sessions/**/*.parquet', hive_partitioning = true)"),
                    format!("parquet.`{spark}/sessions`"),
                ]
            );
        }
    }

    #[test]
    fn nothing_in_a_path_is_understood_otherwise() {
        let [duckdb, spark] = tables("/it's [a] {b}*`--;");
        assert_eq!(duckdb, "read_parquet('/it''s [[]a] {b}[*]`--;/sessions/**/*.parquet', hive_partitioning = true)");
        assert_eq!(spark, r"parquet.`file:///it's \[a\] \{b\}\*``--;/sessions`");
    }

    #[test]
    fn spark_must_know_the_account_of_a_container() {
        let place = Place::parse("az://files/a").unwrap();
        let error = Source::new(Engine::Spark, &place, ALL).unwrap_err();
        assert_eq!(error.kind().exit_code(), 2);
        assert!(Source::new(Engine::DuckDb, &place, ALL).unwrap().table("sessions").contains("'az://files/a/"));
    }

    #[test]
    fn a_record_that_is_not_there_is_nothing_of_the_same_type() {
        let place = Place::parse("/srv/data").unwrap();
        for engine in [Engine::DuckDb, Engine::Spark] {
            let source = Source::new(engine, &place, Records::default()).unwrap();
            for from in [source.receipts(), source.gone()] {
                assert!(from.contains("WHERE 1 = 0") && !from.contains("_rollbook"), "{from}");
            }
        }
    }
}
