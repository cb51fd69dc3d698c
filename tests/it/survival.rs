//! Kills, faults and races at every step, in a folder and in an object store: what was committed stays, nothing is
//! doubled, and the next run completes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rollbook::config::PartitionBy;
use rollbook::dataset::layout::Layout;
use rollbook::dataset::published::Published;
use rollbook::sim::{Account, Change, Options, Script, Shape};
use rollbook::store::{self, Means};
use rollbook::tables::Table;

use crate::bed::{Bed, Ran, TOKEN, rollbook};
use crate::servers::ObjectStore;
use crate::watcher::Watcher;

const SESSIONS: u64 = 300;

fn account() -> Account {
    Account::new(51, SESSIONS, Shape::Realistic)
}

fn served(changes: Vec<Change>) -> Bed {
    Bed::new(Options { script: Script::new().before(1, changes), ..Options::new(account()) })
}

/// Where datasets are.
enum Place {
    Folder(tempfile::TempDir),
    Objects(ObjectStore),
}

impl Place {
    fn folder() -> Self {
        Self::Folder(tempfile::tempdir().unwrap())
    }

    fn url(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.path().join(name).to_str().unwrap().to_owned(),
            Self::Objects(store) => store.url(name),
        }
    }

    fn export(&self, bed: &Bed, name: &str) -> Command {
        let mut command = rollbook(bed.folder.path());
        command.args(["export", "--full", "--json", "--base-url", &bed.server.base_url(), "--dest", &self.url(name)]);
        command.env("VIDEOSDK_TOKEN", TOKEN).env("ROLLBOOK_TEST_LEASE", "off").stdin(Stdio::null());
        if let Self::Objects(store) = self {
            command.envs(store.environment.clone());
        }
        command
    }

    /// The ids of all sessions, none of them twice; every published file can be read.
    fn ids(&self, name: &str) -> BTreeSet<String> {
        let options = match self {
            Self::Folder(_) => Vec::new(),
            Self::Objects(store) => {
                store.environment.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect()
            }
        };
        let means = Means {
            options,
            spool: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            run_id: "test".to_owned(),
            faults: None,
        };
        let layout = Layout::new(store::open(&self.url(name), means).unwrap(), PartitionBy::Month);
        let mut ids = BTreeSet::new();
        for published in Published::all(&layout).unwrap() {
            published
                .each_session(|_, known| assert!(ids.insert(known.id.to_owned()), "{} is doubled", known.id))
                .unwrap();
            let mut chunks = published.chunks().unwrap();
            while chunks.next_chunk().unwrap().is_some() {}
        }
        ids
    }
}

/// New sessions in an old and in a new month, and one that has changed.
fn changes() -> Vec<Change> {
    let month = 31 * 24 * 3_600_000_000;
    vec![
        Change::InsertHead(account().fresh(1, account().start(0) + month)),
        Change::InsertFresh(5),
        Change::end(0, account().start(0) + 1_000_000),
    ]
}

fn at_every_step(place: &Place, faults: &str) {
    let before = served(vec![]);
    let mut completed = false;
    for step in 1..100 {
        let name = format!("{faults}-{step}");
        assert_eq!(Ran::of(place.export(&before, &name).output().unwrap()).code, 0);
        let committed = place.ids(&name);
        let after = served(changes());
        let ran = place.export(&after, &name).env("ROLLBOOK_TEST_FAULTS", format!("{faults}:{step}")).output().unwrap();
        let code = ran.status.code();
        let allowed: &[_] = if faults == "die" { &[None, Some(0)] } else { &[Some(6), Some(0)] };
        assert!(allowed.contains(&code), "{name}: {ran:?}");
        if code == Some(6) {
            let stderr = String::from_utf8_lossy(&ran.stderr);
            assert!(stderr.contains("error: cannot ") && stderr.contains("hint: "), "{name}: {stderr}");
        }
        assert!(place.ids(&name).is_superset(&committed), "{name}: something that was committed is gone");
        let again = Ran::of(place.export(&served(changes()), &name).output().unwrap());
        assert_eq!(again.code, 0, "{name}: {again:?}");
        assert_eq!(place.ids(&name).len() as u64, SESSIONS + 2, "{name}");
        completed = code == Some(0) && !String::from_utf8_lossy(&ran.stderr).contains("step");
        if completed {
            assert!(step > 20, "{step} steps only");
            break;
        }
    }
    assert!(completed, "{faults} has no end");
}

#[test]
fn a_death_at_every_step_in_a_folder() {
    at_every_step(&Place::folder(), "die");
}

#[test]
fn a_fault_at_every_step_in_a_folder() {
    at_every_step(&Place::folder(), "fail");
    at_every_step(&Place::folder(), "break");
}

#[test]
fn a_death_and_a_fault_at_every_step_in_an_object_store() {
    let place = Place::Objects(ObjectStore::moto());
    at_every_step(&place, "die");
    at_every_step(&place, "fail");
}

/// Two exporters of different halves of an account, at once and without a lease.
fn races(place: &Place, rounds: u32) {
    let half = |odd: u64| {
        let others: Vec<_> =
            (0..SESSIONS).filter(|index| index % 2 != odd).map(|index| account().session(index).id).collect();
        served(others.iter().map(|id| Change::delete(&**id)).collect())
    };
    for round in 0..rounds {
        let name = format!("race-{round}");
        let beds = [half(0), half(1)];
        let start = |bed: &Bed| -> Child {
            place.export(bed, &name).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children = beds.each_ref().map(start);
        for child in children {
            let ran = Ran::of(child.wait_with_output().unwrap());
            assert_eq!(ran.code, 0, "{round}: {ran:?}");
        }
        assert_eq!(place.ids(&name).len() as u64, SESSIONS, "{round}");
    }
}

#[test]
fn two_exporters_at_once_in_a_folder() {
    races(&Place::folder(), 50);
}

#[test]
fn two_exporters_at_once_in_an_object_store() {
    races(&Place::Objects(ObjectStore::moto()), 50);
}

#[test]
fn kills_at_three_hundred_moments() {
    let script = Script::new().every(1, 3, Change::InsertFresh(0));
    let bed = Bed::new(Options { script, ..Options::new(Account::new(51, SESSIONS, Shape::Plain)) });
    let watcher = Watcher::over(&bed.dataset());
    let mut random = 7_u64;
    for _ in 0..300 {
        let mut child = bed.export(&["-q", "--fresh"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(std::time::Duration::from_millis(random >> 33 & 127));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ran = bed.run(&["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    watcher.end();
    assert!(bed.rows(Table::Sessions).len() as u64 >= SESSIONS);
}

#[test]
fn azure_works_the_same() {
    let place = Place::Objects(ObjectStore::azurite());
    let bed = served(vec![]);
    let ran = Ran::of(place.export(&bed, "data").output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(place.ids("data").len() as u64, SESSIONS);
    let again = Ran::of(place.export(&served(vec![]), "data").output().unwrap());
    assert!(!again.stdout.contains("\"changed\": true"), "{again:?}");
    races(&place, 5);
}

#[test]
fn a_store_that_ignores_conditions_is_refused() {
    let place = Place::Objects(ObjectStore::s3rver());
    let bed = served(vec![]);
    let ran = Ran::of(place.export(&bed, "data").output().unwrap());
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("does not honour conditions") && ran.stderr.contains("hint: "), "{ran:?}");
}
