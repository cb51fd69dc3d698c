//! `report`: a page with charts, and files for a spreadsheet, of the sessions of a dataset.
//!
//! It reads the published files once and writes nothing into the dataset. What it counts is what the views of `rollbook views`
//! count, and is the same for the same sessions; only the line that says when the page was made depends on the clock.
//!
//! ```text
//! choice     which sessions count                 numbers   what is shown, as values
//! attended   one session by person                charts    values as drawings
//! fold       sessions to numbers, in one pass     page      numbers as HTML
//! spill      what does not fit into memory        csv       numbers as files for a spreadsheet
//! zone       days and hours                       output    private files, put in place whole
//! ```

mod attended;
mod charts;
mod choice;
pub mod command;
mod csv;
mod fold;
mod numbers;
mod output;
mod page;
mod spill;
mod spread;
mod tally;
mod timelines;
mod zone;

use std::sync::mpsc;
use std::thread;

use choice::Choice;
use fold::Fold;
use numbers::Numbers;
use zone::Zone;

use crate::dataset::layout::Layout;
use crate::dataset::published::Published;
use crate::error::{Error, Kind, Result};
use crate::rows::tables::SCHEMA_VERSION;
use crate::store::files::Below;
use crate::terminal::progress::Progress;
use crate::words::stop::Stop;

/// Counts the sessions that were chosen, in one pass over the files. It begins anew where another run replaces one meanwhile.
///
/// # Errors
/// `Unreadable` where a file is damaged, `Destination` where one can't be read, or a private file not be written.
fn count(
    layout: &Layout,
    choice: &Choice,
    zone: &Zone,
    folder: &Below,
    progress: &Progress,
    stop: &Stop,
) -> Result<Numbers> {
    let mut found = Published::versions(layout)?;
    Published::until_settled(layout, &mut found, |partitions| {
        let mut fold = Fold::new(zone.clone(), &choice.sessions, folder);
        let chosen: Vec<_> = partitions.iter().filter(|part| choice.may_have(layout, part.partition())).collect();
        progress.phase("counting", chosen.len() as u64);
        for part in chosen {
            add(&mut fold, part, choice, stop, folder)?;
            progress.step();
        }
        fold.finish().map_err(|error| unwritten(error, folder))
    })
}

/// Adds the chosen sessions of a partition. They are read ahead on a thread of its own, one chunk at most.
fn add(fold: &mut Fold, part: &Published, choice: &Choice, stop: &Stop, folder: &Below) -> Result<()> {
    // As stored, so that the numbers are those of the views, whatever the settings say of persons by now; an older version
    // has no persons.
    let stored = part.chunks_as_stored()?;
    let is_old = stored.methods().values().any(|method| method.schema_version < SCHEMA_VERSION);
    let mut chunks = if is_old { part.chunks()? } else { stored };
    thread::scope(|scope| {
        let (ready, arrived) = mpsc::sync_channel(1);
        scope.spawn(move || {
            while let Some(chunk) = chunks.next_chunk().transpose() {
                // After an error there is no more to read, and whoever takes the chunks may be gone.
                let is_last = chunk.is_err();
                if ready.send(chunk).is_err() || is_last {
                    break;
                }
            }
        });
        for chunk in arrived {
            let chunk = chunk?;
            stop.check()?;
            for row in (0..chunk.len()).filter(|row| choice.has(&chunk, *row)) {
                fold.add(&chunk, row).map_err(|error| unwritten(error, folder))?;
            }
        }
        Ok(())
    })
}

fn unwritten(error: std::io::Error, folder: &Below) -> Error {
    let place = folder.place();
    Error::new(Kind::Destination, format!("cannot write a temporary file: {}", place.display()))
        .because(error)
        .hint("set TMPDIR to a folder that this user may write, on a disk with room")
}
