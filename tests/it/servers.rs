//! Object stores on this machine: installed on first use under `target/`, versions pinned, each on a port of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::python::{python, run};

/// The account that every Azurite has, and its key.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A running object store; it is stopped when it is dropped.
pub struct ObjectStore {
    child: Child,
    scheme: &'static str,
    /// What a program needs to get in.
    pub environment: Vec<(String, String)>,
    _folder: tempfile::TempDir,
}

impl ObjectStore {
    /// S3 as moto has it, which honours conditions.
    pub fn moto() -> Self {
        let port = free_port();
        let mut command = Command::new(python().with_file_name("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let store = Self::start(command, port, "s3", s3(port), tempfile::tempdir().unwrap());
        request(port, "PUT /bucket HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        store
    }

    /// S3 as s3rver has it, which ignores conditions.
    pub fn s3rver() -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let mut command = node("s3rver");
        command.args(["-d", folder.path().to_str().unwrap(), "-a", "127.0.0.1", "-p", &port.to_string()]);
        command.args(["--configure-bucket", "bucket"]);
        let mut environment = s3(port);
        for (name, value) in &mut environment {
            if name.ends_with("KEY_ID") || name.ends_with("ACCESS_KEY") {
                "S3RVER".clone_into(value);
            }
        }
        Self::start(command, port, "s3", environment, folder)
    }

    /// Azure as Azurite has it.
    pub fn azurite() -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let mut command = node("azurite-blob");
        command.args(["--silent", "--skipApiVersionCheck", "--blobHost", "127.0.0.1"]);
        command.args(["--blobPort", &port.to_string(), "--location", folder.path().to_str().unwrap()]);
        let environment = [
            ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
            ("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{port}/{ACCOUNT}")),
            ("AZURE_ALLOW_HTTP", "true".to_owned()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let store = Self::start(command, port, "az", environment, folder);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/create_container.py");
        crate::python::run(Command::new(python()).arg(script).args([&port.to_string(), "bucket", ACCOUNT, KEY]));
        store
    }

    fn start(
        mut command: Command,
        port: u16,
        scheme: &'static str,
        environment: Vec<(String, String)>,
        folder: tempfile::TempDir,
    ) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let store = Self { child, scheme, environment, _folder: folder };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return store;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no object store listens on port {port}");
    }

    /// Puts an object into an S3 store, whatever was there.
    pub fn put(&self, key: &str, text: &str) {
        let script = "import boto3, os, sys\n\
            s3 = boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT'])\n\
            s3.put_object(Bucket='bucket', Key=sys.argv[1], Body=sys.argv[2].encode())";
        run(Command::new(python()).args(["-c", script, key, text]).envs(self.environment.clone()));
    }

    /// The URL of a dataset in it.
    pub fn url(&self, name: &str) -> String {
        format!("{}://bucket/{name}", self.scheme)
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn s3(port: u16) -> Vec<(String, String)> {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Sends a request and reads the answer.
fn request(port: u16, request: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// A program of the pinned packages.
fn node(program: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wanted = std::fs::read_to_string(root.join("tests/servers/package.json")).unwrap();
    let folder = root.join("target/node");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let stamp: PathBuf = folder.join("installed.json");
    if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
        std::fs::write(folder.join("package.json"), &wanted).unwrap();
        run(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder));
        std::fs::write(stamp, wanted).unwrap();
    }
    Command::new(folder.join("node_modules/.bin").join(program))
}
