//! Kills, faults and races at every step, in a folder and in an object store: what was committed stays, nothing is
//! doubled, no glob ever fails, and the next run completes. DuckDB looks before, during and after.

use std::process::{Child, Command, Stdio};

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran};
use crate::place::{Place, SESSIONS, account, changes, served};
use crate::reader::{Reader, assert_whole};
use crate::servers::ObjectStore;
use crate::watcher::Watcher;

/// Fails at step 1, 2, ... until a run has fewer steps.
fn at_every_step(place: &Place, faults: &str) {
    let after = served(changes());
    let [committed, complete] = place.committed(&after);
    let requests = || after.pages();
    let (mut continued, mut steps) = (0, 0);
    for step in 1..200 {
        let name = format!("{faults}-{step}");
        place.copy("committed", &name);
        place.reader.lock().unwrap().watch(&place.url(&name));
        let before = requests();
        let mut command = place.export(&after, &name);
        let ran = command.env("ROLLBOOK_TEST_FAULTS", format!("{faults}:{step}")).output().unwrap();
        let asked = requests() - before;
        let code = ran.status.code();
        let allowed: &[_] = if faults == "die" { &[None, Some(0)] } else { &[Some(6), Some(0)] };
        assert!(allowed.contains(&code), "{name}: {ran:?}");
        let stderr = String::from_utf8_lossy(&ran.stderr);
        if code == Some(6) {
            assert!(stderr.contains("error: cannot ") && stderr.contains(&place.url(&name)), "{name}: {stderr}");
            assert!(stderr.contains("(os error 5)") && stderr.contains("hint: "), "{name}: {stderr}");
        }
        place.reader.lock().unwrap().end();
        assert_whole(&place.look(&name), &committed, &name);

        let before = requests();
        let again = Ran::of(place.export(&after, &name).output().unwrap());
        assert_eq!(again.code, 0, "{name}: {again:?}");
        assert!(place.look(&name) == complete, "{name}: the next run did not complete");
        continued += u32::from(requests() - before < asked);
        steps = step;
        if code == Some(0) && !stderr.contains("step") {
            break;
        }
    }
    // The walk has no steps in it: whatever fails behind it has its rows staged.
    assert!(steps > 20 && steps < 199 && continued * 2 > steps, "{faults}: {steps} steps, {continued} continued");
}

#[test]
fn a_death_at_every_step_in_a_folder() {
    at_every_step(&Place::folder(), "die");
}

#[test]
fn a_fault_at_every_step_in_a_folder() {
    // Each in a place of its own: an older copy over a newer dataset is told, as it should be.
    at_every_step(&Place::folder(), "fail");
    at_every_step(&Place::folder(), "break");
}

#[test]
fn a_death_at_every_step_in_an_object_store() {
    at_every_step(&Place::moto(), "die");
}

#[test]
fn a_fault_at_every_step_in_an_object_store() {
    at_every_step(&Place::moto(), "fail");
}

/// Two exporters of different halves of an account, at once and without a lease.
fn races(place: &Place, rounds: u32, mut check: impl FnMut(&str)) {
    let half = |odd: u64| {
        let others: Vec<_> =
            (0..SESSIONS).filter(|index| index % 2 != odd).map(|index| account().session(index).id).collect();
        served(others.iter().map(|id| Change::delete(&**id)).collect())
    };
    let beds = [half(0), half(1)];
    for round in 0..rounds {
        let name = format!("race-{round}");
        let start = |bed: &Bed| -> Child {
            let mut command: Command = place.export(bed, &name);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children = beds.each_ref().map(start);
        for child in children {
            let ran = Ran::of(child.wait_with_output().unwrap());
            // One that begins late finds sessions of the other half, which its own list does not have.
            let has_lost = ran.code == 3 && ran.stdout.contains("vanished from the list");
            assert!(ran.code == 0 || has_lost, "{round}: {ran:?}");
        }
        check(&name);
    }
}

/// All rows of both, and the receipts of both.
fn races_here(place: &Place, rounds: u32) {
    races(place, rounds, |name| {
        place.reader.lock().unwrap().holds(&place.url(name), &account());
        assert_eq!(place.receipts(name), 2, "{name}");
    });
}

#[test]
fn two_exporters_at_once_in_a_folder() {
    races_here(&Place::folder(), 50);
}

#[test]
fn two_exporters_at_once_on_a_dataset_that_is_there() {
    let place = Place::folder();
    let after = served(changes());
    let [_, complete] = place.committed(&after);
    for round in 0..30 {
        let name = format!("again-{round}");
        place.copy("committed", &name);
        // The one is at each of its steps when the other publishes.
        let start = |wait: u64| {
            std::thread::sleep(std::time::Duration::from_millis(wait));
            place.export(&after, &name).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        for child in [start(0), start(3 * round)] {
            let ran = Ran::of(child.wait_with_output().unwrap());
            assert_eq!(ran.code, 0, "{name}: {ran:?}");
        }
        assert!(place.look(&name) == complete, "{name}: not the union of both");
    }
}

#[test]
fn two_exporters_at_once_in_an_object_store() {
    races_here(&Place::moto(), 50);
}

#[test]
fn two_exporters_at_once_where_all_versions_are_kept() {
    let place = Place::moto();
    place.store.as_ref().unwrap().keep_versions();
    races_here(&place, 3);
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
    let mut place = Place::folder();
    let store = ObjectStore::azurite();
    let folder = tempfile::tempdir().unwrap();
    let mut reader = Reader::of_folders();
    let environment = store.environment.clone();
    place.store = Some(store);
    let download = |name: &str| {
        let target = folder.path().join(name);
        crate::servers::download(&environment, &format!("az://bucket/{name}"), &target);
        target.to_str().unwrap().to_owned()
    };
    let bed = served(vec![]);
    let ran = Ran::of(place.export(&bed, "data").output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    reader.holds(&download("data"), &account());
    let again = Ran::of(place.export(&bed, "data").output().unwrap());
    assert!(again.code == 0 && !again.stdout.contains("\"changed\": true"), "{again:?}");
    races(&place, 5, |name| reader.holds(&download(name), &account()));
}

#[test]
fn a_store_that_ignores_conditions_is_refused() {
    let mut place = Place::folder();
    place.store = Some(ObjectStore::s3rver());
    let bed = served(vec![]);
    for command in ["export", "check"] {
        let mut refused = place.export(&bed, "data");
        if command == "check" {
            refused = crate::bed::rollbook(bed.folder.path());
            refused.args(["check", "--base-url", &bed.server.base_url(), "--dest", &place.url("data")]);
            refused.env("VIDEOSDK_TOKEN", crate::bed::TOKEN).envs(place.store.as_ref().unwrap().environment.clone());
        }
        let ran = Ran::of(refused.output().unwrap());
        assert_eq!(ran.code, 2, "{command}: {ran:?}");
        assert!(ran.stderr.contains("does not honour conditions") && ran.stderr.contains("hint: "), "{ran:?}");
    }
}
