//! Questions for whoever sits at a terminal.

use std::io::{self, IsTerminal, Write};

use tokio::sync::oneshot;

use super::outlet::STDERR;

/// Whether somebody is there who can read a question and answer it.
pub fn is_anybody_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, and hands over the line that was typed; `None` at the end of what is typed, and where nothing can be asked or read. The thread
/// that waits for the answer is left behind where a signal ends the waiting.
pub fn ask(question: String) -> oneshot::Receiver<Option<String>> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        STDERR.flush();
        let asked = write!(io::stderr(), "{question}").and_then(|()| io::stdin().read_line(&mut answer));
        let _ = sender.send(asked.ok().filter(|length| *length > 0).map(|_| answer));
    });
    receiver
}
