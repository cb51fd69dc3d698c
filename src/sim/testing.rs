//! A raw HTTP client for the tests of this folder: it sees what is on the wire, mended by no library.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::{Options, Server};

/// An answer as it came over the socket: status, headers, body.
pub(super) struct Response {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// A header's value; the name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The body, unpacked where it is compressed.
    pub(super) fn plain(&self) -> Vec<u8> {
        if self.header("content-encoding") != Some("gzip") {
            return self.body.clone();
        }
        let mut plain = Vec::new();
        GzDecoder::new(&*self.body).read_to_end(&mut plain).unwrap();
        plain
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.plain()).unwrap()
    }

    /// The ids of the rows of a page.
    pub(super) fn ids(&self) -> Vec<String> {
        self.json()["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    /// A field of `pageInfo` by its name: `total`.
    pub(super) fn info(&self, field: &str) -> Value {
        self.json()["pageInfo"][field].clone()
    }
}

/// A server with these options on a port of its own.
pub(super) async fn serve(options: Options) -> Server {
    Server::start(options, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap()
}

/// The first page's worth of a list request with this query.
pub(super) async fn list(server: &Server, query: &str) -> Response {
    get(server, &format!("/v1/meeting-sessions?{query}"), "").await.unwrap()
}

/// A GET on a connection of its own; `headers` are whole lines.
pub(super) async fn get(server: &Server, target: &str, headers: &str) -> io::Result<Response> {
    ask(server, "GET", target, headers).await
}

/// Any request on a connection of its own.
pub(super) async fn ask(server: &Server, method: &str, target: &str, headers: &str) -> io::Result<Response> {
    let address = server.address();
    let request = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n");
    tokio::task::spawn_blocking(move || exchange(address, &request)).await.unwrap()
}

/// Sends the request as it is, and reads until the server closes.
pub(super) fn exchange(address: SocketAddr, request: &str) -> io::Result<Response> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    let Some(split) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        end?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut body = bytes.split_off(split + 4);
    if head.contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    Ok(Response { status, head, body })
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    body
}
