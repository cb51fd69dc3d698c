//! A cache between the tool and the API, as a company's proxy may be one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Which of the paths that it knows it answers by itself: those whose number among all has this remainder.
#[derive(Debug, Clone, Copy)]
pub struct Stale {
    pub of: u64,
    pub remainder: u64,
}

struct Shared {
    behind: Mutex<String>,
    stale: Mutex<Option<Stale>>,
    /// The number of a path, and its first answer.
    known: Mutex<HashMap<String, (u64, Vec<u8>)>>,
}

/// A cache that listens until it is dropped.
pub struct Front {
    shared: Arc<Shared>,
    url: String,
    runtime: Runtime,
}

impl Front {
    /// Passes everything on to a server, and remembers the answers.
    pub fn of(behind: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared { behind: Mutex::default(), stale: Mutex::default(), known: Mutex::default() };
        let front = Self { shared: Arc::new(shared), url, runtime };
        front.turn_to(behind, None);
        let shared = Arc::clone(&front.shared);
        front.runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&shared).answer(socket));
            }
        });
        front
    }

    /// Passes on to another server what it does not answer by itself.
    pub fn turn_to(&self, behind: &str, stale: Option<Stale>) {
        behind.trim_start_matches("http://").clone_into(&mut self.shared.behind.lock().unwrap());
        *self.shared.stale.lock().unwrap() = stale;
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Shared {
    /// Answers one request and hangs up.
    async fn answer(self: Arc<Self>, mut socket: TcpStream) -> std::io::Result<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            if socket.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = match self.remembered(&path) {
            Some(answer) => answer,
            None => self.fetch(&request, path).await?,
        };
        socket.write_all(&answer).await?;
        socket.shutdown().await
    }

    fn remembered(&self, path: &str) -> Option<Vec<u8>> {
        let stale = (*self.stale.lock().unwrap())?;
        let known = self.known.lock().unwrap();
        let (number, answer) = known.get(path)?;
        (number % stale.of == stale.remainder).then(|| answer.clone())
    }

    async fn fetch(&self, request: &str, path: String) -> std::io::Result<Vec<u8>> {
        let behind = self.behind.lock().unwrap().clone();
        let mut server = TcpStream::connect(behind).await?;
        server.write_all(request.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).await?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).await?;
        let mut known = self.known.lock().unwrap();
        let number = known.len() as u64;
        known.entry(path).or_insert_with(|| (number, answer.clone()));
        Ok(answer)
    }
}
