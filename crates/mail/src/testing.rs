//! A mail server for tests: takes mail on this machine, keeps it, and refuses what it is told to.
#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A mail that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    pub from: String,
    pub to: String,
    /// Headers and text, as they were sent.
    pub data: String,
}

/// How the server behaves.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// Name and password, as `AUTH PLAIN` carries them; empty asks for none.
    pub login: Option<(String, String)>,
    /// What it says to `RCPT TO` instead of yes.
    pub refusal: Option<&'static str>,
    /// Hangs up before it has greeted.
    pub hangs_up: bool,
}

/// A running server.
#[derive(Debug, Clone)]
pub struct SmtpServer {
    /// On this machine.
    pub port: u16,
    behaviour: Arc<Mutex<Behaviour>>,
    arrived: watch::Sender<Vec<Arrived>>,
}

impl SmtpServer {
    /// Starts a server on a free port; it ends with the runtime.
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            behaviour: Arc::new(Mutex::new(behaviour)),
            arrived: watch::Sender::new(Vec::new()),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.talk(stream).await });
            }
        });
        server
    }

    /// Changes how it behaves from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    /// What has arrived so far.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.borrow().clone()
    }

    /// Waits until so many have arrived.
    pub async fn wait_for(&self, count: usize) -> Vec<Arrived> {
        let mut arrived = self.arrived.subscribe();
        arrived
            .wait_for(|arrived| arrived.len() >= count)
            .await
            .unwrap()
            .clone()
    }

    async fn talk(&self, stream: TcpStream) -> Option<()> {
        let behaviour = self.behaviour.lock().unwrap().clone();
        if behaviour.hangs_up {
            return None;
        }
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let mut mail = Arrived {
            from: String::new(),
            to: String::new(),
            data: String::new(),
        };
        let mut is_known = behaviour.login.is_none();
        write.write_all(b"220 test\r\n").await.ok()?;
        while let Some(line) = lines.next_line().await.ok()? {
            let word = line.split([' ', ':']).next().unwrap_or_default();
            let answer = match word.to_ascii_uppercase().as_str() {
                "EHLO" if behaviour.login.is_some() => "250-test\r\n250 AUTH PLAIN".to_owned(),
                "EHLO" => "250 test".to_owned(),
                "AUTH" => {
                    is_known = behaviour
                        .login
                        .as_ref()
                        .is_some_and(|(name, password)| line.ends_with(&plain(name, password)));
                    let known = if is_known { "235 yes" } else { "535 no" };
                    known.to_owned()
                }
                "MAIL" | "RCPT" if !is_known => "530 who are you".to_owned(),
                "MAIL" => {
                    mail.from = address(&line);
                    "250 yes".to_owned()
                }
                "RCPT" => {
                    mail.to = address(&line);
                    behaviour.refusal.unwrap_or("250 yes").to_owned()
                }
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await.ok()?;
                    while let Some(line) = lines.next_line().await.ok()? {
                        if line == "." {
                            break;
                        }
                        mail.data.push_str(&line);
                        mail.data.push('\n');
                    }
                    self.arrived
                        .send_modify(|arrived| arrived.push(mail.clone()));
                    "250 kept".to_owned()
                }
                "QUIT" => "221 bye".to_owned(),
                _ => "250 yes".to_owned(),
            };
            write
                .write_all(format!("{answer}\r\n").as_bytes())
                .await
                .ok()?;
        }
        Some(())
    }
}

impl Arrived {
    /// The text, as the reader sees it: lines that the way cut are whole again.
    pub fn text(&self) -> String {
        let body = self.data.split_once("\n\n").map_or("", |(_, body)| body);
        body.replace("=\n", "").replace("=3D", "=")
    }
}

fn address(line: &str) -> String {
    let inner = line.split(['<', '>']).nth(1);
    inner.unwrap_or_default().to_owned()
}

/// As `AUTH PLAIN` writes it, in base64.
fn plain(name: &str, password: &str) -> String {
    let bytes = format!("\0{name}\0{password}").into_bytes();
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for at in 0..4 {
            let letter = (bits >> (18 - 6 * at)) & 63;
            text.push(match at <= chunk.len() {
                true => char::from(LETTERS[letter as usize]),
                false => '=',
            });
        }
    }
    text
}
