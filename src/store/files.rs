//! Files and folders where somebody else may write, too: below a dataset, a stage or a folder for temporary files.
//!
//! Everything there is opened, made, moved and removed through a [`Folder`] that is held open, one name after the other:
//! never through a symbolic link, never outside of it, and only regular files. What else lies there is an
//! [`Obstacle`], told without waiting for it. The folder that somebody named may be reached through links.
//! Files outside of such folders, which somebody named, are read by [`named`].

mod below;
mod folder;
pub mod named;
mod obstacle;
mod path;

pub use below::{Below, make};
pub use folder::{Folder, Item, Status, status};
pub use obstacle::Obstacle;
pub use path::checked;

/// Who may read what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever the umask lets, as with the files of any other tool: tables and receipts.
    Usual,
    /// Their owner only (0600, folders 0700): state, stage, rejects, locks.
    Private,
}
