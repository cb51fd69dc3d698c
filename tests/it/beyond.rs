//! Lists that go on behind what seems to be their end, that have none, and servers that fail for a while or change their ways.

use std::collections::BTreeMap;
use std::time::Duration;

use rollbook::sim::{
    Account, Answered, Change, During, LastPage, List, Number, On, Options, Script, Shape, Special, Total,
};

use crate::quick::{Night, Quick, listed, losses, scratch, sessions};

fn account(sessions: u64) -> Options {
    Options::new(Account::new(53, sessions, Shape::Plain))
}

/// One night after the other into one dataset; each with its code, the reasons and what was lost.
fn nights(servers: impl IntoIterator<Item = Options>) -> Vec<(u8, String, Vec<String>)> {
    let folder = scratch();
    let dataset = folder.path().join("data");
    let mut quick = Quick::new();
    let mut nights = Vec::new();
    for options in servers {
        let server = quick.serve(options);
        let before = listed(&server);
        let Night { receipt, error } = quick.export(&server, &dataset, &[]).unwrap();
        let is_there = dataset.join("sessions").is_dir();
        let stored = if is_there { sessions(&dataset) } else { BTreeMap::new() };
        let said = [receipt.walk.reasons.join("; "), error].join(" ");
        nights.push((receipt.exit_code, said, losses(&before, &listed(&server), &stored)));
        quick.skip(Duration::from_hours(24));
    }
    nights
}

fn night(options: Options) -> (u8, String, Vec<String>) {
    nights([options]).remove(0)
}

#[test]
fn a_round_length_with_refusals_behind_it_is_no_end() {
    for status in [400, 404, 500] {
        for total in [Total::Capped(1_000), Total::Missing] {
            let cut = Special::new(On::BeginFrom(1_000), Answered::Status(status));
            let across = Special::new(On::EndAbove(1_000), Answered::Status(status));
            let options =
                Options { total, last_page: LastPage::Missing, specials: vec![cut, across], ..account(1_500) };
            let (code, said, _) = night(options);
            assert_eq!(code, 3, "{status} {total:?}: {said}");
        }
    }
    // Such a list that ends there and says so.
    let (code, said, lost) = night(account(1_000));
    assert!(code == 0 && lost.is_empty(), "{said} {lost:?}");
}

#[test]
fn pages_that_are_named_and_not_given_are_missed() {
    for total in [Total::Missing, Total::Zero, Total::Negative, Total::Exact] {
        let options = |last_page| Options { total, last_page, ..account(1_037) };
        let (code, said, _) = night(options(LastPage::OfList(2_000)));
        assert!(code == 3 && said.contains("hold more than"), "{total:?}: {code} {said}");
        for last_page in [LastPage::OfList(1_037), LastPage::Says(20), LastPage::Says(0)] {
            let (code, said, lost) = night(options(last_page));
            assert!(code == 0 && lost.is_empty(), "{total:?} {last_page:?}: {said} {lost:?}");
        }
    }
}

#[test]
fn a_long_hole_in_a_list_without_a_total_is_not_its_end() {
    let hole = Special::new(On::BeginBetween(600, 15_900), Answered::Empty);
    let options = Options { total: Total::Missing, last_page: LastPage::Missing, ..account(17_500) };
    let (code, said, _) = night(Options { specials: vec![hole], ..options });
    assert!(code == 3 && said.contains("there are sessions behind position 16000"), "{code} {said}");
}

#[test]
fn a_list_that_grows_faster_than_it_is_read_comes_to_an_end() {
    for total in [Total::Exact, Total::Missing] {
        for grows in [Change::InsertFresh(150), Change::Churn(400)] {
            let script = Script::new().every(1, 1, [grows.clone()]);
            let (code, said, lost) = night(Options { total, script, ..account(500) });
            assert!(code == 3 || code == 0 && lost.is_empty(), "{total:?} {grows:?}: {code} {said} {lost:?}");
        }
    }
}

#[test]
fn an_outage_of_ten_seconds_is_sat_out() {
    for (status, from) in [(503, 0), (503, 1), (502, 1), (500, 2)] {
        let during = During::Moments(Duration::from_secs(from), Duration::from_secs(from + 10));
        let latency = Duration::from_millis(200);
        let (code, said, lost) =
            night(Options { latency, ..account(3_000) }.special(On::List, during, Answered::Status(status)));
        assert!(code == 0 && lost.is_empty(), "{status} from second {from}: {code} {said} {lost:?}");
    }
}

#[test]
fn a_server_that_counts_from_one_all_at_once_is_read_on() {
    for page_zero in [Answered::Status(404), Answered::Empty, Answered::First(Number::Own)] {
        let list = List::from(Account::new(53, 450, Shape::Plain));
        let before = Options { base: 0, ..Options::new(list.clone()) };
        let after = Options { base: 1, page_zero, ..Options::new(list) };
        for (night, (code, said, lost)) in nights([before, after.clone(), after]).into_iter().enumerate() {
            assert!(code == 0 && lost.is_empty(), "{page_zero:?}, night {night}: {code} {said} {lost:?}");
        }
    }
}

#[test]
fn a_list_from_zero_of_two_pages_is_read_in_the_size_that_is_given() {
    for status in [400, 422] {
        for sessions in [1, 50, 98, 151] {
            let options = Options { base: 0, ..account(sessions) };
            let (code, said, lost) =
                night(options.special(On::SizeAbove(50), During::Always, Answered::Status(status)));
            assert!(code == 0 && lost.is_empty(), "{status}, {sessions}: {code} {said} {lost:?}");
        }
    }
}

#[test]
fn a_size_that_is_too_small_for_the_server_gives_way_to_a_larger_one() {
    let folder = scratch();
    let mut quick = Quick::new();
    let sizes = Special::new(On::SizeOtherThan(vec![10, 20]), Answered::Status(422));
    let server = quick.serve(Options { specials: vec![sizes], ..account(250) });
    let settings = [("ROLLBOOK_API_PER_PAGE", "7".to_owned())];
    let Night { receipt, error } = quick.export(&server, &folder.path().join("data"), &settings).unwrap();
    assert_eq!((receipt.exit_code, receipt.sessions), (0, 250), "{error} {:?}", receipt.walk.reasons);
}
