//! Where the operating system refuses something: which error it is, however deep a library has wrapped it, and the next step.
//! What is full, forbidden or used up has a remedy of its own.

use std::error::Error;
use std::io::{self, ErrorKind};

/// More files are open than the process may have, or the whole system: `EMFILE`, `ENFILE`.
const TOO_MANY_FILES: [i32; 2] = [24, 23];
/// There is no more memory: `ENOMEM`.
const NO_MEMORY: i32 = 12;
/// The disk itself failed: `EIO`.
const BROKEN: i32 = 5;

/// What to do about it; `None` where the cause says no more than its own words.
#[must_use]
pub fn remedy(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    let code = code(cause)?;
    Some(match io::Error::from_raw_os_error(code).kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room there (`df -h`; where it says that there is room, `df -i`), then run the same command again"
        }
        ErrorKind::PermissionDenied => {
            "run as the user who owns it, or give this user the right to it (`ls -ld` shows who owns what)"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "see whether the disk is meant to be mounted read-only, or choose another place"
        }
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            "see what is there (`ls -l`): a dataset needs a folder of its own"
        }
        ErrorKind::InvalidFilename => "choose a place with a shorter path",
        ErrorKind::FileTooLarge => "raise the limit on the size of a file (`ulimit -f`, LimitFSIZE=)",
        ErrorKind::StaleNetworkFileHandle => {
            "see whether the network disk is still mounted, then run the same command again"
        }
        _ if TOO_MANY_FILES.contains(&code) => {
            "raise the limit on open files (`ulimit -n`, LimitNOFILE=), or lower `api.concurrency`"
        }
        _ if code == NO_MEMORY => {
            "give the process more memory (`ulimit -v`, MemoryMax=), then run the same command again"
        }
        _ if code == BROKEN => "the disk may be broken: see the system's log (`dmesg`)",
        _ => return None,
    })
}

/// Whether it is this machine that lacks something, so that nothing is said of what was to be read.
#[must_use]
pub fn is_want(cause: &(dyn Error + 'static)) -> bool {
    code(cause).is_some_and(|code| TOO_MANY_FILES.contains(&code) || code == NO_MEMORY)
}

/// What the process lacks where a library has given up over it, and the next step; `None` for anything else that it may say.
#[must_use]
pub fn lack(panic: &str) -> Option<(&'static str, &'static str)> {
    const FILES: &str = "the system lets this process open no more files";
    const THREADS: &str = "the system lets this process start no more threads";
    if ["spawn worker thread", "failed to spawn thread"].iter().any(|words| panic.contains(words)) {
        return Some((
            THREADS,
            "raise the limit on processes and threads (`ulimit -u`, TasksMax=, a container's pids limit)",
        ));
    }
    let is_of =
        |code: &i32| panic.contains(&format!("Os {{ code: {code},")) || panic.contains(&format!("(os error {code})"));
    let files = TOO_MANY_FILES.iter().find(|code| is_of(code))?;
    Some((FILES, remedy(&io::Error::from_raw_os_error(*files))?))
}

/// The system's number of the error. Some libraries keep its words only.
fn code(cause: &(dyn Error + 'static)) -> Option<i32> {
    let own = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    let named = || {
        let words = cause.to_string();
        let (_, rest) = words.rsplit_once("(os error ")?;
        rest.split_once(')')?.0.parse().ok()
    };
    own.or_else(named).or_else(|| code(cause.source()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_remedy() {
        // ENOSPC, EACCES, EROFS, ENOTDIR, EFBIG, EMFILE, ENOMEM, EIO: the same numbers on every Unix.
        for (code, said) in [
            (28, "make room"),
            (13, "run as the user who owns it"),
            (30, "read-only"),
            (20, "a folder of its own"),
            (27, "ulimit -f"),
            (24, "ulimit -n"),
            (12, "ulimit -v"),
            (5, "dmesg"),
        ] {
            let plain = || io::Error::from_raw_os_error(code);
            let wrapped = [plain(), io::Error::other(plain()), io::Error::other(format!("External: {}", plain()))];
            for error in wrapped {
                assert!(remedy(&error).unwrap_or_default().contains(said), "{error}");
                assert_eq!(is_want(&error), [24, 12].contains(&code), "{error}");
            }
        }
        let files = format!("failed to create UnixStream: {:?}", io::Error::from_raw_os_error(24));
        for (panic, what) in [
            (files.as_str(), "open no more files"),
            ("OS can't spawn worker thread: Resource temporarily unavailable (os error 11)", "start no more threads"),
        ] {
            assert!(lack(panic).is_some_and(|(told, _)| told.contains(what)), "{panic}");
        }
        assert_eq!(lack("index out of bounds: the len is 24"), None);
        for other in [io::Error::other("whatever (os error x)"), io::Error::from_raw_os_error(2)] {
            assert!(remedy(&other).is_none() && !is_want(&other), "{other}");
        }
    }
}
