//! As much of an HTTP client as the demo, the benchmarks and the fault tests need: one host, kept-alive requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// One answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as sent.
    pub body: Vec<u8>,
    /// Path of the next page, where the answer names one.
    pub next: Option<String>,
}

/// A connection that is used again and again.
#[derive(Debug)]
pub struct Connection {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to the host and port of a URL such as `http://127.0.0.1:8080`.
    pub fn open(url: &str) -> Result<Self> {
        Self::open_within(url, TIMEOUT)
    }

    /// As [`Connection::open`], and no answer may take longer than this.
    pub fn open_within(url: &str, timeout: Duration) -> Result<Self> {
        let host = url
            .strip_prefix("http://")
            .with_context(|| format!("{url} is no plain http address"))?
            .trim_end_matches('/');
        let stream =
            TcpStream::connect(host).with_context(|| format!("cannot connect to {url}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        Ok(Self {
            host: host.to_owned(),
            stream: BufReader::with_capacity(64 * 1024, stream),
        })
    }

    /// Asks for a path.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.answer().with_context(|| format!("GET {path}"))
    }

    /// Sends JSON; `encoding` is the content encoding of the body, such as `zstd`.
    pub fn post(&mut self, path: &str, body: &[u8], encoding: Option<&str>) -> Result<Answer> {
        self.send("POST", path, body, encoding)
    }

    /// Sends JSON to be kept under this path.
    pub fn put(&mut self, path: &str, body: &[u8]) -> Result<Answer> {
        self.send("PUT", path, body, None)
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        encoding: Option<&str>,
    ) -> Result<Answer> {
        let encoding = encoding.map_or(String::new(), |name| {
            format!("content-encoding: {name}\r\n")
        });
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             {encoding}content-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        self.answer().with_context(|| format!("{method} {path}"))
    }

    fn answer(&mut self) -> Result<Answer> {
        let status_line = self.line()?;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .with_context(|| format!("not HTTP: {status_line}"))?;
        let mut length = None;
        let mut chunked = false;
        let mut next = None;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = Some(value.trim().parse::<u64>()?);
            }
            if lower.starts_with("link:") {
                next = next_page(&line);
            }
            chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let size = u64::from_str_radix(self.line()?.trim(), 16)?;
                self.take(size, &mut body)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else {
            self.take(length.unwrap_or(0), &mut body)?;
        }
        Ok(Answer { status, body, next })
    }

    fn take(&mut self, size: u64, body: &mut Vec<u8>) -> Result<()> {
        if body.len() as u64 + size > ANSWER_BYTES_MAX {
            bail!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
        }
        let read = self.stream.by_ref().take(size).read_to_end(body)?;
        if (read as u64) < size {
            bail!("the answer was cut off");
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// The target of `link: </path?cursor=x>; rel="next"`.
fn next_page(header: &str) -> Option<String> {
    let link = header
        .split(',')
        .find(|link| link.contains("rel=\"next\""))?;
    let (_, rest) = link.split_once('<')?;
    let (target, _) = rest.split_once('>')?;
    Some(target.to_owned())
}

/// Asks once, on a connection of its own, and reads the answer as JSON.
pub fn get_json(url: &str, path: &str) -> Result<serde_json::Value> {
    let answer = Connection::open(url)?.get(path)?;
    if answer.status != 200 {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        bail!("GET {url}{path} answered {}: {text}", answer.status);
    }
    serde_json::from_slice(&answer.body)
        .with_context(|| format!("GET {url}{path} answered no JSON"))
}

#[cfg(test)]
mod tests {
    use super::next_page;

    #[test]
    fn the_next_page_is_read_from_the_link() {
        let header = "Link: </results?limit=1&cursor=a-b>; rel=\"next\"";
        let path = next_page(header);
        assert_eq!(path.as_deref(), Some("/results?limit=1&cursor=a-b"));
        assert_eq!(next_page("Link: </results>; rel=\"prev\""), None);
    }
}
