//! A load generator that costs little itself: one blocking thread per connection, requests made
//! beforehand, answers read to their end and thrown away.

use std::borrow::Cow;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest silence before a request counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that asks for a page.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    message("GET", address, path, headers, "")
}

/// A request that posts a form.
pub(crate) fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    form: &str,
) -> Vec<u8> {
    let length = form.len().to_string();
    let origin = format!("http://{address}");
    let mut all = vec![
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", length.as_str()),
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
    ];
    all.extend_from_slice(headers);
    message("POST", address, path, &all, form)
}

fn message(
    method: &str,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Vec<u8> {
    let headers: String = headers
        .iter()
        .flat_map(|(name, value)| [*name, ": ", *value, "\r\n"])
        .collect();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/html\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) bytes: Cow<'a, [u8]>,
}

impl Answer<'_> {
    /// Head and body as text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// The value of the first header of this name, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map(str::to_owned)
    }
}

/// One request on a connection of its own.
pub(crate) fn fetch(address: SocketAddr, request: &[u8]) -> Result<Answer<'static>> {
    let mut connection = Connection::open(address)?;
    let status = connection.exchange(request)?.status;
    Ok(Answer {
        status,
        bytes: Cow::Owned(connection.buffer),
    })
}

/// What came of a round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Microseconds of each answer.
    pub(crate) latencies: Vec<u64>,
    pub(crate) failures: usize,
    pub(crate) seconds: f64,
}

impl Round {
    /// Answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    /// The latency in ms that this share of the answers stays under.
    pub(crate) fn percentile(&mut self, share: f64) -> f64 {
        self.latencies.sort_unstable();
        let at = (self.latencies.len() as f64 * share) as usize;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies
            .get(at.min(last))
            .map_or(f64::NAN, |micros| *micros as f64 / 1_000.0)
    }
}

/// Sends requests on this many connections for this long; `make` numbers them, and `is_good` looks
/// at each answer.
pub(crate) fn run(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    is_good: &(dyn Fn(&Answer<'_>) -> bool + Sync),
    make: &(dyn Fn(usize) -> Vec<u8> + Sync),
) -> Round {
    repeat(address, connections, time, &|number, connection| {
        connection
            .exchange(&make(number))
            .map(|answer| is_good(&answer))
    })
}

/// Does the same on this many connections for this long; the work is numbered, and says whether it
/// went well.
pub(crate) fn repeat(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    work: &(dyn Fn(usize, &mut Connection) -> Result<bool> + Sync),
) -> Round {
    let start = Instant::now();
    let deadline = start + time;
    let rounds: Vec<Round> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|number| {
                scope.spawn(move || keep_working(address, deadline, number, connections, work))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut all = Round::default();
    for round in rounds {
        all.latencies.extend(round.latencies);
        all.failures += round.failures;
    }
    all.seconds = start.elapsed().as_secs_f64();
    all
}

fn keep_working(
    address: SocketAddr,
    deadline: Instant,
    first: usize,
    step: usize,
    work: &(dyn Fn(usize, &mut Connection) -> Result<bool> + Sync),
) -> Round {
    let mut round = Round::default();
    let mut connection = Connection::open(address).unwrap();
    for number in (first..).step_by(step) {
        let begin = Instant::now();
        if begin >= deadline {
            break;
        }
        match work(number, &mut connection) {
            Ok(true) => {
                let micros = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
                round.latencies.push(micros);
            }
            Ok(false) => round.failures += 1,
            Err(_) => {
                round.failures += 1;
                connection = Connection::open(address).unwrap();
            }
        }
    }
    round
}

/// One connection, kept open between requests.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(64 * 1_024),
        })
    }

    /// Sends a request and reads its answer to the end.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let mut chunk = [0; 16 * 1_024];
        let mut end = None;
        while !end.is_some_and(|end: End| end.is_reached(&self.buffer)) {
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&chunk[..read]);
            if end.is_none() {
                end = End::of(&self.buffer);
            }
        }
        let status = self
            .buffer
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let status = status
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| Error::from(ErrorKind::InvalidData))?;
        Ok(Answer {
            status,
            bytes: Cow::Borrowed(&self.buffer),
        })
    }
}

/// Where an answer ends.
#[derive(Clone, Copy)]
enum End {
    At(usize),
    LastChunk,
}

impl End {
    fn of(buffer: &[u8]) -> Option<Self> {
        let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let text = std::str::from_utf8(&buffer[..head])
            .ok()?
            .to_ascii_lowercase();
        if text.contains("transfer-encoding: chunked") {
            return Some(Self::LastChunk);
        }
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(Ok(0), str::parse);
        Some(Self::At(head + 4 + length.unwrap_or(0)))
    }

    fn is_reached(self, buffer: &[u8]) -> bool {
        match self {
            Self::At(end) => buffer.len() >= end,
            Self::LastChunk => buffer.ends_with(b"\r\n0\r\n\r\n"),
        }
    }
}
