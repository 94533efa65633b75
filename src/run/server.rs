//! The worker's side of the socket: greets clients, sends them the journal's lines, hands their commands to the
//! training.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::journal::{Journal, Line};
use super::protocol::{self, Hello, Reply};
use crate::event::Command;

/// A client that takes nothing for this long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// Replies that may wait for a client.
const REPLIES: usize = 16;

/// The most clients that are served at once.
const MOST_CLIENTS: usize = 64;

/// How long an accept that failed is not tried again: out of descriptors, say.
const AGAIN: Duration = Duration::from_millis(100);

/// Everything a connection needs.
#[derive(Clone)]
pub(crate) struct Service {
    pub run: String,
    pub journal: Journal,
    pub commands: SyncSender<Command>,
}

/// Serves clients until the journal is closed; then waits until each has been told the last line.
pub(crate) async fn serve(
    listener: UnixListener,
    service: Service,
    closing: impl Future<Output = ()>,
) {
    let mut clients = JoinSet::new();
    let most = most_clients();
    tokio::pin!(closing);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if is_same_user(&stream) && clients.len() >= most => {
                    let why = format!("the run's worker serves at most {most} clients");
                    // Who has not read this within its own patience follows the log without a word.
                    let _ = stream.try_write(&protocol::dropped_line(&why));
                }
                Ok((stream, _)) if is_same_user(&stream) => {
                    clients.spawn(attend(stream, service.clone()));
                }
                Ok(_) => {}
                // The next client may fare better.
                Err(_) => tokio::time::sleep(AGAIN).await,
            },
            Some(_) = clients.join_next() => {}
            () = &mut closing => break,
        }
    }
    while clients.join_next().await.is_some() {}
}

/// As many as leave the run three quarters of the descriptors that this process may have.
fn most_clients() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit
        .and_then(|limit| usize::try_from(limit / 4).ok())
        .map_or(MOST_CLIENTS, |share| share.clamp(2, MOST_CLIENTS))
}

fn is_same_user(stream: &UnixStream) -> bool {
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw())
}

async fn attend(stream: UnixStream, service: Service) {
    let Some((log_length, lines)) = service.journal.subscribe() else {
        return;
    };
    let (reader, mut writer) = stream.into_split();
    let hello = Hello {
        format: protocol::FORMAT,
        run: service.run.clone(),
        pid: std::process::id(),
        log_length,
    };
    if !send(&mut writer, &hello.line()).await {
        return;
    }
    let (replies, answers) = mpsc::channel(REPLIES);
    let reading = tokio::spawn(read_commands(reader, service.commands, replies));
    write_lines(&mut writer, lines, answers).await;
    if !service.journal.is_closed() {
        // Its backlog was full, or it is gone.
        let _ = send(
            &mut writer,
            &protocol::dropped_line("too slow to keep up with the run"),
        )
        .await;
    }
    reading.abort();
}

/// Events and replies, as they come, until the journal closes or the client goes.
async fn write_lines(
    writer: &mut OwnedWriteHalf,
    mut lines: mpsc::Receiver<Line>,
    mut answers: mpsc::Receiver<Reply>,
) {
    loop {
        let sent = tokio::select! {
            biased;
            Some(reply) = answers.recv() => send(writer, &reply.line()).await,
            line = lines.recv() => match line {
                Some(line) => send(writer, &line).await,
                None => return,
            },
        };
        if !sent {
            return;
        }
    }
}

async fn send(writer: &mut OwnedWriteHalf, line: &[u8]) -> bool {
    tokio::time::timeout(WRITE_PATIENCE, writer.write_all(line))
        .await
        .is_ok_and(|written| written.is_ok())
}

async fn read_commands(
    reader: OwnedReadHalf,
    commands: SyncSender<Command>,
    replies: mpsc::Sender<Reply>,
) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader)
            .take(protocol::LONGEST_COMMAND)
            .read_until(b'\n', &mut line)
            .await;
        match read {
            Ok(n) if n > 0 && line.ends_with(b"\n") => {}
            // End of file, a line without end, or one that is too long: nothing sensible can follow.
            _ => return,
        }
        let reply = match protocol::parse_command(&String::from_utf8_lossy(&line)) {
            Ok(command) => hand_over(&commands, command),
            Err(why) => Reply::refused(why),
        };
        if replies.send(reply).await.is_err() {
            return;
        }
    }
}

fn hand_over(commands: &SyncSender<Command>, command: Command) -> Reply {
    match commands.try_send(command) {
        Ok(()) => Reply::taken(),
        Err(TrySendError::Full(_)) => Reply::refused("too many commands are waiting"),
        Err(TrySendError::Disconnected(_)) => Reply::refused("the run has ended"),
    }
}
