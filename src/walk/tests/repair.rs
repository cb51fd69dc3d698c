//! Servers that answer oddly, one case each.

use super::model::{Change, Model, Read, Walked, drive, drive_on, quiet, settings};
use crate::list::{Answer, Outcome, PageInfo, Request, Silence, Window};
use crate::walk::{Contract, Evidence, Goal, Plan};

/// A full walk with 4 in flight whose answers may be altered.
fn altered(model: &mut Model, mut alter: impl FnMut(u64, Request, &mut Outcome)) -> Result<Walked, Contract> {
    let plan = Plan::new(Goal::Full, settings(10, 2), false);
    drive(
        plan,
        model,
        4,
        |_| 0,
        |number, request, model| {
            let mut outcome = model.answer(request);
            alter(number, request, &mut outcome);
            outcome
        },
    )
}

fn info(outcome: &mut Outcome) -> &mut PageInfo {
    let Outcome::Page { info, .. } = outcome else { panic!("no page") };
    info
}

fn truncate(outcome: &mut Outcome, len: usize) {
    if let Outcome::Page { rows, .. } = outcome {
        rows.truncate(len);
    }
}

fn proven(walked: &Walked) {
    assert_eq!(walked.verdict.evidence, Evidence::Chain, "{walked:?}");
    assert_eq!(walked.lost, [], "{walked:?}");
}

#[test]
fn a_quiet_list_of_any_length_is_proven() {
    for len in 0..400 {
        for per_page in [20, 100] {
            let walked = quiet(&mut Model::plain(len), per_page);
            proven(&walked);
            assert!(len > 20 || walked.requests <= 8, "{len}: {}", walked.requests);
        }
    }
}

#[test]
fn a_quiet_list_costs_little_more_than_its_pages() {
    for (per_page, pages, most) in [(100, 1000, 0.17), (1000, 100, 0.10)] {
        let walked = quiet(&mut Model::plain(usize::try_from(per_page).unwrap() * pages), per_page);
        proven(&walked);
        #[allow(clippy::cast_precision_loss)]
        let more = walked.requests as f64 / pages as f64 - 1.0;
        assert!(more <= most, "{per_page}: {more}");
    }
}

#[test]
fn lists_of_one_start_or_another_order_are_proven_while_they_are_still() {
    for starts in [vec![5; 95], (0..95).collect(), (0..95).map(|place| place * 7919 % 95 * 1_000_000_000).collect()] {
        proven(&altered(&mut Model::new(starts), |_, _, _| {}).unwrap());
    }
}

#[test]
fn pages_that_pass_are_asked_for_again() {
    for number in 1..14 {
        let empty = |at, _, outcome: &mut Outcome| {
            if at == number {
                truncate(outcome, 0);
            }
        };
        proven(&altered(&mut Model::plain(95), empty).unwrap());
        let short = |at, _, outcome: &mut Outcome| {
            if at == number {
                truncate(outcome, 3);
            }
        };
        proven(&altered(&mut Model::plain(95), short).unwrap());
        let refused = |at, request: Request, outcome: &mut Outcome| {
            if at == number && request.page > 1 {
                *outcome = Outcome::Nothing { status: 404 };
            }
        };
        proven(&altered(&mut Model::plain(95), refused).unwrap());
    }
}

#[test]
fn positions_that_stay_empty_are_a_gap() {
    let mut model = Model::plain(95);
    let never = |_, request: Request, outcome: &mut Outcome| {
        if (40..50).contains(&request.window.offset()) {
            truncate(outcome, 0);
        }
    };
    let walked = altered(&mut model, never).unwrap();
    assert!(walked.lost.is_empty() || walked.verdict.evidence == Evidence::None, "{walked:?}");
}

#[test]
fn a_page_that_stays_short_is_told() {
    let walked = altered(&mut Model::plain(95), |_, request, outcome| {
        // Row 44 never comes.
        let at = 44_u64.checked_sub(request.window.offset()).and_then(|at| usize::try_from(at).ok());
        if let (Some(at), Outcome::Page { rows, .. }) = (at, outcome)
            && at < rows.len()
        {
            rows.remove(at);
        }
    })
    .unwrap();
    assert_eq!(walked.verdict.evidence, Evidence::None);
    assert_eq!(walked.lost.iter().map(|row| row.id).collect::<Vec<_>>(), [45]);
}

#[test]
fn any_answer_behind_the_end_is_fine() {
    for len in [0, 5, 10, 95, 100] {
        let behind = |request: Request| request.window.offset() >= len as u64 && request.window.page > 1;
        for status in [400, 404] {
            let refuse = |_, request, outcome: &mut Outcome| {
                if behind(request) {
                    *outcome = Outcome::Nothing { status };
                }
            };
            proven(&altered(&mut Model::plain(len), refuse).unwrap());
        }
        let model = Model::plain(len);
        let again = |_, request: Request, outcome: &mut Outcome| {
            if behind(request) {
                let size = u64::from(request.window.size);
                let page = (len as u64).div_ceil(size).max(1);
                let window = crate::list::Window { page, ..request.window };
                *outcome = model.answer(Request { window, page, ..request });
            }
        };
        proven(&altered(&mut model.clone(), again).unwrap());
    }
}

#[test]
fn caps_and_page_bases_are_adapted_to() {
    for cap in [5, 7, 20] {
        let mut model = Model { cap, ..Model::plain(95) };
        let walked =
            drive(Plan::new(Goal::Full, settings(50, 2), false), &mut model, 3, |_| 0, |_, r, model| model.answer(r));
        let walked = walked.unwrap();
        // So small pages don't cross every position.
        let enough = if cap < 10 { Evidence::Twice } else { Evidence::Chain };
        assert!(walked.lost.is_empty() && walked.verdict.evidence >= enough, "{walked:?}");
    }
    for len in [0, 3, 10, 11, 95] {
        proven(&altered(&mut Model { zero_based: true, ..Model::plain(len) }, |_, _, _| {}).unwrap());
    }
}

#[test]
fn totals_that_lie_or_lack() {
    for len in [0, 4, 20, 95] {
        for total in [None, Some(0), Some(-1), Some(i64::MAX)] {
            let lie = |_, _, outcome: &mut Outcome| {
                info(outcome).total = total;
                info(outcome).last_page = None;
            };
            proven(&altered(&mut Model::plain(len), lie).unwrap());
        }
        let wrong = |_, _, outcome: &mut Outcome| info(outcome).last_page = Some(1);
        proven(&altered(&mut Model::plain(len), wrong).unwrap());
        let more = |_, _, outcome: &mut Outcome| info(outcome).total = Some(9_999);
        let walked = altered(&mut Model::plain(len), more).unwrap();
        assert_eq!((walked.lost.len(), walked.verdict.evidence), (0, Evidence::None), "{walked:?}");
        assert!(walked.requests < 300, "{len}: {walked:?}");
    }
}

#[test]
fn a_server_without_pages_is_told() {
    for total in [Some(95), None] {
        let model = Model::plain(95);
        let same = |_, request: Request, outcome: &mut Outcome| {
            let window = crate::list::Window { page: 1, ..request.window };
            *outcome = model.answer(Request { window, page: 1, ..request });
            info(outcome).current_page = None;
            info(outcome).total = total;
            info(outcome).last_page = None;
        };
        let told = altered(&mut model.clone(), same);
        assert!(matches!(told, Err(Contract::PageIgnored { .. })), "{told:?}");
    }
}

#[test]
fn one_page_size_only_is_read_twice() {
    for (fixed, len) in [(7, 95), (20, 95), (20, 100), (30, 20), (20, 0)] {
        let fix = |request: Request| {
            let window = crate::list::Window { size: fixed, ..request.window };
            Request { window, ..request }
        };
        let serve = |_, request, model: &mut Model| model.answer(fix(request));
        let walked =
            drive(Plan::new(Goal::Full, settings(10, 2), false), &mut Model::plain(len), 3, |_| 0, serve).unwrap();
        assert_eq!(walked.lost, []);
        assert!(walked.verdict.evidence >= Evidence::Twice, "{fixed} {len} {walked:?}");
        // A deletion on the way costs the proof.
        let mut deleted = Model::plain(95);
        let serve = |_, request: Request, model: &mut Model| {
            if request.window == (crate::list::Window { size: fixed, page: 2 }) && model.rows.len() == 95 {
                model.change(Change::Delete(0));
            }
            model.answer(fix(request))
        };
        let walked = drive(Plan::new(Goal::Full, settings(10, 2), false), &mut deleted, 1, |_| 0, serve).unwrap();
        assert!(walked.verdict.evidence <= Evidence::Total, "{walked:?}");
    }
}

#[test]
fn a_row_that_is_touched_costs_the_proof_or_is_seen() {
    for number in 1..20 {
        for place in 0..95 {
            let mut model = Model::plain(95);
            let serve = |at, request, model: &mut Model| {
                if at == number {
                    model.change(Change::Touch(place));
                }
                model.answer(request)
            };
            let walked = drive(Plan::new(Goal::Full, settings(10, 2), false), &mut model, 1, |_| 0, serve).unwrap();
            assert!(walked.lost.is_empty() || walked.verdict.evidence == Evidence::None, "{walked:?}");
        }
    }
}

#[test]
fn the_last_page_again_is_no_page_of_a_pass() {
    for (fixed, len, width) in [(20_u32, 95, 8), (20, 100, 3), (7, 95, 8), (30, 20, 2)] {
        let serve = |_, request: Request, model: &mut Model| {
            let last = (model.rows.len() as u64).div_ceil(u64::from(fixed)).max(1);
            let page = request.page.clamp(1, last);
            model.answer(Request { page, ..request })
        };
        for seed in 0..50_usize {
            let mut model = Model { one_size: Some(u64::from(fixed)), ..Model::plain(len) };
            let mut turn = seed;
            let choose = |flying: usize| {
                turn = turn.wrapping_mul(31).wrapping_add(7) % 100_003;
                turn / 3 % flying
            };
            let plan = Plan::new(Goal::Full, settings(10, 2), false);
            let walked = drive(plan, &mut model, width, choose, serve).unwrap();
            assert!(walked.lost.is_empty() && walked.verdict.evidence >= Evidence::Twice, "{fixed} {len}: {walked:?}");
        }
    }
}

/// A list that is oldest first, 20 seconds a step. While a run was stopped, sessions came in at the head and an old one
/// moved there: the first page alone now looks newest first, and lies wholly before the floor.
#[test]
fn an_order_that_a_stopped_run_has_seen_is_not_forgotten() {
    const SECOND: i64 = 1_000_000;
    for goal in [
        Goal::Since { from: 540 * SECOND },
        Goal::Nightly { down_to: 540 * SECOND },
        Goal::Range { from: 540 * SECOND, to: 600 * SECOND },
    ] {
        let mut model = Model::new((0..60).map(|step| step * 20 * SECOND));
        let window = Window { size: 10, page: 1 };
        let Outcome::Page { info, rows, unusable, .. } = model.answer(Request::documented(window, 1)) else {
            panic!("no page")
        };
        (0..8).for_each(|_| model.change(Change::Insert));
        model.change(Change::Touch(30));
        let mut plan = Plan::new(goal, settings(10, 2), false);
        plan.recall(window, info, rows.clone(), unusable);
        let read = vec![(window, info, rows, unusable)];
        let walked = drive_on(plan, &mut model, 1, |_| 0, |_, request, model| model.answer(request), read).unwrap();
        proven(&walked);
        assert_eq!(walked.verdict.order, None, "{walked:?}");
    }
}

/// At the end the head is read by its other name, page 0. Refused or empty for a moment, it must not pass for a head
/// that has not changed where no total tells otherwise.
#[test]
fn a_head_that_is_gone_for_a_moment_is_asked_for_again() {
    for (times, is_refused, evidence) in
        [(1, true, Evidence::Chain), (1, false, Evidence::Chain), (9, true, Evidence::None), (9, false, Evidence::None)]
    {
        let (mut model, mut gone) = (Model::plain(30), 0);
        let plan = Plan::new(Goal::Full, settings(10, 2), false);
        let serve = |number: u64, request: Request, model: &mut Model| {
            let mut outcome = model.answer(request);
            let Outcome::Page { info, rows, .. } = &mut outcome else { panic!("no page") };
            (info.total, info.last_page) = (None, None);
            if number > 3 && request.window == (Window { size: 10, page: 1 }) && gone < times {
                gone += 1;
                rows.clear();
                return if is_refused { Outcome::Nothing { status: 404 } } else { outcome };
            }
            outcome
        };
        let walked = drive(plan, &mut model, 1, |_| 0, serve).unwrap();
        assert!(gone > 0);
        assert_eq!(walked.verdict.evidence, evidence, "{is_refused} {walked:?}");
    }
}

/// A server that counts from 0 and tells 0 for every total. Its only page with rows is empty for a moment.
#[test]
fn a_first_page_that_is_empty_for_a_moment_is_no_empty_list() {
    let mut model = Model::plain(1);
    model.zero_based = true;
    let mut gone = false;
    let serve = |_, request: Request, model: &mut Model| {
        let mut outcome = model.answer(request);
        let Outcome::Page { info, rows, .. } = &mut outcome else { panic!("no page") };
        (info.total, info.last_page) = (Some(0), None);
        if request.page == 0 && !gone {
            gone = true;
            rows.clear();
        }
        outcome
    };
    let walked = drive(Plan::new(Goal::Full, settings(10, 2), false), &mut model, 1, |_| 0, serve).unwrap();
    assert!(gone);
    assert_eq!(walked.lost, [], "{walked:?}");
}

/// Requests and sessions lost of a list in which every page that would hold one of these positions fails.
fn poisoned(len: usize, poison: &[u64]) -> Walked {
    let mut model = Model::plain(len);
    let plan = Plan::new(Goal::Full, settings(100, 2), false);
    let fails = |request: Request| {
        let window = request.window;
        poison.iter().any(|at| (window.offset()..window.end()).contains(at))
    };
    drive(
        plan,
        &mut model,
        4,
        |_| 0,
        |_, request, model| {
            if fails(request) { Outcome::Silent(Silence::Status(500)) } else { model.answer(request) }
        },
    )
    .unwrap()
}

#[test]
fn a_session_that_can_not_be_had_does_not_hide_its_neighbours() {
    for poison in [&[250_u64] as &[u64], &[100], &[199], &[250, 251], &[120, 450]] {
        let walked = poisoned(1_000, poison);
        assert_eq!(walked.verdict.evidence, Evidence::None, "{poison:?}");
        let lost: Vec<_> = walked.lost.iter().map(|row| u64::try_from(row.id).unwrap() - 1).collect();
        assert_eq!(lost, poison, "{:?}", walked.verdict.reasons);
        assert!(walked.requests < 150, "{poison:?}: {}", walked.requests);
        let told = format!("the API does not give {} session", poison.len());
        assert!(walked.verdict.reasons.iter().any(|reason| reason.starts_with(&told)), "{:?}", walked.verdict.reasons);
    }
}

#[test]
fn pages_that_are_cut_although_they_say_otherwise_are_read_in_the_size_that_comes() {
    let plan = Plan::new(Goal::Full, settings(100, 2), false);
    let walked = drive(
        plan,
        &mut Model::plain(950),
        4,
        |_| 0,
        |_, request, model| {
            let mut outcome = model.answer(request);
            truncate(&mut outcome, 50);
            info(&mut outcome).per_page = Some(request.window.size.into());
            outcome
        },
    )
    .unwrap();
    proven(&walked);
    assert!(walked.requests < 40, "{}", walked.requests);
}

#[test]
fn copies_of_the_list_that_differ_are_told_by_their_totals() {
    let whole = Model::plain(400);
    let mut lagging = whole.clone();
    lagging.rows.drain(150..180);
    let mut model = whole.clone();
    let walked = altered(&mut model, |number, request, outcome| {
        let copy = if number % 2 == 0 { &whole } else { &lagging };
        *outcome = copy.answer(request);
    })
    .unwrap();
    assert!(walked.lost.is_empty() || walked.verdict.evidence == Evidence::None, "{walked:?}");
}

/// What others have read of a list in so many parts, which changes so before each of them.
fn parts_of(model: &mut Model, parts: u64, per_page: u32, before_each: &[Change]) -> Read {
    let settings = settings(per_page, 2);
    let mut survey = Plan::new(Goal::Survey, settings, false);
    while let Some(request) = survey.next(1).pop() {
        let outcome = model.answer(request);
        survey.answer(Answer { request, outcome }).unwrap();
    }
    let survey = survey.survey();
    let mut read = Vec::new();
    for (from, to) in survey.parts(parts, settings.overlap) {
        for change in before_each {
            model.change(*change);
        }
        let mut plan = Plan::stretch(survey, settings, from, to, None);
        while let Some(request) = plan.next(1).pop() {
            let outcome = model.answer(request);
            if let Outcome::Page { info, rows, unusable, .. } = &outcome {
                read.push((request.window, *info, rows.clone(), *unusable));
            }
            plan.answer(Answer { request, outcome }).unwrap();
        }
    }
    read
}

/// Goes on from what others have read; the walk, and how many requests it cost.
fn joined(model: &mut Model, read: Read) -> Walked {
    let mut plan = Plan::new(Goal::Full, settings(20, 2), false);
    for (window, info, rows, unusable) in &read {
        plan.recall(*window, *info, rows.clone(), *unusable);
    }
    drive_on(plan, model, 8, |_| 0, |_, request, model: &mut Model| model.answer(request), read).unwrap()
}

#[test]
fn parts_of_a_still_list_are_joined_without_being_read_again() {
    for (len, parts) in [(2_000, 8), (2_000, 1), (777, 5), (19, 4), (1, 3)] {
        let mut model = Model::plain(len);
        let read = parts_of(&mut model, parts, 20, &[]);
        let before = read.len();
        let walked = joined(&mut model, read);
        assert_eq!(walked.verdict.evidence, Evidence::Chain, "{walked:?}");
        assert!(walked.lost.is_empty());
        let own = walked.verdict.counts.requests;
        assert!(own <= 8 + parts, "{len} in {parts} parts: {own} requests besides {before}");
    }
}

#[test]
fn a_list_that_has_changed_since_its_parts_were_read_is_joined_with_few_requests() {
    let all: [(&str, Vec<Change>, u64); 6] = [
        ("one in the middle", vec![Change::BackDated(1_700)], 20),
        ("many in the middle", (0..110).map(|at| Change::BackDated(1_000 + at)).collect(), 40),
        ("many at the end", (0..110).map(|at| Change::BackDated(1_900 + at)).collect(), 60),
        ("many at the head", vec![Change::Insert; 300], 60),
        ("half of it is gone", vec![Change::Delete(500); 1_000], 90),
        ("the end is gone", vec![Change::Delete(1_975); 25], 60),
    ];
    for (what, changes, most) in all {
        for parts in [1, 4, 8] {
            let mut model = Model::plain(2_000);
            let read = parts_of(&mut model, parts, 20, &[]);
            for change in &changes {
                model.change(*change);
            }
            let walked = joined(&mut model, read);
            assert_eq!(walked.verdict.evidence, Evidence::Chain, "{what}, {parts}: {:?}", walked.verdict);
            assert!(walked.lost.is_empty(), "{what}, {parts}");
            let own = walked.verdict.counts.requests;
            assert!(own <= most, "{what}, {parts} parts: {own} requests");
        }
    }
}

#[test]
fn a_list_that_grows_between_the_parts_is_joined_with_few_requests() {
    for (growth, parts) in [(1, 4), (5, 4), (20, 4), (30, 8), (150, 4), (400, 8)] {
        let mut model = Model::plain(2_000);
        let read = parts_of(&mut model, parts, 20, &vec![Change::Insert; growth]);
        let walked = joined(&mut model, read);
        assert_eq!(walked.verdict.evidence, Evidence::Chain, "{growth}, {parts}: {:?}", walked.verdict);
        assert!(walked.lost.is_empty(), "{growth}, {parts}");
        let (own, pages) = (walked.verdict.counts.requests, growth as u64 * parts / 17);
        assert!(own <= 20 + 4 * parts + 2 * pages, "{growth}, {parts} parts: {own} requests");
    }
}

#[test]
fn a_list_that_is_empty_where_others_have_read_sessions_proves_nothing() {
    let mut model = Model::plain(200);
    let read = parts_of(&mut model, 3, 20, &[]);
    model.rows.clear();
    let walked = joined(&mut model, read);
    assert_eq!(walked.verdict.evidence, Evidence::None, "{:?}", walked.verdict);
    assert!(walked.verdict.reasons[0].starts_with("the list is empty, though"), "{:?}", walked.verdict);
}
