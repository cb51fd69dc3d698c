//! An object store that never ends: its answers are read no further than any of them can go.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::options::Given;
use super::{Remote, Store};
use crate::error::Kind;
use crate::store::files::Below;
use crate::store::place::Place;
use crate::words::limits;

/// A store on this machine. `answer` gets the target of each request and where the answer goes, with its head written.
fn store(spool: &Path, answer: fn(&str, &mut dyn Write) -> std::io::Result<()>) -> Remote {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, answer));
        }
    });
    let options = [
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_ENDPOINT", &endpoint),
        ("AWS_ALLOW_HTTP", "true"),
    ];
    let options = options.map(|(name, value)| Given::by_variable(name, value));
    let Ok(Place::Objects(place)) = Place::parse("s3://bucket/data") else { panic!() };
    Remote::open(&place, &options, &Below::named(spool), Duration::from_secs(20)).unwrap()
}

/// Answers one request; the body ends with the connection, or when the client has had enough.
fn serve(mut stream: TcpStream, answer: fn(&str, &mut dyn Write) -> std::io::Result<()>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(request)) = lines.next() else { return };
    let _ = lines.map_while(Result::ok).find(String::is_empty);
    let target = request.split(' ').nth(1).unwrap_or_default();
    // An object must have a length; a list need not.
    let length = if target.contains("list-type") { "" } else { "Content-Length: 1099511627776\r\n" };
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"a\"\r\n{length}\
         Last-Modified: Sun, 01 Nov 2026 00:00:00 GMT\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| answer(target, &mut stream));
}

fn endless(piece: &[u8], to: &mut dyn Write) -> std::io::Result<()> {
    let pieces = piece.repeat(1 << 10);
    loop {
        to.write_all(&pieces)?;
    }
}

#[test]
fn an_answer_to_a_list_that_never_ends_is_given_up() {
    let spool = tempfile::tempdir().unwrap();
    let store = store(spool.path(), |_, to| endless(b"<ListBucketResult>", to));
    let error = store.list("sessions").unwrap_err();
    assert_eq!(error.kind(), Kind::Destination);
    let text = error.render();
    assert!(text.contains("s3://bucket/data/sessions") && text.contains("more than 16777216 bytes"), "{text}");
}

#[test]
fn a_list_that_never_ends_is_given_up() {
    let spool = tempfile::tempdir().unwrap();
    let store = store(spool.path(), |_, to| {
        let file = |number: usize| {
            format!(
                "<Contents><Key>data/sessions/{number}</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>\
                 <ETag>\"a\"</ETag><Size>1</Size></Contents>"
            )
        };
        let files: String = (0..1000).map(file).collect();
        write!(
            to,
            "<?xml version=\"1.0\"?><ListBucketResult><Name>bucket</Name><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys>\
             <IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>{files}</ListBucketResult>"
        )
    });
    let error = store.list("sessions").unwrap_err();
    assert_eq!(error.kind(), Kind::Destination);
    let begin = "error: the folder holds more than 200000 files: s3://bucket/data/sessions\nhint: ";
    assert!(error.render().starts_with(begin), "{}", error.render());
}

#[test]
fn a_record_that_never_ends_is_none() {
    let spool = tempfile::tempdir().unwrap();
    let store = store(spool.path(), |_, to| endless(b"{\"gone\":[\"", to));
    let (bytes, _) = (&store as &dyn Store).read("_rollbook/state.json").unwrap().unwrap();
    assert!(bytes.is_empty());
    let file = store.open("_rollbook/state.json").unwrap().unwrap().0;
    assert_eq!(file.metadata().unwrap().len(), limits::RECORD + 1);
}
