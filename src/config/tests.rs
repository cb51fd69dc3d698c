//! Settings as an operator meets them: precedence, sources, and what is said about bad input.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::resolve::resolve_with;
use super::*;
use crate::error::Kind;
use crate::error::Result;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into()))).unwrap()
}

fn flag(name: &'static str, value: &str) -> Override {
    Override { name, value: value.to_owned(), source: Source::Flag("--flag") }
}

/// Resolves with these files in place of a disk.
fn with_files(
    named: Option<&str>,
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
    flags: Vec<Override>,
) -> Result<Resolved> {
    let files: BTreeMap<_, _> = files.iter().map(|(path, text)| (Path::new(path), *text)).collect();
    let read = |path: &Path, _| match files.get(path) {
        Some(text) => Ok((*text).to_owned()),
        None => Err(io::Error::new(io::ErrorKind::NotFound, "no such file").into()),
    };
    resolve_with(named.map(Path::new), None, &environment(variables), flags, &read)
}

fn with_file(text: &str) -> Result<Resolved> {
    with_files(None, &[("./rollbook.toml", text)], &[], vec![])
}

fn with_variable(name: &str, value: &str) -> Result<Resolved> {
    with_files(None, &[], &[(name, value)], vec![])
}

fn complaint(result: Result<Resolved>) -> String {
    let error = result.expect_err("this input is bad");
    assert_eq!(error.kind(), Kind::Config);
    error.render()
}

#[test]
fn the_shipped_file_equals_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rollbook.toml");
    if std::fs::read_to_string(&path).unwrap_or_default() != example() {
        std::fs::write(&path, example()).unwrap();
        panic!("config/rollbook.toml was stale and has been written anew: commit it");
    }
    let defaults = with_files(None, &[], &[], vec![]).unwrap();
    let shipped = with_file(&example()).unwrap();
    assert_eq!(shipped.config, defaults.config);
    for (shipped, default) in shipped.settings.iter().zip(&defaults.settings) {
        assert_eq!(shipped.value, default.value);
        assert!(matches!(shipped.source, Source::File(_)), "{} is not in the file", shipped.key.name);
    }
}

#[test]
fn the_readme_lists_every_setting_with_its_default() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    let listed: Vec<_> = rows.map(|(name, rest)| format!("{name} = {}", rest.split('`').next().unwrap())).collect();
    let value = |line: &str| line.split_once(" = ").map(|(_, value)| value.to_owned());
    let example = example();
    let defaults = example.lines().filter(|line| !line.starts_with('#')).filter_map(value);
    let known: Vec<_> = KEYS.iter().zip(defaults).map(|(key, default)| format!("{} = {default}", key.name)).collect();
    assert_eq!(listed, known);
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let Config { api, walk, dataset, snapshots, people, privacy, store, stage, notify } =
        with_files(None, &[], &[], vec![]).unwrap().config;
    let expected = Api {
        version: ApiVersion::V1,
        base_url: "https://api.videosdk.live".parse().unwrap(),
        per_page: 100,
        concurrency: 8,
        requests_per_second: 0.0,
        max_requests: 0,
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(30),
        request_timeout: Duration::from_mins(1),
        retry_budget: Duration::from_secs(150),
        max_body_bytes: 64 << 20,
    };
    assert_eq!(api, expected);
    assert_eq!(snapshots, Snapshots { format: None, keep: Duration::from_hours(7 * 24) });
    let url = Place::Folder("./rollbook-data".to_owned());
    let expected = Dataset {
        url,
        partition_by: PartitionBy::Month,
        since: None,
        max_rejects: 0,
        max_partitions: 5000,
        keep_receipts: Duration::from_hours(24 * 400),
        keep_unknown_fields: false,
    };
    assert_eq!(dataset, expected);
    assert_eq!(people, People::new(person::Key::Name, None, true));
    assert!(privacy.rule(None).is_open() && privacy.key_file.is_none());
    assert_eq!(store, Store { options: Vec::new(), retry_budget: Duration::from_secs(150) });
    assert_eq!(stage.dir, None);
    assert_eq!(notify, Notify { command: Vec::new(), timeout: Duration::from_secs(30), metrics_file: None });
    assert_eq!(
        walk,
        Walk {
            overlap: 2,
            lookback: Duration::from_hours(72),
            full_every: Duration::from_hours(168),
            ledger_max_age: Duration::from_hours(720),
            accept: Evidence::Twice,
        }
    );
}

#[test]
fn every_key_reaches_the_configuration_from_every_source() {
    for key in KEYS {
        let bad = "\0";
        let named = format!("error: `{}` must be ", key.name);
        let flags = vec![flag(key.name, bad)];
        assert!(complaint(with_files(None, &[], &[], flags)).starts_with(&named));
        assert!(complaint(with_variable(&key.variable(), bad)).starts_with(&named));
    }
}

#[test]
fn the_later_source_wins_and_is_remembered() {
    let text = "[api]\nper_page = 20\nconcurrency = 2\nread_timeout = \"2s\"";
    let files = [("./rollbook.toml", text)];
    let variables =
        [("ROLLBOOK_API_PER_PAGE", "30"), ("ROLLBOOK_API_CONCURRENCY", "3"), ("ROLLBOOK_API_READ_TIMEOUT", "")];
    let resolved = with_files(None, &files, &variables, vec![flag("api.per_page", "40")]).unwrap();
    assert_eq!((resolved.config.api.per_page, resolved.config.api.concurrency), (40, 3));
    assert_eq!(resolved.config.api.read_timeout, Duration::from_secs(2));
    let source = |name| resolved.settings.iter().find(|setting| setting.key.name == name).unwrap().source.to_string();
    assert_eq!(source("api.per_page"), "flag --flag");
    assert_eq!(source("api.concurrency"), "environment ROLLBOOK_API_CONCURRENCY");
    assert_eq!(source("api.read_timeout"), "file ./rollbook.toml:4");
    assert_eq!(source("api.base_url"), "default");
}

#[test]
fn the_file_is_the_first_of_the_known_places() {
    let files = [
        ("named", ""),
        ("variable", ""),
        ("./rollbook.toml", ""),
        ("/xdg/rollbook/rollbook.toml", ""),
        ("/home/.config/rollbook/rollbook.toml", ""),
    ];
    let variables = [("ROLLBOOK_CONFIG", "variable"), ("XDG_CONFIG_HOME", "/xdg"), ("HOME", "/home")];
    let found = |named, files: &[_], variables: &[_]| {
        with_files(named, files, variables, vec![]).unwrap().file.map(|file| file.display().to_string())
    };
    assert_eq!(found(Some("named"), &files, &variables).as_deref(), Some("named"));
    assert_eq!(found(None, &files, &variables).as_deref(), Some("variable"));
    assert_eq!(found(None, &files, &variables[1..]).as_deref(), Some("./rollbook.toml"));
    assert_eq!(found(None, &files[3..], &variables[1..]).as_deref(), Some("/xdg/rollbook/rollbook.toml"));
    assert_eq!(found(None, &files[3..], &variables[2..]).as_deref(), Some("/home/.config/rollbook/rollbook.toml"));
    assert_eq!(found(None, &[], &variables[1..]), None);
}

#[test]
fn a_named_file_must_be_there() {
    let rendered = "error: cannot read the settings file: named\n  caused by: no such file\n\
                    hint: give the path of a TOML file that this user may read";
    assert_eq!(complaint(with_files(Some("named"), &[("./rollbook.toml", "")], &[], vec![])), rendered);
    assert_eq!(complaint(with_variable("ROLLBOOK_CONFIG", "named")), rendered);
}

#[test]
fn numbers_in_a_file_are_read_as_toml_writes_them() {
    let config =
        with_file("api = { max_body_bytes = 1_000_000, requests_per_second = 2.5, per_page = 0x10 }").unwrap().config;
    assert_eq!((config.api.max_body_bytes, config.api.per_page), (1_000_000, 16));
    assert!((config.api.requests_per_second - 2.5).abs() < f64::EPSILON);
}

#[test]
fn bad_files_are_refused_by_name_and_line() {
    let cases = [
        (
            "[api]\nper_pag = 5",
            "error: unknown setting `api.per_pag`: file ./rollbook.toml:2\nhint: did you mean `api.per_page`?",
        ),
        (
            "[dataset]\ncompression = 5",
            "error: unknown setting `dataset.compression`: file ./rollbook.toml:2\n\
             hint: the settings of [dataset] are url, partition_by, since, max_rejects, max_partitions, keep_receipts, keep_unknown_fields",
        ),
        (
            "[api]\ntoken = \"ey.secret\"",
            "error: unknown setting `api.token`: file ./rollbook.toml:2\n\
             hint: credentials come from the environment only: VIDEOSDK_TOKEN",
        ),
        ("\n[apis]\n", "error: unknown section `apis`: file ./rollbook.toml:2\nhint: did you mean [api]?"),
        (
            "[security]",
            "error: unknown section `security`: file ./rollbook.toml:1\nhint: the sections are api, walk, dataset, snapshots, people, privacy, store, stage, notify",
        ),
        (
            "per_page = 5",
            "error: unknown section `per_page`: file ./rollbook.toml:1\nhint: `per_page` belongs under [api]",
        ),
        ("api = 1", "error: `api` is a section, not a setting: file ./rollbook.toml:1\nhint: write it as [api]"),
        (
            "[api]\nper_page = \"5\"",
            "error: the value of `api.per_page` has a wrong form: file ./rollbook.toml:2\nhint: write a number without quotes",
        ),
        (
            "[api]\nread_timeout = 5",
            "error: the value of `api.read_timeout` has a wrong form: file ./rollbook.toml:2\nhint: write text in quotes",
        ),
        (
            "[dataset]\nkeep_unknown_fields = 1",
            "error: the value of `dataset.keep_unknown_fields` has a wrong form: file ./rollbook.toml:2\n\
             hint: write `true` or `false` without quotes",
        ),
        (
            "[api]\nper_page = 0",
            "error: `api.per_page` must be a whole number from 1 to 10000, file ./rollbook.toml:2 says: 0\n\
             hint: correct it, or leave it out for the default: 100",
        ),
        (
            "[api]\nper_page = ",
            "error: the settings file is not TOML: ./rollbook.toml:2\n  caused by: string values must be quoted, expected literal string\n\
             hint: under its [section], a setting is written as key = value, with text in quotes",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(complaint(with_file(text)), expected);
    }
}

#[test]
fn bad_values_name_key_range_source_and_value() {
    let cases = [
        ("api.version", "v3", "`v1` or `v2`"),
        ("api.concurrency", "257", "a whole number from 1 to 256"),
        ("api.requests_per_second", "-1", "a number from 0 to 10000"),
        ("api.read_timeout", "0s", "a duration such as `500ms`, `30s` or `5m`, from 1ms to 24h"),
        ("api.retry_budget", "150", "a duration such as `500ms`, `30s` or `5m`, from 1ms to 24h"),
        ("api.max_body_bytes", "0", "a whole number from 1024 to 1073741824"),
        (
            "dataset.url",
            "ftp://host/x",
            "the path of a folder, or s3://bucket/path, az://container/path or gs://bucket/path",
        ),
        ("store.options", "endpoint", "options as `name=value`, with commas between them"),
        ("dataset.partition_by", "year", "`none`, `month` or `day`"),
        ("dataset.max_rejects", "1.5", "a whole number from 0 to 4294967295"),
        ("dataset.keep_unknown_fields", "yes", "`true` or `false`"),
        (
            "api.base_url",
            "http://api.videosdk.live",
            "an origin without a path, such as https://api.videosdk.live (http:// for loopback addresses only)",
        ),
    ];
    for (name, value, allowed) in cases {
        let said = complaint(with_files(None, &[], &[], vec![flag(name, value)]));
        let expected =
            format!("error: `{name}` must be {allowed}, flag --flag says: {value}\nhint: correct it, or leave it out");
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[test]
fn a_secret_in_a_url_is_not_repeated() {
    for url in ["https://user:hunter2@api.videosdk.live", "https://api.videosdk.live/?token=hunter2"] {
        let said = complaint(with_variable("ROLLBOOK_API_BASE_URL", url));
        assert!(said.contains("(not shown, it may hold a secret)\n") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn mistyped_variables_are_refused_and_others_left_alone() {
    let cases = [
        ("ROLLBOOK_API_PERPAGE", "hint: did you mean ROLLBOOK_API_PER_PAGE?"),
        ("ROLLBOOK_DATSET_URL", "hint: did you mean ROLLBOOK_DATASET_URL?"),
        ("ROLLBOOK_CONFG", "hint: did you mean ROLLBOOK_CONFIG?"),
        ("ROLLBOOK_STAGE_COLOUR", "hint: run `rollbook config` without it: a variable is ROLLBOOK_<SECTION>_<KEY>"),
    ];
    for (name, hint) in cases {
        let expected = format!("error: unknown setting in the environment: {name}\n{hint}");
        assert_eq!(complaint(with_variable(name, "1")), expected);
    }
    for name in ["ROLLBOOK_LOG", "ROLLBOOK_RUNNER_IMAGE", "VIDEOSDK_TOKEN", "API_PER_PAGE", "rollbook_api_x"] {
        assert!(with_variable(name, "x").is_ok(), "{name}");
    }
}

#[test]
fn quotes_that_no_shell_has_taken_away_are_told() {
    for (name, value) in [("ROLLBOOK_DATASET_URL", "\"/srv/rollbook\""), ("ROLLBOOK_API_PER_PAGE", "'200'")] {
        let said = complaint(with_variable(name, value));
        assert!(
            said.contains(&format!("is in quotes, environment {name} says: {value}\nhint: write it without")),
            "{said}"
        );
    }
}

#[test]
fn proxies_that_can_be_none_are_refused_without_their_values() {
    let refuse = |name: &str, value: &str| {
        let environment = Environment::new([(name.into(), value.into())]).unwrap();
        environment.refuse_impossible_proxies().map_err(|error| error.render())
    };
    for value in ["http://proxy.example:3128", "proxy.example:3128", "https://me:hidden@proxy.example"] {
        assert_eq!(refuse("HTTPS_PROXY", value), Ok(()), "{value}");
    }
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        for value in
            ["socks5://hidden:1080", "ftp://hidden", "http://", "hidden hidden", "http://hidden:99999", ":3128"]
        {
            let said = refuse(name, value).unwrap_err();
            assert!(said.contains(&format!(": {name}\nhint: ")) && !said.contains("hidden"), "{said}");
        }
    }
    assert_eq!(refuse("NO_PROXY", "http://"), Ok(()));
}

#[cfg(unix)]
#[test]
fn variables_that_are_not_unicode_are_refused_only_where_they_matter() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let bytes = || OsString::from_vec(vec![0xff]);
    let error = Environment::new([("ROLLBOOK_DATASET_URL".into(), bytes())]).err().unwrap();
    let expected =
        "error: the environment variable is not Unicode: ROLLBOOK_DATASET_URL\nhint: set it anew, or unset it";
    assert_eq!(error.render(), expected);
    assert!(Environment::new([("LS_COLORS".into(), bytes()), (bytes(), bytes())]).is_ok());
    assert!(Environment::new([("TERM".into(), bytes())]).unwrap().get("TERM").is_some());
    // Only whoever needs an object store or a proxy must be told.
    let others = Environment::new([("AWS_REGION".into(), bytes()), ("HTTPS_PROXY".into(), bytes())]).unwrap();
    assert!(others.of_stores().unwrap_err().to_string().ends_with(": AWS_REGION"));
    assert!(others.refuse_impossible_proxies().unwrap_err().to_string().ends_with(": HTTPS_PROXY"));
}

#[test]
fn the_table_is_aligned() {
    let resolved = with_files(None, &[("./rollbook.toml", "[api]\nper_page = 20")], &[], vec![]).unwrap();
    let table = resolved.table();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), KEYS.len() + 1);
    assert_eq!(lines[0], "setting                       value                      source");
    assert_eq!(lines[2], "api.base_url                  https://api.videosdk.live  default");
    assert_eq!(lines[3], "api.per_page                  20                         file ./rollbook.toml:2");
    assert_eq!(lines[KEYS.len()], "notify.metrics_file           \"\"                         default");
}

#[test]
fn the_json_is_typed() {
    let json = with_files(None, &[("./rollbook.toml", "[api]\nper_page = 20")], &[], vec![]).unwrap().json();
    assert_eq!(json["file"], "./rollbook.toml");
    assert_eq!(json["settings"]["api.per_page"], serde_json::json!({"value": 20, "source": "file ./rollbook.toml:2"}));
    assert_eq!(json["settings"]["dataset.keep_unknown_fields"]["value"], false);
    assert_eq!(json["settings"]["api.read_timeout"]["value"], "30s");
}
