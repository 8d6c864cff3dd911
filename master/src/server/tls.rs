//! TLS: certificate and key out of two files, and safe connections made with them.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use shared::error::PROBLEM_MEDIA_TYPE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;

/// Longest time for a connection to become safe. Shorter than what connections get when the master stops.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The first byte of every TLS connection: a handshake record.
const HANDSHAKE: u8 = 0x16;

/// Longest time for a client that speaks plain HTTP to be told and to go.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// Most bytes of such a client that are read, so that it gets to see the answer.
const FAREWELL_BYTES_MAX: u64 = 64 * 1024;

/// Permission to read for everybody.
const READABLE_BY_OTHERS: u32 = 0o004;

/// What a client that speaks plain HTTP is told. It cannot be told by which name it wanted to reach the master.
const FAREWELL: &str = r#"{"status":400,"title":"Bad Request","detail":"this port speaks https; write https:// instead of http://","code":"https_required","request_id":""}"#;

/// The certificate in use, which can be exchanged while connections go on.
#[derive(Debug)]
pub(super) struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads certificate and key. An error names the file that cannot be used.
    pub(super) fn open(files: &TlsFiles) -> anyhow::Result<Self> {
        Ok(Self {
            files: files.clone(),
            current: RwLock::new(read(files)?),
        })
    }

    /// Reads the files again, for connections from now on. When they cannot be used, nothing changes.
    pub(super) fn reload(&self) -> anyhow::Result<()> {
        let new = read(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// What makes the next connection safe.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current))
    }
}

fn read(files: &TlsFiles) -> anyhow::Result<Arc<ServerConfig>> {
    let chain = certificates(&files.certificate)?;
    let key = key(&files.key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS cannot be set up")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| {
            anyhow!(
                "--tls-cert {} and --tls-key {} cannot be used together: {error}",
                files.certificate.display(),
                files.key.display()
            )
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let shown = file.display();
    let chain: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| anyhow!("--tls-cert {shown}: {}", reason(error)))?;
    if chain.is_empty() {
        bail!("--tls-cert {shown}: there is no certificate in it (BEGIN CERTIFICATE)");
    }
    Ok(chain)
}

fn key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let shown = file.display();
    let key = PrivateKeyDer::from_pem_file(file).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            anyhow!("--tls-key {shown}: there is no private key in it (BEGIN PRIVATE KEY)")
        }
        error => anyhow!("--tls-key {shown}: {}", reason(error)),
    })?;
    let mode = std::fs::metadata(file).map(|file| file.permissions().mode());
    if mode.is_ok_and(|mode| mode & READABLE_BY_OTHERS != 0) {
        tracing::warn!(
            "--tls-key {shown} can be read by everybody on this machine; `chmod o-r` takes that away"
        );
    }
    Ok(key)
}

/// The library's own words for a file that is not there say more about its types.
fn reason(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        error => format!("is no PEM: {error}"),
    }
}

/// Makes a connection safe, in bounded time. A client that speaks plain HTTP is told what to write instead.
pub(super) async fn handshake(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long");
    let mut first = [0];
    let seen = timeout(HANDSHAKE_TIMEOUT, stream.peek(&mut first)).await;
    match seen.map_err(|_| late())?? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ if first == [HANDSHAKE] => {
            let accepted = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
            accepted.map_err(|_| late())?
        }
        _ => {
            // Whether it listens is its own affair.
            let _ = timeout(FAREWELL_TIMEOUT, say_farewell(stream)).await;
            Err(io::Error::other("the client does not speak TLS"))
        }
    }
}

/// What is not read when a connection is closed makes the other side lose what it was told.
async fn say_farewell(mut stream: TcpStream) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: {PROBLEM_MEDIA_TYPE}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{FAREWELL}",
        FAREWELL.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(FAREWELL_BYTES_MAX);
    let mut buffer = [0; 4096];
    while rest.read(&mut buffer).await? > 0 {}
    Ok(())
}
