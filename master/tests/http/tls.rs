//! https: made by the master itself, with certificates that were made for the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use master::config::TlsFiles;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{App, client, sqlite_url};

/// A certificate for 127.0.0.1 and its key, as files.
struct Certificate {
    folder: TempDir,
    pem: String,
}

impl Certificate {
    fn new() -> Self {
        let certificate = Self {
            folder: tempfile::tempdir().unwrap(),
            pem: String::new(),
        };
        certificate.renewed()
    }

    /// Another certificate in the same files.
    fn renewed(self) -> Self {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let pem = made.cert.pem();
        fs::write(self.file("cert.pem"), &pem).unwrap();
        fs::write(self.file("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(self.file("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        Self { pem, ..self }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.file("cert.pem"),
            key: self.file("key.pem"),
        }
    }

    /// A client that trusts this certificate and nothing else.
    fn client(&self) -> reqwest::Client {
        drop(client());
        let certificate = reqwest::Certificate::from_pem(self.pem.as_bytes()).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([certificate])
            .no_proxy()
            .build()
            .unwrap()
    }
}

async fn start(certificate: &Certificate) -> App {
    let files = certificate.files();
    App::start_with(|config| config.tls = Some(files)).await
}

#[tokio::test]
async fn results_are_taken_and_read_over_https() {
    let certificate = Certificate::new();
    let app = start(&certificate).await;
    assert!(app.url.starts_with("https://127.0.0.1:"), "{}", app.url);
    let client = certificate.client();
    let results = format!("{}/results", app.url);
    let run = json!({"run_id": "r", "worker_id": "w", "passed": 1});
    let saved = client.post(&results).json(&run).send().await.unwrap();
    assert_eq!(saved.status(), 201);
    let answer = client.get(&results).send().await.unwrap();
    assert_eq!(
        answer.headers()["strict-transport-security"],
        "max-age=15768000"
    );
    assert!(answer.text().await.unwrap().contains("\"run_id\":\"r\""));
    // Other programs are `localhost` as well, and speak http.
    let local = app.url.replace("127.0.0.1", "localhost");
    let answer = client.get(format!("{local}/health")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("strict-transport-security"));
    app.stop().await;
    let plain = App::start().await;
    let answer = plain.get("/health").await;
    assert_eq!(answer.header("strict-transport-security"), "");
    plain.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_know_the_certificate_goes_away() {
    let app = start(&Certificate::new()).await;
    let stranger = Certificate::new().client();
    assert!(
        stranger
            .get(format!("{}/health", app.url))
            .send()
            .await
            .is_err()
    );
    app.stop().await;
}

#[tokio::test]
async fn plain_http_is_told_to_come_back_with_https() {
    let certificate = Certificate::new();
    let app = start(&certificate).await;
    let address = app.url.strip_prefix("https://").unwrap().to_owned();
    let answer = client()
        .get(format!("http://{address}/health"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "https_required");
    // What is neither is closed, too.
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(&[0x16, 3, 1, 0xff, 0xff]).await.unwrap();
    stream.write_all(&vec![0; 70_000]).await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest));
    // An end or a reset, but soon.
    let _ = read.await.expect("the connection stayed open");
    app.stop().await;
}

#[tokio::test]
async fn who_never_ends_his_handshake_holds_up_nobody() {
    let certificate = Certificate::new();
    let mut app = start(&certificate).await;
    let address = app.url.strip_prefix("https://").unwrap().to_owned();
    let mut silent = Vec::new();
    for number in 0..50 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        if number % 2 == 0 {
            // The beginning of a handshake whose rest never comes.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await.unwrap();
        }
        silent.push(stream);
    }
    let asked = Instant::now();
    let health = format!("{}/health", app.url);
    assert_eq!(
        certificate
            .client()
            .get(health)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    let mut last = silent.pop().unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), last.read_to_end(&mut rest));
    let _ = read.await.expect("the silent connection stayed open");
    app.begin_to_stop();
    app.stop_begun().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let certificate = Certificate::new();
    let other = Certificate::new();
    let text = certificate.file("text.pem");
    fs::write(&text, "no certificate").unwrap();
    let broken = certificate.file("broken.pem");
    fs::write(
        &broken,
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let missing = certificate.file("missing.pem");
    let good = certificate.files();
    for (cert, key, told) in [
        (&missing, &good.key, "--tls-cert"),
        (&text, &good.key, "there is no certificate in it"),
        (&broken, &good.key, "--tls-cert"),
        (&good.certificate, &missing, "--tls-key"),
        (&good.certificate, &text, "there is no private key in it"),
        (
            &good.certificate,
            &good.certificate,
            "there is no private key in it",
        ),
        (
            &good.certificate,
            &other.file("key.pem"),
            "cannot be used together",
        ),
    ] {
        let error = refused(cert, key);
        assert!(error.contains(told), "{error}");
        let named = [cert, key]
            .into_iter()
            .any(|file| error.contains(file.to_str().unwrap()));
        assert!(named, "{error}");
    }
    let one = Command::new(env!("CARGO_BIN_EXE_pytest-platform-master"))
        .args(["--listen", "127.0.0.1:0", "--tls-cert", "cert.pem"])
        .env_remove("TLS_KEY")
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&one.stderr).contains("--tls-key"),
        "{one:?}"
    );
}

/// What a master says that does not start.
fn refused(cert: &Path, key: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), cert, key).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

fn command(folder: &Path, cert: &Path, key: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pytest-platform-master"));
    command
        .args(["--listen", "127.0.0.1:0", "--tls-cert"])
        .arg(cert)
        .arg("--tls-key")
        .arg(key)
        .env("DATABASE_URL", sqlite_url(folder))
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// A master in a process of its own, and what it says.
struct Process {
    child: Child,
    lines: Receiver<String>,
    _folder: TempDir,
}

impl Process {
    fn start(certificate: &Certificate) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = certificate.files();
        let mut command = command(folder.path(), &files.certificate, &files.key);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let log = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            lines,
            _folder: folder,
        }
    }

    /// The next line with these words.
    fn says(&self, words: &str) -> String {
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(20))
                .expect(words);
            if line.contains(words) {
                return line;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn sighup_takes_a_new_certificate_and_keeps_the_old_one_when_the_new_is_bad() {
    let certificate = Certificate::new();
    let master = Process::start(&certificate);
    let line = master.says("listening on https://");
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("https://"));
    let health = format!("{}/health", url.unwrap().trim_end_matches(','));
    let first = certificate.client();
    assert_eq!(first.get(&health).send().await.unwrap().status(), 200);
    let certificate = certificate.renewed();
    kill_process(Pid::from_child(&master.child), Signal::HUP).unwrap();
    master.says("were read again");
    let renewed = certificate.client();
    assert_eq!(renewed.get(&health).send().await.unwrap().status(), 200);
    fs::write(certificate.file("key.pem"), "nothing").unwrap();
    kill_process(Pid::from_child(&master.child), Signal::HUP).unwrap();
    let told = master.says("the old certificate stays in use");
    assert!(told.contains("key.pem"), "{told}");
    let again = certificate.client();
    assert_eq!(again.get(&health).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_key_that_everybody_can_read_is_warned_about() {
    let certificate = Certificate::new();
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(certificate.file("key.pem"), open).unwrap();
    let master = Process::start(&certificate);
    let told = master.says("can be read by everybody");
    assert!(told.contains("key.pem"), "{told}");
}
