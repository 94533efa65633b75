//! What goes over a run's socket, a JSON object a line. The worker greets, then sends the log's lines as they come; a
//! client sends commands and gets a reply to each, in order.

use serde::{Deserialize, Serialize};

use super::log;
use crate::event::{Command, Stamped};

/// The version of this protocol.
pub(crate) const FORMAT: u32 = 2;

/// The version whose commands every worker knows.
pub(crate) const FIRST_FORMAT: u32 = 1;

/// How the refusal of a command begins that a worker does not know.
const UNKNOWN: &str = "not a command";

/// The longest command line a worker reads.
pub(crate) const LONGEST_COMMAND: u64 = 4096;

/// The worker's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub format: u32,
    pub run: String,
    pub pid: u32,
    /// The log holds everything before; its lines after this byte follow here.
    pub log_length: u64,
}

/// The answer to a command: taken, to be applied between two steps, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A line from the worker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FromWorker {
    Hello(Hello),
    Reply(Reply),
    /// The log was cut to this length (a resume goes back to its checkpoint); the next line stands there.
    Rewound(u64),
    /// An event, boxed for its size.
    Event(Box<Stamped>),
    /// An event that could not be written into the log so far.
    Unlogged(Box<Stamped>),
    /// The worker serves this client no longer, and why.
    Dropped(String),
}

/// How a line begins that holds an event which is not in the log.
const UNLOGGED: &str = "{\"unlogged\":";

#[derive(Serialize)]
struct UnloggedLine<'a> {
    unlogged: &'a Stamped,
}

#[derive(Serialize, Deserialize)]
struct DroppedLine {
    dropped: String,
}

/// Tells an event that is not in the log, as a line, `\n` included. Programs that do not know of such leave it out.
#[must_use]
pub(crate) fn unlogged_line(event: &Stamped) -> Vec<u8> {
    line(&UnloggedLine { unlogged: event })
}

/// Says goodbye to a client, as a line, `\n` included.
#[must_use]
pub(crate) fn dropped_line(why: &str) -> Vec<u8> {
    line(&DroppedLine {
        dropped: why.into(),
    })
}

#[derive(Serialize, Deserialize)]
struct HelloLine {
    hello: Hello,
}

#[derive(Serialize, Deserialize)]
struct ReplyLine {
    reply: Reply,
}

#[derive(Serialize, Deserialize)]
struct RewoundLine {
    rewound: u64,
}

/// Tells that the log was cut to `log_length`, as a line, `\n` included.
#[must_use]
pub(crate) fn rewound_line(log_length: u64) -> Vec<u8> {
    line(&RewoundLine {
        rewound: log_length,
    })
}

impl Hello {
    /// As a line, `\n` included.
    #[must_use]
    pub(crate) fn line(&self) -> Vec<u8> {
        line(&HelloLine {
            hello: self.clone(),
        })
    }
}

impl Reply {
    #[must_use]
    pub(crate) fn taken() -> Self {
        Self {
            ok: true,
            error: None,
        }
    }

    #[must_use]
    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self {
            ok: false,
            error: Some(why.into()),
        }
    }

    /// As a line, `\n` included.
    #[must_use]
    pub(crate) fn line(&self) -> Vec<u8> {
        line(&ReplyLine {
            reply: self.clone(),
        })
    }
}

/// A command as a line, `\n` included, for a worker that speaks this version of the protocol.
///
/// # Errors
/// What to answer in the worker's place, where it speaks a later version: that is asked to stop and nothing else.
pub(crate) fn command_line(command: &Command, format: u32) -> Result<Vec<u8>, String> {
    match command {
        Command::Continue if format == FIRST_FORMAT => Ok(b"{\"command\":\"resume\"}\n".into()),
        Command::Stop => Ok(line(command)),
        _ if format > FORMAT => Err(format!("{UNKNOWN} of version {format}")),
        _ => Ok(line(command)),
    }
}

/// What is to be told of a worker that speaks another version; `None` for one that speaks this.
#[must_use]
pub(crate) fn otherness(format: u32) -> Option<String> {
    let can = if format > FORMAT {
        "watched and stopped, nothing else"
    } else {
        "watched and controlled as usual"
    };
    (format != FORMAT).then(|| {
        format!("the worker was started by another version of fmtui (protocol {format}, this one speaks {FORMAT}): it can be {can}")
    })
}

fn line(value: &impl Serialize) -> Vec<u8> {
    // Plain structs of numbers and texts always serialise.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads a line of the worker; `None` for what is none.
#[must_use]
pub(crate) fn parse(line: &str) -> Option<FromWorker> {
    let line = line.trim();
    if line.starts_with("{\"hello\"") {
        return serde_json::from_str(line)
            .ok()
            .map(|l: HelloLine| FromWorker::Hello(l.hello));
    }
    if line.starts_with("{\"reply\"") {
        return serde_json::from_str(line)
            .ok()
            .map(|l: ReplyLine| FromWorker::Reply(l.reply));
    }
    if line.starts_with("{\"rewound\"") {
        return serde_json::from_str(line)
            .ok()
            .map(|l: RewoundLine| FromWorker::Rewound(l.rewound));
    }
    if line.starts_with("{\"dropped\"") {
        return serde_json::from_str(line)
            .ok()
            .map(|l: DroppedLine| FromWorker::Dropped(crate::text::sanitize(&l.dropped)));
    }
    if let Some(event) = line.strip_prefix(UNLOGGED) {
        let event = log::parse_line(event.strip_suffix('}')?)?;
        return Some(FromWorker::Unlogged(Box::new(event)));
    }
    log::parse_line(line).map(|s| FromWorker::Event(Box::new(s)))
}

/// Reads and checks a command of a client.
///
/// # Errors
/// What to reply.
pub(crate) fn parse_command(line: &str) -> Result<Command, String> {
    let command: Command = serde_json::from_str(line.trim()).map_err(|_| {
        format!("{UNKNOWN}; known are pause, continue, save-checkpoint, stop, set-learning-rate, step-learning-rate")
    })?;
    match command {
        Command::SetLearningRate { value } if !(value > 0.0 && value <= 1e3) => Err(format!(
            "a learning rate of {value} is not in the range above 0 up to 1000"
        )),
        command => Ok(command),
    }
}

/// Whether a worker refused a command because it does not know it.
#[must_use]
pub(crate) fn is_unknown(refusal: &str) -> bool {
    refusal.starts_with(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    #[test]
    fn every_line_survives_the_way() {
        let hello = Hello {
            format: FORMAT,
            run: "r".into(),
            pid: 3,
            log_length: 17,
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(parse(&text(hello.line())), Some(FromWorker::Hello(hello)));
        for reply in [Reply::taken(), Reply::refused("no")] {
            assert_eq!(parse(&text(reply.line())), Some(FromWorker::Reply(reply)));
        }
        assert_eq!(parse(&text(rewound_line(9))), Some(FromWorker::Rewound(9)));
        let event = Stamped::now(Event::Paused { step: 3 });
        let line = serde_json::to_string(&event).unwrap();
        let unlogged = text(unlogged_line(&event));
        let event = Box::new(event);
        assert_eq!(parse(&line), Some(FromWorker::Event(event.clone())));
        assert_eq!(parse(&unlogged), Some(FromWorker::Unlogged(event)));
        assert_eq!(
            parse(&text(dropped_line("too slow"))),
            Some(FromWorker::Dropped("too slow".into()))
        );
        assert_eq!(parse("{\"hello\":3}"), None);
        assert_eq!(parse(""), None);
        for command in [
            Command::Pause,
            Command::Continue,
            Command::SaveCheckpoint,
            Command::Stop,
            Command::SetLearningRate { value: 0.5 },
            Command::StepLearningRate { up: true },
        ] {
            for format in [FIRST_FORMAT, FORMAT] {
                let line = text(command_line(&command, format).unwrap());
                assert_eq!(parse_command(&line), Ok(command.clone()));
            }
            let later = command_line(&command, FORMAT + 1);
            match command {
                Command::Stop => assert_eq!(later.unwrap(), b"{\"command\":\"stop\"}\n"),
                _ => assert!(is_unknown(&later.unwrap_err())),
            }
        }
        let first = command_line(&Command::Continue, FIRST_FORMAT).unwrap();
        assert_eq!(first, b"{\"command\":\"resume\"}\n");
        assert!(otherness(FORMAT).is_none() && otherness(FORMAT + 1).is_some());
    }

    #[test]
    fn wrong_commands_are_refused_with_a_reason() {
        let unknown = parse_command("rm -rf").unwrap_err();
        assert!(unknown.contains("known are") && is_unknown(&unknown));
        for value in ["-1", "0", "1e9"] {
            let line = format!("{{\"command\":\"set-learning-rate\",\"value\":{value}}}");
            assert!(parse_command(&line).unwrap_err().contains("learning rate"));
        }
    }
}
