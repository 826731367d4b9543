use std::fmt;

use anyhow::{Context, Result};

/// A call of the operating system at one place in the program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Call {
    /// The shim's name.
    pub(super) name: String,
    /// A hash of the call stack.
    pub(super) place: String,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The call returns this error.
    Error(&'static str),
    /// Half of the bytes are read or written.
    Short,
    /// The process is killed before the call.
    Kill,
}

use Fault::{Error, Kill, Short};

const INTERRUPTED: Fault = Error("EINTR");
const DAMAGED: Fault = Error("EIO");
const FULL: Fault = Error("ENOSPC");
const FORBIDDEN: Fault = Error("EACCES");

impl Call {
    /// Reads a line of the shim's log. `None` for a call that no fault applies to.
    pub(super) fn parse(line: &str) -> Result<Option<Self>> {
        let mut words = line.split(' ');
        let (name, place) = (words.next(), words.next());
        let (name, place) = name
            .zip(place)
            .with_context(|| format!("the shim's log: {line}"))?;
        let call = Self {
            name: name.into(),
            place: place.into(),
        };
        Ok((!call.faults().is_empty()).then_some(call))
    }

    /// The ways in which this call can fail on a real system.
    pub(super) fn faults(&self) -> Vec<Fault> {
        match &self.name[..] {
            "open" => vec![FORBIDDEN, DAMAGED, INTERRUPTED, Error("EMFILE")],
            "create" => vec![FORBIDDEN, FULL, DAMAGED, INTERRUPTED, Error("EROFS"), Kill],
            "read" => vec![DAMAGED, INTERRUPTED, Short],
            "write" => vec![FULL, DAMAGED, INTERRUPTED, Error("EDQUOT"), Short, Kill],
            "sync" => vec![DAMAGED, FULL, INTERRUPTED, Kill],
            "truncate" => vec![FULL, DAMAGED, INTERRUPTED, Kill],
            "rename" => vec![FORBIDDEN, FULL, DAMAGED, Kill],
            "remove" => vec![FORBIDDEN, DAMAGED, Kill],
            "mkdir" => vec![FORBIDDEN, FULL, DAMAGED, Kill],
            "chmod" => vec![FORBIDDEN, DAMAGED],
            "lock" => vec![Error("ENOLCK"), INTERRUPTED],
            "list" => vec![FORBIDDEN, DAMAGED, Error("EMFILE")],
            "stat" => vec![FORBIDDEN, DAMAGED],
            "connect" => vec![Error("ECONNREFUSED"), Error("ETIMEDOUT"), INTERRUPTED],
            "send" => vec![Error("ECONNRESET"), INTERRUPTED, Short],
            "recv" => vec![
                Error("ECONNRESET"),
                Error("ETIMEDOUT"),
                INTERRUPTED,
                Short,
                Kill,
            ],
            // Seeking in an open file does not fail.
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.place)
    }
}

impl Fault {
    /// Whether the error passes, and whether it stays. A full disk is often full for good.
    pub(super) fn durations(self) -> &'static [bool] {
        match self {
            Error("ENOSPC") => &[false, true],
            Error(_) | Short | Kill => &[false],
        }
    }

    /// Whether a program must go on as if nothing had happened.
    pub(super) fn is_harmless(self, call: &Call) -> bool {
        match self {
            Short => true,
            INTERRUPTED => ["open", "create", "read", "write", "sync", "recv", "send"]
                .contains(&&call.name[..]),
            Error(_) | Kill => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error(name) => name,
            Short => "SHORT",
            Kill => "KILL",
        })
    }
}
