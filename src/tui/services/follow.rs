//! Following one run: its whole history at once, then what comes, and whether its worker listens.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::event::{Event, Stamped};
use crate::profile::Status;
use crate::run::{Connection, Workspace, memory};
use crate::tui::message::Message;
use crate::tui::run_view::Link;

/// A log that is silent for this long has been told whole.
const SILENCE: Duration = Duration::from_millis(40);
/// The whole history is shown at once if it can be read in this time.
const PATIENCE: Duration = Duration::from_secs(2);
/// Events told to the screen at once.
const BATCH: usize = 4096;
/// How often it is looked whether the worker listens.
const LINK_EVERY: Duration = Duration::from_millis(250);

fn link(connection: &Connection) -> Link {
    if connection.is_live() {
        Link::Live
    } else {
        Link::ReadOnly
    }
}

/// Tells the whole history at once, then what comes.
pub(super) async fn follow(
    workspace: &Workspace,
    mut connection: Connection,
    run: String,
    turn_to_it: bool,
    out: &mpsc::Sender<Message>,
) -> Result<(), mpsc::error::SendError<Message>> {
    let (events, mut over) = history(&mut connection).await;
    let mut told = if over { Link::Ended } else { link(&connection) };
    out.send(Message::Opened {
        run: run.clone(),
        link: told,
        events,
    })
    .await?;
    if over {
        tell_cause(workspace, &run, out).await?;
    }
    if turn_to_it {
        out.send(Message::ShowTrain).await?;
    }
    while !over {
        let mut events = Vec::new();
        if let Ok(next) = tokio::time::timeout(LINK_EVERY, connection.next()).await {
            match next {
                Some(event) => events.push(event),
                None => over = true,
            }
        }
        while events.len() < BATCH && !events.is_empty() {
            match connection.try_next() {
                Some(event) => events.push(event),
                None => break,
            }
        }
        if !events.is_empty() {
            out.send(Message::Events {
                run: run.clone(),
                events,
            })
            .await?;
        }
        let now = if over { Link::Ended } else { link(&connection) };
        if now != told && over {
            tell_cause(workspace, &run, out).await?;
        }
        if now != told {
            told = now;
            out.send(Message::Link {
                run: run.clone(),
                link: now,
            })
            .await?;
        }
    }
    Ok(())
}

/// Says what became of a worker that exited unexpectedly, where memory was the reason.
async fn tell_cause(
    workspace: &Workspace,
    run: &str,
    out: &mpsc::Sender<Message>,
) -> Result<(), mpsc::error::SendError<Message>> {
    let status = workspace.summary(run).status;
    let cause = memory::cause_of_death(workspace, run).filter(|_| status == Status::Lost);
    let Some(cause) = cause else { return Ok(()) };
    let message = format!("the worker {cause}");
    let events = vec![Stamped::now(Event::Warning { message })];
    let run = run.into();
    out.send(Message::Events { run, events }).await
}

/// What is there already, and whether there will be no more.
async fn history(connection: &mut Connection) -> (Vec<Stamped>, bool) {
    let mut events = Vec::new();
    let give_up = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < give_up {
        match tokio::time::timeout(SILENCE, connection.next()).await {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, true),
            Err(_) => break,
        }
    }
    (events, false)
}
