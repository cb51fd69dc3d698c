//! Several accounts in one settings file: `[profile.NAME]`, `--profile`, `ROLLBOOK_PROFILE`.

use std::fs;

use rollbook::sim::{Account, Options, Shape};
use serde_json::Value;

use crate::bed::{Bed, Ran, TOKEN};

const SETTINGS: &str = r#"
[api]
per_page = 20
concurrency = 3

[profile.acme]
token_env = "ACME_TOKEN"
[profile.acme.api]
per_page = 30
[profile.acme.notify]
command = ["/bin/true"]

[profile.beta]
api_key_env = "BETA_KEY"
secret_key_env = "BETA_SECRET"

[profile.gamma]
token_file_env = "GAMMA_FILE"

[profile."odd name"]
dataset.url = "./odd"
"#;

fn bed(settings: &str) -> Bed {
    let bed = Bed::new(Options::new(Account::new(5, 30, Shape::Plain)));
    fs::write(bed.folder.path().join("rollbook.toml"), settings).unwrap();
    bed
}

fn config(bed: &Bed, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = crate::bed::rollbook(bed.folder.path());
    Ran::of(command.args(["config", "--json"]).args(arguments).envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn a_profile_lies_over_the_file_and_below_the_environment() {
    let bed = bed(SETTINGS);
    let value = |ran: &Ran, name: &str| {
        let setting = &ran.receipt()["settings"][name];
        (setting["value"].clone(), setting["source"].as_str().unwrap().to_owned())
    };
    let plain = config(&bed, &[], &[]);
    assert_eq!(value(&plain, "api.per_page"), (20.into(), "file ./rollbook.toml:3".to_owned()));
    assert_eq!(plain.receipt()["profile"], Value::Null);
    for (arguments, variables) in [
        (&["--profile", "acme"][..], &[][..]),
        (&[], &[("ROLLBOOK_PROFILE", "acme")]),
        (&["--profile", "acme"], &[("ROLLBOOK_PROFILE", "beta")]),
    ] {
        let ran = config(&bed, arguments, variables);
        assert_eq!(value(&ran, "api.per_page"), (30.into(), "profile acme, file ./rollbook.toml:9".to_owned()));
        assert_eq!(value(&ran, "api.concurrency"), (3.into(), "file ./rollbook.toml:4".to_owned()));
        assert_eq!(value(&ran, "notify.command").0, serde_json::json!(["/bin/true"]));
        assert_eq!(ran.receipt()["profile"], "acme");
    }
    let ran = config(&bed, &["--profile", "acme"], &[("ROLLBOOK_API_PER_PAGE", "40")]);
    assert_eq!(value(&ran, "api.per_page"), (40.into(), "environment ROLLBOOK_API_PER_PAGE".to_owned()));
    let ran = config(&bed, &["--profile", "odd name"], &[]);
    assert_eq!(value(&ran, "dataset.url").0, "./odd");
}

#[test]
fn an_unknown_profile_is_refused_with_the_list() {
    let ran = config(&bed(SETTINGS), &["--profile", "acmee"], &[]);
    let expected = "error: no such profile in the settings: acmee\nhint: the profiles in ./rollbook.toml are acme, beta, gamma, odd name\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (2, expected));
    let ran = config(&bed("[api]"), &[], &[("ROLLBOOK_PROFILE", "acme")]);
    assert!(ran.code == 2 && ran.stderr.contains("./rollbook.toml has none"), "{ran:?}");
    let bed = bed("");
    fs::remove_file(bed.folder.path().join("rollbook.toml")).unwrap();
    let ran = config(&bed, &["--profile", "acme"], &[]);
    assert!(ran.code == 2 && ran.stderr.contains("there is no settings file"), "{ran:?}");
}

#[test]
fn a_mistake_in_any_profile_is_named_with_its_line() {
    for (text, what, hint) in [
        (
            "[profile.a.api]\nper_pag = 3",
            "unknown setting `api.per_pag`: file ./rollbook.toml:2",
            "did you mean `api.per_page`?",
        ),
        (
            "[profile.a.datset]\nurl = \"x\"",
            "unknown section `datset`: file ./rollbook.toml:1",
            "did you mean [dataset]?",
        ),
        (
            "[profile.a]\nper_page = 3",
            "unknown setting `profile.a.per_page`: file ./rollbook.toml:2",
            "`per_page` belongs under [profile.a.api]",
        ),
        (
            "[profile.a]\ntoken = \"canary-secret\"",
            "unknown setting `profile.a.token`: file ./rollbook.toml:2",
            "a profile has sections, and token_env",
        ),
        (
            "[profile.a]\ntoken_env = \"canary-secret.x\"",
            "`profile.a.token_env` is not the name of a variable: file ./rollbook.toml:2",
            "never the secret itself",
        ),
        (
            "[profile.a]\ntoken_env = 3",
            "`profile.a.token_env` is not the name of a variable: file ./rollbook.toml:2",
            "ACME_TOKEN",
        ),
        (
            "[profile.a]\napi_key_env = \"A\"",
            "names one half of a key, and not `secret_key_env`: file ./rollbook.toml:1",
            "name both",
        ),
        (
            "[profile.a]\nsecret_key_env = \"A\"",
            "names one half of a key, and not `api_key_env`: file ./rollbook.toml:1",
            "name both",
        ),
        (
            "[profile]\na = 3",
            "`profile.a` is a profile, not a setting: file ./rollbook.toml:2",
            "[profile.acme.dataset]",
        ),
        ("profile = 3", "`profile` is a section, not a setting: file ./rollbook.toml:1", "write it as"),
        (
            "[profile.a.api]\nper_page = \"3\"",
            "the value of `api.per_page` has a wrong form: file ./rollbook.toml:2",
            "a number without quotes",
        ),
    ] {
        let ran = config(&bed(text), &[], &[]);
        assert!(ran.code == 2 && ran.stderr.contains(what) && ran.stderr.contains(hint), "{text}: {ran:?}");
        assert!(!ran.stderr.contains("canary"), "{ran:?}");
    }
    let ran = config(&bed("[profile.a.api]\nper_page = 0"), &["--profile", "a"], &[]);
    assert!(ran.code == 2 && ran.stderr.contains("profile a, file ./rollbook.toml:2 says: 0"), "{ran:?}");
    assert_eq!(config(&bed("[profile.a.api]\nper_page = 0"), &[], &[]).code, 0);
}

#[test]
fn credentials_are_those_that_the_profile_names_and_no_others() {
    let bed = bed(SETTINGS);
    let run = |profile: &str, variables: &[(&str, &str)]| {
        let mut command = bed.export(&["--profile", profile]);
        Ran::of(command.env_remove("VIDEOSDK_TOKEN").envs(variables.iter().copied()).output().unwrap())
    };
    let ran = run("acme", &[("ACME_TOKEN", TOKEN)]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("the profile in force: acme; credentials come from ACME_TOKEN"), "{ran:?}");
    // The usual ones neither help nor stand in the way.
    assert_eq!(
        run("acme", &[("ACME_TOKEN", TOKEN), ("VIDEOSDK_TOKEN_FILE", "/nowhere"), ("VIDEOSDK_API_KEY", "k")]).code,
        0
    );
    let ran = run("acme", &[("VIDEOSDK_TOKEN", TOKEN)]);
    assert!(ran.code == 2 && ran.stderr.contains("no credentials are set\nhint: set ACME_TOKEN; one"), "{ran:?}");
    let ran = run("beta", &[("BETA_KEY", "k"), ("VIDEOSDK_SECRET_KEY", "s")]);
    assert!(ran.code == 2 && ran.stderr.contains("BETA_KEY is set, but not BETA_SECRET\nhint: set both"), "{ran:?}");
    let ran = run("odd name", &[("VIDEOSDK_TOKEN", TOKEN)]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (file, none) = (bed.folder.path().join("token"), bed.folder.path().join("none"));
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let ran = run("gamma", &[("GAMMA_FILE", file.to_str().unwrap()), ("VIDEOSDK_TOKEN", "another")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("the profile in force: gamma; credentials come from GAMMA_FILE"), "{ran:?}");
    let ran = run("gamma", &[("GAMMA_FILE", none.to_str().unwrap())]);
    assert!(ran.code == 2 && ran.stderr.contains("/none"), "{ran:?}");
    let refused = run("acme", &[("ACME_TOKEN", "\"quoted\"")]);
    assert!(refused.code == 2 && refused.stderr.contains("in quotes: ACME_TOKEN"), "{refused:?}");
}
