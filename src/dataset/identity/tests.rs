use std::path::Path;

use super::*;
use crate::dataset::layout::Layout;
use crate::dataset::merge::{Merge, Sources};
use crate::dataset::publish::{Change, Rewrite};
use crate::dataset::published::Versions;
use crate::rows::erasure::Identifier;
use crate::rows::flatten::{self, Options};
use crate::rows::method::Method;
use crate::rows::partition::PartitionBy;
use crate::sim::{Account, Name, Session, Shape, wire};
use crate::store::files::Below;

#[test]
fn identities_are_sorted_on_any_number_of_threads() {
    let order = |identity: &Identity| (identity.id, !identity.has_row(), Reverse(identity.rank));
    for len in [0, 1, WORTH_A_THREAD - 1, WORTH_A_THREAD, 20_000] {
        let hash = |number: usize| u128::from(xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes())) % 900;
        let listed: Vec<_> = (0..len).map(|at| Identity::without_row(hash(at), at as u64 % 50, None)).collect();
        let mut wanted = listed.clone();
        wanted.sort_by_key(order);
        for threads in 0..6 {
            let mut held = listed.clone();
            sort(&mut held, threads);
            assert!(held.iter().map(order).eq(wanted.iter().map(order)), "{len} on {threads}");
        }
    }
}

/// A stage of these sessions, in pages of different size that overlap by one.
fn staged(folder: &Path, layout: &Layout, sessions: &[Session]) -> Stage {
    let mut stage = Stage::nameless(&Below::named(folder), 0).unwrap();
    let mut from = 0;
    for size in [7, 30, 3, 11].into_iter().cycle() {
        let page = &sessions[from..(from + size).min(sessions.len())];
        let mut body = b"{\"data\":[".to_vec();
        for (at, session) in page.iter().enumerate() {
            body.extend_from_slice(if at > 0 { b"," } else { b"" });
            wire::session(&mut body, session);
        }
        body.extend_from_slice(b"]}");
        stage.append(&flatten::page(body, &Options::default()).unwrap(), layout.by(), None).unwrap();
        from += size - 1;
        if from + 1 >= sessions.len() {
            return stage;
        }
    }
    unreachable!("pages never end")
}

/// Publishes what is staged to where nothing is.
fn publish(layout: &Layout, stage: &Stage) {
    let resolution = resolve(stage, &[], &Questions::default()).unwrap();
    for partition in stage.partitions() {
        let (segments, superseded) = (stage.segments(partition), Bits::default());
        let sources = Sources {
            stage,
            method: &Method::default(),
            segments,
            lost: &resolution.lost,
            published: None,
            superseded,
        };
        let place = Rewrite { layout, partition, versions: Versions::default(), change: Change::Adding };
        place.prepare(|sink| Merge::new(sources)?.run(sink).map(drop), true).unwrap().swap(|_| {}).unwrap();
    }
}

#[test]
fn however_many_passes_there_are_the_same_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::local(folder.path(), PartitionBy::Day);
    std::fs::create_dir_all(folder.path()).unwrap();
    let known: Vec<_> = Account::new(3, 400, Shape::Realistic).sessions().collect();
    publish(&layout, &staged(folder.path(), &layout, &known));
    let mut listed: Vec<_> = known.iter().skip(20).cloned().collect();
    for (at, session) in listed.iter_mut().enumerate() {
        match at % 9 {
            0 => session.participants.clear(),
            1 => session.participants.iter_mut().for_each(|entry| entry.name = Name::Null),
            2 => session.start = session.start.map(|start| start - 86_400_000_000),
            3 => (session.start, session.participants) = (None, Vec::new()),
            _ => {}
        }
    }
    listed.extend((0..30).map(|number| Account::new(3, 400, Shape::Plain).fresh(number, 0)));
    let stage = staged(folder.path(), &layout, &listed);
    let published = Published::all(&layout).unwrap();
    let denied = || {
        let mut denied = Denied::nobody(b"key").unwrap();
        let name = known.iter().flat_map(|session| &session.participants).find_map(|entry| match &entry.name {
            Name::Text(name) if !name.is_empty() => Some(name.as_str()),
            _ => None,
        });
        denied.add(Identifier::ExactName, denied.hash(Identifier::ExactName, name.unwrap()), 1);
        Arc::new(denied)
    };
    for erased in [None, Some(denied())] {
        let questions = Questions { erased, ..Questions::default() };
        let resolved = |at_once| resolve_in_passes(&stage, None, &published, &questions, at_once).unwrap();
        let once = resolved(AT_ONCE);
        assert!(once.poorer > 80 && !once.kept.is_empty() && !once.leaving.is_empty() && once.sessions == 410);
        for at_once in [1, 17, 200] {
            let Resolution { examples, .. } = resolved(at_once);
            // Ids are met in the order of their hashes, whatever the number of passes.
            assert_eq!((examples.len(), resolved(at_once)), (EXAMPLES, resolved(AT_ONCE)), "{at_once}");
        }
    }
}
