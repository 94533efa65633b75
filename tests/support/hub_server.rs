//! A hub on the loopback interface that speaks real HTTP, and behaves well, badly, or not at all.

#[path = "http.rs"]
pub mod http;

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fmtui::storage::sha256;

pub const FIRST: &str = "1111111111111111111111111111111111111111";
pub const SECOND: &str = "2222222222222222222222222222222222222222";

/// What the server does with one request for a file's bytes.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Sends so many bytes of what was asked for and closes.
    Drop(usize),
    /// Sends the whole file whatever range was asked for.
    IgnoreRange,
    /// Sends another range than requested.
    OtherRange,
    /// A status line and headers, without a body.
    Status(&'static str),
    /// Right length, a bit flipped.
    WrongBytes,
    /// Announces and sends a byte less.
    Short,
    /// An error page with status 200.
    ErrorPage,
    /// One byte now and then.
    Drip,
    /// Never answers.
    Silent,
    /// No length, no end.
    Endless,
    /// Sends on to itself.
    Loop,
    /// Sends on to another server.
    Elsewhere(String),
}

/// What the server says when asked what a file is.
#[derive(Clone, Debug)]
pub enum Claim {
    /// A header in place of the right one; without a colon the header is left out.
    Header(&'static str),
    Status(&'static str),
    Elsewhere(String),
    Loop,
    Silent,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

#[derive(Default)]
pub struct State {
    /// What `main` is.
    pub commit: String,
    pub files: BTreeMap<String, Vec<u8>>,
    pub faults: VecDeque<Fault>,
    pub claims: VecDeque<Claim>,
    pub requests: Vec<Request>,
    pub sent: usize,
}

pub struct Server {
    pub address: String,
    pub state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            commit: FIRST.into(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        // Ends with the test's process; a connection that hangs hangs in its own thread.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // The client leaving early is part of the game.
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { address, state }
    }

    /// A hub with one file in its only repository.
    pub fn with(file: &[u8]) -> Self {
        let server = Self::start();
        server.put(FIRST, "model.safetensors", file);
        server
    }

    pub fn put(&self, commit: &str, file: &str, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.files.insert(format!("{commit}/{file}"), bytes.into());
    }

    pub fn faults(self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.state.lock().unwrap().faults.extend(faults);
        self
    }

    pub fn claims(self, claims: impl IntoIterator<Item = Claim>) -> Self {
        self.state.lock().unwrap().claims.extend(claims);
        self
    }

    /// What was asked for the file's bytes.
    pub fn asked(&self) -> Vec<Request> {
        let state = self.state.lock().unwrap();
        let of_file = |r: &&Request| r.method == "GET" && !r.path.ends_with("README.md");
        state.requests.iter().filter(of_file).cloned().collect()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let head = http::head(&mut stream)?;
    let header = |name: &str| {
        let of = |line: &str| {
            let (key, value) = line.split_once(':')?;
            (key.eq_ignore_ascii_case(name)).then(|| value.trim().to_string())
        };
        head.lines().skip(1).find_map(of)
    };
    let mut words = head.split(' ');
    let request = Request {
        method: words.next().unwrap_or_default().into(),
        path: words.next().unwrap_or_default().into(),
        range: header("range"),
        authorization: header("authorization"),
    };
    let (file, fault, claim, commit) = {
        let mut state = state.lock().unwrap();
        state.requests.push(request.clone());
        let commit = state.commit.clone();
        // Whatever the repository is called.
        let path = request.path.as_str();
        let rest = path.split_once("/resolve/").map_or(path, |(_, rest)| rest);
        let key = match rest.strip_prefix("main/") {
            Some(file) => format!("{commit}/{file}"),
            None => rest.to_string(),
        };
        let is_file = request.method == "GET" && !request.path.ends_with("README.md");
        let is_head = request.method == "HEAD";
        let fault = is_file.then(|| state.faults.pop_front()).flatten();
        let claim = is_head.then(|| state.claims.pop_front()).flatten();
        (
            state.files.get(&key).cloned(),
            fault,
            claim,
            key[..40.min(key.len())].to_string(),
        )
    };
    let Some(file) = file else {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    if request.method == "HEAD" {
        return answer_head(&mut stream, &request, &file, &commit, claim);
    }
    let sent = answer_get(&mut stream, &request, &file, fault)?;
    state.lock().unwrap().sent += sent;
    Ok(())
}

fn answer_head(
    stream: &mut TcpStream,
    request: &Request,
    file: &[u8],
    commit: &str,
    claim: Option<Claim>,
) -> std::io::Result<()> {
    let mut headers = vec![
        format!("X-Repo-Commit: {commit}"),
        format!("X-Linked-Size: {}", file.len()),
        format!("X-Linked-ETag: \"{}\"", sha256(file)),
        "Location: /elsewhere/blob".into(),
        "Content-Length: 0".into(),
        "Connection: close".into(),
    ];
    let mut status = "302 Found".to_string();
    match claim {
        None => {}
        Some(Claim::Silent) => {
            std::thread::sleep(Duration::from_secs(30));
            return Ok(());
        }
        Some(Claim::Status(other)) => {
            status = other.into();
            headers.retain(|h| !h.starts_with("X-") && !h.starts_with("Location"));
        }
        Some(Claim::Header(other)) => {
            let name = other.split(':').next().unwrap();
            headers.retain(|h| !h.starts_with(name));
            if other.contains(':') {
                headers.push(other.into());
            }
        }
        Some(Claim::Elsewhere(to)) => headers = vec![format!("Location: {to}{}", request.path)],
        Some(Claim::Loop) => headers = vec![format!("Location: {}", request.path)],
    }
    let head = format!("HTTP/1.1 {status}\r\n{}\r\n\r\n", headers.join("\r\n"));
    stream.write_all(head.as_bytes())
}

/// Gives the bytes of the file that went out.
fn answer_get(
    stream: &mut TcpStream,
    request: &Request,
    file: &[u8],
    fault: Option<Fault>,
) -> std::io::Result<usize> {
    let bounds = request.range.as_ref().and_then(|range| {
        let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()? + 1))
    });
    let (from, to) = match (&fault, bounds) {
        (Some(Fault::IgnoreRange), _) | (_, None) => (0, file.len()),
        (_, Some((from, to))) => (from, to.min(file.len())),
    };
    let mut body = file[from..to].to_vec();
    let shift = usize::from(matches!(fault, Some(Fault::OtherRange)));
    let head = if to - from == file.len() {
        "HTTP/1.1 200 OK\r\n".to_string()
    } else {
        format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {}-{}/{}\r\n",
            from + shift,
            to - 1,
            file.len()
        )
    };
    let mut announced = body.len();
    match fault {
        Some(Fault::Status(status)) => {
            let text =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(text.as_bytes())?;
            return Ok(0);
        }
        Some(Fault::Silent) => {
            std::thread::sleep(Duration::from_secs(30));
            return Ok(0);
        }
        Some(Fault::Loop) => {
            let text = format!(
                "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                request.path
            );
            stream.write_all(text.as_bytes())?;
            return Ok(0);
        }
        Some(Fault::Elsewhere(to)) => {
            let text = format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                request.path
            );
            stream.write_all(text.as_bytes())?;
            return Ok(0);
        }
        Some(Fault::ErrorPage) => {
            body = b"<html>an error page</html>".to_vec();
            announced = body.len();
        }
        Some(Fault::Short) => {
            body.pop();
            announced = body.len();
        }
        Some(Fault::WrongBytes) => {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        Some(Fault::Drop(after)) => body.truncate(after),
        Some(Fault::Endless) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[7; 4096])?;
            }
        }
        _ => {}
    }
    let rest = format!("Content-Length: {announced}\r\nConnection: close\r\n\r\n");
    stream.write_all((head + &rest).as_bytes())?;
    if matches!(fault, Some(Fault::Drip)) {
        for byte in body {
            stream.write_all(&[byte])?;
            std::thread::sleep(Duration::from_millis(50));
        }
        return Ok(0);
    }
    stream.write_all(&body)?;
    Ok(body.len())
}
