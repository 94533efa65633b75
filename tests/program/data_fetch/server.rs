//! A mirror on the loopback interface that behaves well, badly, or not at all.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::hub_server::http;

/// What the server does with one request; requests beyond the list get the last behaviour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Behaviour {
    Right,
    /// No length is announced.
    RightUntilClose,
    /// The whole file, whatever part was asked for.
    IgnoreRange,
    /// Another part than the one that was asked for.
    OtherRange,
    Status(&'static str),
    /// The right length is announced, so many bytes are sent.
    Cut(usize),
    /// The right length is announced, half of it sent.
    Truncated,
    /// Announces and sends a byte less.
    Short,
    /// Right length, a bit flipped.
    WrongBytes,
    /// A valid gzip file of other content.
    OtherContent,
    /// A gzip file that inflates to 8 MB.
    Bomb,
    /// A page for people, with status 200.
    WebPage,
    Endless,
    HugeLength,
    /// One byte now and then.
    Drip,
    /// The right file in 2 s.
    Slow,
    /// Accepts, never answers.
    Silent,
    RedirectLoop,
    /// Sends on to itself once.
    Redirect,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub path: String,
    /// The first byte that was asked for.
    pub from: usize,
}

pub struct Server {
    pub address: String,
    pub requests: Arc<Mutex<Vec<Request>>>,
    /// Bytes of files that went out.
    pub sent: Arc<Mutex<usize>>,
}

impl Server {
    pub fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub fn sent(&self) -> usize {
        *self.sent.lock().unwrap()
    }

    pub fn starts(&self) -> Vec<usize> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|request| request.from).collect()
    }
}

/// Serves files by their names.
pub fn serve(files: &[(&str, Vec<u8>)], behaviours: &[Behaviour]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let files: BTreeMap<String, Vec<u8>> = files
        .iter()
        .map(|(name, bytes)| (format!("/{name}"), bytes.clone()))
        .collect();
    let files = Arc::new(files);
    let behaviours = behaviours.to_vec();
    let (requests, sent) = (Arc::default(), Arc::default());
    let server = Server {
        address,
        requests: Arc::clone(&requests),
        sent: Arc::clone(&sent),
    };
    // Ends with the test's process; a connection that hangs hangs in its own thread.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (requests, sent) = (Arc::clone(&requests), Arc::clone(&sent));
            let (files, behaviours) = (Arc::clone(&files), behaviours.clone());
            std::thread::spawn(move || {
                let Ok(request) = read(&mut stream) else {
                    return;
                };
                let number = {
                    let mut requests = requests.lock().unwrap();
                    requests.push(request.clone());
                    requests.len() - 1
                };
                let behaviour = behaviours[number.min(behaviours.len() - 1)];
                let path = request.path.trim_start_matches("/again");
                let Some(file) = files.get(path) else {
                    let _ = status(&mut stream, "404 Not Found");
                    return;
                };
                // The client leaving early is part of the game.
                let _ = answer(&mut stream, &request, file, behaviour, &sent);
            });
        }
    });
    server
}

fn read(stream: &mut TcpStream) -> std::io::Result<Request> {
    let head = http::head(stream)?;
    let range = head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        let value = value.trim().strip_prefix("bytes=")?.strip_suffix('-')?;
        key.eq_ignore_ascii_case("range")
            .then(|| value.parse().ok())?
    });
    Ok(Request {
        path: head.split(' ').nth(1).unwrap_or_default().into(),
        from: range.unwrap_or(0),
    })
}

fn answer(
    stream: &mut TcpStream,
    request: &Request,
    right: &[u8],
    behaviour: Behaviour,
    sent: &Mutex<usize>,
) -> std::io::Result<()> {
    let from = match behaviour {
        Behaviour::IgnoreRange => 0,
        _ => request.from,
    };
    if from > 0 && from >= right.len() {
        return status(stream, "416 Range Not Satisfiable");
    }
    let head = |length: usize| {
        if from == 0 {
            return head("200 OK", length, "");
        }
        let first = from + usize::from(behaviour == Behaviour::OtherRange);
        let last = right.len() - 1;
        let range = format!("Content-Range: bytes {first}-{last}/{}\r\n", right.len());
        head("206 Partial Content", length, &range)
    };
    let rest = &right[from..];
    let mut give = |announced: usize, body: &[u8]| {
        stream.write_all(head(announced).as_bytes())?;
        for piece in body.chunks(4096) {
            stream.write_all(piece)?;
            *sent.lock().unwrap() += piece.len();
            if behaviour == Behaviour::Slow {
                let pieces = u32::try_from(body.len().div_ceil(4096)).unwrap();
                std::thread::sleep(Duration::from_secs(2) / pieces);
            }
        }
        Ok(())
    };
    match behaviour {
        Behaviour::Right | Behaviour::IgnoreRange | Behaviour::OtherRange | Behaviour::Slow => {
            give(rest.len(), rest)
        }
        Behaviour::Cut(bytes) => give(rest.len(), &rest[..bytes.min(rest.len())]),
        Behaviour::Truncated => give(rest.len(), &rest[..rest.len() / 2]),
        Behaviour::Short => give(rest.len() - 1, &rest[..rest.len() - 1]),
        Behaviour::WrongBytes => {
            let mut wrong = rest.to_vec();
            let middle = wrong.len() / 2;
            wrong[middle] ^= 1;
            give(wrong.len(), &wrong)
        }
        Behaviour::OtherContent => {
            let other = super::gzip(b"of something else");
            give(other.len(), &other)
        }
        Behaviour::Bomb => {
            let bomb = super::gzip(&vec![0; 8 << 20]);
            give(bomb.len(), &bomb)
        }
        Behaviour::RightUntilClose => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            stream.write_all(right)
        }
        Behaviour::Status(line) => status(stream, line),
        Behaviour::WebPage => {
            let page = "<html>this file has moved</html>";
            let kind = "Content-Type: text/html; charset=utf-8\r\n";
            stream.write_all(self::head("200 OK", page.len(), kind).as_bytes())?;
            stream.write_all(page.as_bytes())
        }
        Behaviour::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[0x1f; 4096])?;
            }
        }
        Behaviour::HugeLength => stream.write_all(self::head("200 OK", 1 << 40, "").as_bytes()),
        Behaviour::Drip => {
            stream.write_all(head(rest.len()).as_bytes())?;
            for byte in rest {
                stream.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        Behaviour::Silent => {
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        Behaviour::RedirectLoop => redirect(stream, &request.path),
        Behaviour::Redirect => redirect(stream, &format!("/again{}", request.path)),
    }
}

fn redirect(stream: &mut TcpStream, to: &str) -> std::io::Result<()> {
    let location = format!("Location: {to}\r\n");
    stream.write_all(head("302 Found", 0, &location).as_bytes())
}

fn status(stream: &mut TcpStream, line: &str) -> std::io::Result<()> {
    let body = "<html>an error page</html>";
    stream.write_all(head(line, body.len(), "").as_bytes())?;
    stream.write_all(body.as_bytes())
}

fn head(status: &str, length: usize, more: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n")
}
