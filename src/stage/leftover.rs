//! What an earlier run has left in a stage's folder: whether it can be continued, and how it goes if not.

use std::fs::File;
use std::io;

use super::journal::{self, Header, Read};
use super::{ASIDE, STAGED};
use crate::store::files::{Access, Folder, status};

/// How long a stage can be continued, in microseconds.
pub const MOST_AGE: i64 = 24 * 3_600_000_000;

/// Why a stage can't be continued.
pub enum Unusable {
    /// It was begun before a purge.
    Purged,
    /// Something that leaves its data as good as they were.
    Other(&'static str),
}

/// What can be continued, or why it can't.
pub fn usable(read: Option<Read>, header: &Header, fresh: bool) -> Result<Read, Unusable> {
    use Unusable::{Other, Purged};
    let read = read.ok_or(Other("it is damaged"))?;
    if read.header.erasures != header.erasures {
        return Err(Purged);
    }
    if fresh {
        return Err(Other("a fresh run was asked for"));
    }
    if read.header.key != header.key || read.header.rule != header.rule {
        return Err(Other("it is of another account, goal, setting or version"));
    }
    if header.last_run != read.header.last_run && header.last_run.as_ref() != Some(&read.header.run_id) {
        return Err(Other("another run has published since"));
    }
    // What is settled after a run is no later than its beginning: one in the future would settle what nobody has read.
    match header.begun_at.saturating_sub(read.header.begun_at) {
        ..0 => return Err(Other("it was begun in the future by this machine's clock")),
        0..=MOST_AGE => {}
        _ => return Err(Other("it is older than a day")),
    }
    if read.is_forged {
        return Err(Other("its records do not fit its rows, or these settings"));
    }
    Ok(read)
}

/// The files that an earlier run has left, if all are there; else why this run must not write to them. `trusted`: the users whose
/// they may be.
pub fn find(folder: &Folder, trusted: &[u32]) -> io::Result<Option<Result<[File; 3], &'static str>>> {
    let mut files = Vec::with_capacity(STAGED.len());
    for name in STAGED {
        files.extend(folder.open_to_write(name)?);
    }
    let Ok(files) = <[File; 3]>::try_from(files) else { return Ok(None) };
    // This run's rows would be in somebody else's file.
    for file in &files {
        let status = status(file)?;
        if status.st_nlink > 1 {
            return Ok(Some(Err("one of its files has another name, too")));
        }
        if !trusted.contains(&status.st_uid) {
            return Ok(Some(Err("one of its files is another user's")));
        }
    }
    Ok(Some(Ok(files)))
}

/// New files, in place of what is left of others.
pub fn begin(folder: &Folder) -> io::Result<[File; 3]> {
    for name in STAGED {
        folder.remove(name)?;
    }
    let [rows, identities, journal] = STAGED.map(|name| folder.create(name, Access::Private));
    Ok([rows?, identities?, journal?])
}

/// Whether a stage has files, or some were set aside.
pub fn is_left(folder: &Folder) -> io::Result<bool> {
    for name in STAGED {
        if folder.look(name)?.is_some() || folder.look(&format!("{ASIDE}/{name}"))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the files of a stage, and those that were set aside.
pub fn remove(folder: &Folder) -> io::Result<()> {
    remove_unless(folder, |_| Ok(false))
}

/// The same, but for files that were staged by this rule.
pub fn keep_only(folder: &Folder, rule: &str) -> io::Result<()> {
    remove_unless(folder, |folder| {
        let header = folder.open(STAGED[2])?.map(|journal| journal::glance(&journal)).transpose()?.flatten();
        Ok(header.is_some_and(|header| header.rule == rule))
    })
}

fn remove_unless(folder: &Folder, stays: impl Fn(&Folder) -> io::Result<bool>) -> io::Result<()> {
    let aside = folder.folder(ASIDE)?;
    for folder in [Some(folder), aside.as_ref()].into_iter().flatten() {
        if !stays(folder)? {
            for name in STAGED {
                folder.remove(name)?;
            }
        }
    }
    Ok(())
}

/// Moves the files of a stage out of the way; those that were there before go.
pub fn set_aside(folder: &Folder, why: &str) -> io::Result<()> {
    tracing::warn!(
        "the rows that a stopped run had read are set aside, since {why}: {}",
        folder.place(ASIDE).display()
    );
    let aside = folder.make(ASIDE, Access::Private)?;
    for name in STAGED {
        match folder.rename(name, &aside, name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Cuts off what stands behind a length. A file that needs no cut is not touched: ext4 takes one that was cut to nothing
/// for a replacement of what was in it, and writes it to the disk as soon as it is closed, even one that was removed.
pub fn shorten(file: &File, length: u64) -> io::Result<()> {
    if file.metadata()?.len() > length { file.set_len(length) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(run_id: &str, last_run: Option<&str>, begun_at: i64) -> Header {
        let (key, run_id, last_run) = ("key".to_owned(), run_id.to_owned(), last_run.map(str::to_owned));
        Header { key, erasures: 0, begun_at, run_id, last_run, rule: String::new() }
    }

    /// Why the stage of a run that began at 0, when `before` had published, can't be continued.
    fn refusal(before: Option<&str>, now: &Header) -> Option<&'static str> {
        let read = Read { header: header("stopped", before, 0), records: Vec::new(), length: 0, is_forged: false };
        match usable(Some(read), now, false) {
            Ok(_) => None,
            Err(Unusable::Other(why)) => Some(why),
            Err(Unusable::Purged) => Some("purged"),
        }
    }

    #[test]
    fn a_stage_with_files_of_another_user_is_not_gone_on_with() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path()).unwrap();
        assert!(find(&folder, &[]).unwrap().is_none());
        begin(&folder).unwrap();
        let own = folder.owner_here().unwrap();
        assert!(find(&folder, &[own]).unwrap().unwrap().is_ok());
        let refused = find(&folder, &[own + 1]).unwrap().unwrap();
        assert_eq!(refused.err(), Some("one of its files is another user's"));
        std::fs::hard_link(place.path().join("rows"), place.path().join("other")).unwrap();
        assert_eq!(find(&folder, &[own]).unwrap().unwrap().err(), Some("one of its files has another name, too"));
    }

    #[test]
    fn a_stage_is_continued_for_a_day_and_while_nobody_else_has_published() {
        assert_eq!(refusal(None, &header("next", None, MOST_AGE)), None);
        assert_eq!(refusal(None, &header("next", None, MOST_AGE + 1)), Some("it is older than a day"));
        let ahead = "it was begun in the future by this machine's clock";
        assert_eq!(refusal(None, &header("next", None, -1)), Some(ahead));
        assert_eq!(refusal(Some("first"), &header("next", Some("first"), 0)), None);
        // The stopped run had begun to publish.
        assert_eq!(refusal(Some("first"), &header("next", Some("stopped"), 0)), None);
        for (before, last_run) in [(None, Some("other")), (Some("first"), Some("other")), (Some("first"), None)] {
            assert_eq!(refusal(before, &header("next", last_run, 0)), Some("another run has published since"));
        }
        assert_eq!(refusal(None, &Header { erasures: 1, ..header("next", None, 0) }), Some("purged"));
    }
}
