//! A proxy in front of an object store that writes down what is asked and lets chosen requests fail in chosen ways.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request, as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
}

impl Asked {
    /// The value of a header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Whether it writes a file of a table.
    pub fn writes_table(&self) -> bool {
        self.method == "PUT" && self.target.contains(".parquet")
    }
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The store answers.
    Pass,
    /// The store never sees it; this is the answer.
    Answer(u16, String),
    /// The store does it; this is the answer.
    Done(u16, String),
    /// The connection breaks before the store sees it.
    Reset,
    /// The store does it, and the connection breaks before the answer.
    Lost,
    /// The answer comes late.
    Late(Duration),
    /// The answer breaks off in its body.
    Cut,
    /// No answer comes.
    Silence,
}

type Rule = Box<dyn FnMut(&Asked) -> Fate + Send>;

struct Shared {
    rule: Rule,
    asked: Vec<Asked>,
}

/// A running proxy; it ends with the test.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    /// In front of a port of this machine.
    pub fn before(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared { rule: Box::new(|_| Fate::Pass), asked: Vec::new() }));
        let of_all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = Arc::clone(&of_all);
                // A client that hangs up is no fault of the proxy.
                std::thread::spawn(move || serve(socket, upstream, &shared).unwrap_or_default());
            }
        });
        Self { port, shared }
    }

    /// From now on requests have this fate.
    pub fn rule(&self, rule: impl FnMut(&Asked) -> Fate + Send + 'static) {
        let mut shared = self.shared.lock().unwrap();
        shared.rule = Box::new(rule);
        shared.asked.clear();
    }

    /// What has been asked since the rule was set.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().unwrap().asked.clone()
    }
}

fn serve(socket: TcpStream, upstream: u16, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (Some(method), Some(target)) = (first.next(), first.next()) else { return Ok(()) };
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    let asked = Asked { method, target, headers: lines.filter_map(header).collect() };
    let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let fate = {
        let mut shared = shared.lock().unwrap();
        shared.asked.push(asked.clone());
        (shared.rule)(&asked)
    };
    act(&fate, socket, &asked, &body, upstream)
}

fn act(fate: &Fate, mut socket: TcpStream, asked: &Asked, body: &[u8], upstream: u16) -> std::io::Result<()> {
    match fate {
        Fate::Pass => socket.write_all(&forward(asked, body, upstream)?)?,
        Fate::Answer(status, text) => socket.write_all(answer(*status, text).as_bytes())?,
        Fate::Done(status, text) => {
            forward(asked, body, upstream)?;
            socket.write_all(answer(*status, text).as_bytes())?;
        }
        Fate::Reset => {}
        Fate::Lost => drop(forward(asked, body, upstream)?),
        Fate::Late(by) => {
            std::thread::sleep(*by);
            socket.write_all(&forward(asked, body, upstream)?)?;
        }
        Fate::Cut => {
            let answer = forward(asked, body, upstream)?;
            socket.write_all(&answer[..answer.len() - 10.min(answer.len())])?;
        }
        Fate::Silence => drop(socket.read(&mut [0])), // until the other side hangs up
    }
    socket.shutdown(Shutdown::Both)
}

fn answer(status: u16, text: &str) -> String {
    format!("HTTP/1.1 {status} Chosen\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len())
}

fn forward(asked: &Asked, body: &[u8], upstream: u16) -> std::io::Result<Vec<u8>> {
    let others = asked.headers.iter().filter(|(name, _)| name != "connection");
    let headers: Vec<_> = others.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (method, target) = (&asked.method, &asked.target);
    let request = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n{}\r\n", headers.concat());
    let mut store = TcpStream::connect(("127.0.0.1", upstream))?;
    store.write_all(request.as_bytes())?;
    store.write_all(body)?;
    let mut answer = Vec::new();
    store.read_to_end(&mut answer)?;
    Ok(answer)
}
