//! A server for tests that answers from a script, on a real socket. It ends with the test's runtime.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// What the server does with one request.
pub enum Step {
    /// Writes these bytes and waits for the next request.
    Answer(Vec<u8>),
    /// Writes these bytes and closes the connection.
    Cut(Vec<u8>),
    /// Writes these bytes and then nothing more, for a minute.
    Stall(Vec<u8>),
    /// Waits for so long, then writes these bytes.
    Late(Duration, Vec<u8>),
}

/// What the server has seen.
#[derive(Default)]
pub struct Seen {
    heads: Mutex<Vec<String>>,
    connections: AtomicUsize,
    active: AtomicUsize,
    peak: AtomicUsize,
}

/// A server under way; dropped, it goes on until the test's runtime ends.
pub struct Canned {
    pub address: SocketAddr,
    seen: Arc<Seen>,
}

type Script = dyn Fn(usize, &str) -> Step + Send + Sync;

impl Canned {
    /// Listens; `script` gets the number of the request, from 0, and its head.
    pub async fn start(script: impl Fn(usize, &str) -> Step + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (shared, script): (_, Arc<Script>) = (Arc::clone(&seen), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&shared), Arc::clone(&script)));
            }
        });
        Self { address, seen }
    }

    /// The heads of the requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap().clone()
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.heads().len()
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many requests were being served at once, at most.
    pub fn peak(&self) -> usize {
        self.seen.peak.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Seen>, script: Arc<Script>) {
    while let Some(head) = head(&mut stream).await {
        let number = {
            let mut heads = seen.heads.lock().unwrap();
            heads.push(head.clone());
            heads.len() - 1
        };
        let active = seen.active.fetch_add(1, Ordering::SeqCst) + 1;
        seen.peak.fetch_max(active, Ordering::SeqCst);
        let step = script(number, &head);
        if let Step::Late(wait, _) = &step {
            sleep(*wait).await;
        }
        seen.active.fetch_sub(1, Ordering::SeqCst);
        let (Step::Answer(bytes) | Step::Cut(bytes) | Step::Stall(bytes) | Step::Late(_, bytes)) = &step;
        if stream.write_all(bytes).await.is_err() {
            return;
        }
        match step {
            Step::Answer(_) | Step::Late(..) => {}
            Step::Cut(_) => return,
            Step::Stall(_) => sleep(Duration::from_mins(1)).await,
        }
    }
}

/// The head of the next request, of 16 KiB at most.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 << 10 {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// An answer with this status line and these header lines.
pub fn answer(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    let status = format!("HTTP/1.1 {status}");
    let lines: Vec<_> = [status.as_str()].into_iter().chain(headers.iter().copied()).chain([length.as_str()]).collect();
    let mut bytes = lines.join("\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A page without sessions: `{"data":[]}`.
pub fn page() -> Step {
    Step::Answer(answer("200 OK", &[], "{\"data\":[]}"))
}

/// An answer without a body.
pub fn status(status: &str, headers: &[&str]) -> Step {
    Step::Answer(answer(status, headers, ""))
}
