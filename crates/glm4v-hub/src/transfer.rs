use std::time::Duration;

/// How files are fetched. The defaults suit the public hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Connections at once.
    pub connections: usize,
    /// Bytes of a request at most. What has come of a request is lost when the program is stopped, and what was fetched
    /// with another size is not gone on with.
    pub chunk_bytes: u64,
    /// Bytes between two tensors that are fetched and thrown away rather than asked around.
    pub gap_bytes: u64,
    /// Bytes of a shard asked for at first, in the hope that its header is no longer.
    pub header_bytes: u64,
    /// Time for reaching a server.
    pub connect_timeout: Duration,
    /// Time without a byte after which a connection counts as broken.
    pub read_timeout: Duration,
    /// Waits before a failed request is made again; as many as there are new attempts.
    pub waits: Vec<Duration>,
    /// The longest wait that a server can ask for (`Retry-After`).
    pub longest_wait: Duration,
}

impl Default for Transfer {
    fn default() -> Self {
        Self {
            connections: 8,
            chunk_bytes: 16 << 20,
            gap_bytes: 1 << 20,
            header_bytes: 256 << 10,
            connect_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(60),
            waits: [1, 2, 4, 8, 16].map(Duration::from_secs).to_vec(),
            longest_wait: Duration::from_secs(300),
        }
    }
}

impl Transfer {
    /// The wait before attempt `attempt`, or `None` if it is not to be made.
    pub(crate) fn wait(&self, attempt: usize, asked: Option<Duration>) -> Option<Duration> {
        let wait = *self.waits.get(attempt)?;
        Some(wait.max(asked.unwrap_or_default().min(self.longest_wait)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_can_ask_for_more_time_but_not_for_any() {
        let transfer = Transfer::default();
        let wait = |attempt, asked: Option<u64>| {
            let wait = transfer.wait(attempt, asked.map(Duration::from_secs));
            wait.map(|wait| wait.as_secs())
        };
        assert_eq!(
            (wait(0, None), wait(4, None), wait(5, None)),
            (Some(1), Some(16), None)
        );
        assert_eq!((wait(0, Some(7)), wait(3, Some(7))), (Some(7), Some(8)));
        assert_eq!(wait(0, Some(86_400)), Some(300));
    }
}
