//! The API behind TLS, as it is in the world: certificates are checked, HTTP/2 is spoken where it is offered, and what
//! comes through is the same.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Options, Shape};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::bed::{Bed, Ran, TOKEN, rollbook};

const HTTP2: &[u8] = b"h2";

/// An authority of the test's own, as PEM, and a server configuration that it vouches for.
fn certified() -> (String, ServerConfig) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    (authority.pem(), config)
}

/// A server behind TLS until it is dropped, and the file of the authority that vouches for it.
struct Front {
    url: String,
    authority: std::path::PathBuf,
    _runtime: Runtime,
}

impl Front {
    /// In front of a bed's server, with these protocols on offer.
    fn of(bed: &Bed, protocols: &[&[u8]]) -> Self {
        let (authority, mut config) = certified();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let trusted = bed.folder.path().join("authority.pem");
        std::fs::write(&trusted, authority).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let behind = bed.server.base_url().trim_start_matches("http://").to_owned();
        runtime.spawn(accept(listener, config, behind));
        Self { url, authority: trusted, _runtime: runtime }
    }

    fn export(&self, bed: &Bed) -> Ran {
        let mut command = rollbook(bed.folder.path());
        command.args(["export", "--full", "--base-url", &self.url, "--dest"]).arg(bed.dataset());
        command.env("VIDEOSDK_TOKEN", TOKEN).env("ROLLBOOK_API_RETRY_BUDGET", "3s");
        // The most that can be logged: nothing may show the token, which the result is searched for.
        command.env("SSL_CERT_FILE", &self.authority).env("ROLLBOOK_LOG", "trace");
        Ran::of(command.output().unwrap())
    }
}

/// Takes TLS connections and hands what they carry to a plain server, until its runtime ends.
async fn accept(listener: TcpListener, config: ServerConfig, behind: String) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, behind) = (acceptor.clone(), behind.clone());
        tokio::spawn(async move {
            let Ok(mut outside) = acceptor.accept(socket).await else { return };
            if outside.get_ref().1.alpn_protocol() == Some(HTTP2) {
                let service = service_fn(move |request| pass_on(request, behind.clone()));
                let server = http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(outside), service).await;
            } else if let Ok(mut inside) = TcpStream::connect(behind).await {
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            }
        });
    }
}

/// Passes a request on to a server that speaks HTTP/1.1.
async fn pass_on(mut request: Request<Incoming>, behind: String) -> Result<Response<Incoming>, hyper::Error> {
    let socket = TcpStream::connect(&behind).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
    request.headers_mut().insert(HOST, HeaderValue::from_str(&behind).unwrap());
    let mut response = sender.send_request(request).await?;
    response.headers_mut().remove("connection");
    Ok(response)
}

fn bed() -> Bed {
    Bed::new(Options::new(Account::new(9, 300, Shape::Plain)))
}

#[test]
fn certificates_are_checked() {
    let bed = bed();
    let front = Front::of(&bed, &[]);
    let proven = front.export(&bed);
    assert_eq!(proven.code, 0, "{proven:?}");
    assert_eq!(bed.rows(Table::Sessions).len(), 300);

    let (stranger, _) = certified();
    std::fs::write(&front.authority, stranger).unwrap();
    let refused = front.export(&bed);
    assert_eq!(refused.code, 5, "{refused:?}");
    let told = format!("cannot connect to {}: its certificate is not to be trusted (", front.url);
    assert!(refused.stderr.contains(&told) && refused.stderr.contains("with SSL_CERT_FILE"), "{refused:?}");
}

#[test]
fn a_server_without_tls_is_told_as_such() {
    let bed = bed();
    let front = Front { url: bed.server.base_url().replace("http://", "https://"), ..Front::of(&bed, &[]) };
    let ran = front.export(&bed);
    assert!(ran.code == 5 && ran.stderr.contains(": the other side does not speak TLS ("), "{ran:?}");
}

#[test]
fn http_2_is_spoken_where_it_is_offered() {
    let bed = bed();
    // This front speaks nothing else.
    let ran = Front::of(&bed, &[HTTP2]).export(&bed);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(bed.rows(Table::Sessions).len(), 300);
}
