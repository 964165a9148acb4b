//! A server that answers, lies and hangs up as a test tells it, and a clock that never waits.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use signpost_graph::{Client, Clock, Cloud, Config, Credential, SecretText};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

pub(crate) const PLANTED: &str = "Planted~Secret~Value";
pub(crate) const ADA: &str = "8c1e0000-0000-4000-8000-000000000001";

/// Time that passes only by waiting.
#[derive(Debug, Default)]
pub(crate) struct WaitingClock(AtomicI64);

impl WaitingClock {
    pub(crate) fn advance(&self, duration: Duration) {
        self.0
            .fetch_add(duration.as_millis() as i64, Ordering::Relaxed);
    }
}

impl Clock for WaitingClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.advance(duration.max(Duration::from_millis(1)));
        Box::pin(tokio::task::yield_now())
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path.split('?').next() == Some(path)
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Reads the request and hangs up.
    HangUp,
    /// Hangs up in the middle of the answer.
    Half,
}

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::text(status, "")
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        let error = json!({"error": {"code": code, "message": format!("{code} happened."),
            "innerError": {"request-id": "b1a7", "date": "2026-09-01T08:15:30"}}});
        Self::json(status, error)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

type Script = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

/// A server with a script; what the script leaves out it answers itself (only the token).
pub(crate) struct Server {
    pub(crate) base: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.base)
    }
}

impl Server {
    pub(crate) async fn start(
        script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(script);
        let (log, tokens) = (Arc::clone(&seen), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script, tokens) = (log.clone(), script.clone(), tokens.clone());
                tokio::spawn(async move { serve(stream, &log, &*script, &tokens).await });
            }
        });
        Self { base, seen }
    }

    /// Requests to Graph so far.
    pub(crate) fn calls(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|s| !is_token(s))
            .cloned()
            .collect()
    }

    /// Requests to the token endpoint so far.
    pub(crate) fn token_calls(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|s| is_token(s))
            .cloned()
            .collect()
    }

    pub(crate) fn config(&self, clock: &Arc<WaitingClock>) -> Config {
        let cloud = Cloud::Custom {
            authority: self.base.clone(),
            graph: self.base.clone(),
        };
        Config::new(
            cloud,
            "contoso.com".parse().unwrap(),
            "7f0c0000-0000-4000-8000-000000000001".parse().unwrap(),
            Credential::Secret(SecretText::new(PLANTED)),
            Arc::clone(clock) as Arc<dyn Clock>,
            7,
        )
    }

    pub(crate) fn client(&self) -> (Client, Arc<WaitingClock>) {
        let clock = Arc::new(WaitingClock::default());
        (Client::new(self.config(&clock)).unwrap(), clock)
    }
}

/// A reply for each request in turn; the last one stays.
pub(crate) fn in_turn(replies: Vec<Reply>) -> impl Fn(&Seen) -> Option<Reply> + Send + Sync {
    let next = AtomicUsize::new(0);
    move |seen| {
        if is_token(seen) {
            return None;
        }
        let at = next.fetch_add(1, Ordering::Relaxed);
        Some(replies[at.min(replies.len() - 1)].clone())
    }
}

pub(crate) fn is_token(seen: &Seen) -> bool {
    seen.path.ends_with("/oauth2/v2.0/token")
}

async fn serve(stream: TcpStream, log: &Mutex<Vec<Seen>>, script: &Script, tokens: &AtomicUsize) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read_request(&mut stream).await {
        log.lock().unwrap().push(seen.clone());
        let reply = script(&seen).unwrap_or_else(|| {
            let n = tokens.fetch_add(1, Ordering::Relaxed) + 1;
            Reply::json(
                200,
                json!({"token_type": "Bearer", "expires_in": 3600,
                "access_token": format!("token-{n}")}),
            )
        });
        let Reply::Answer {
            status,
            headers,
            body,
        } = reply
        else {
            if matches!(reply, Reply::Half) {
                let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"value\":[";
                stream.write_all(half).await.unwrap();
            }
            return;
        };
        let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head = format!("{head}{name}: {value}\r\n");
        }
        if stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(n, _)| n == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen {
        method,
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}
