use std::time::Duration;

/// How files are fetched. The defaults fit the public hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Parallel connections.
    pub connections: usize,
    /// Maximum bytes of a request. A stopped program loses the requests that are not complete. Changing this size
    /// discards partial downloads.
    pub chunk_bytes: u64,
    /// Maximum bytes between two tensors that are fetched in one request. The bytes between them are discarded.
    pub gap_bytes: u64,
    /// Bytes of the first request to a shard. A longer header needs a second request.
    pub header_bytes: u64,
    /// Maximum time to connect to a server.
    pub connect_timeout: Duration,
    /// Maximum time without a byte. After it the connection counts as broken.
    pub read_timeout: Duration,
    /// The wait before each new attempt of a failed request. Their number is the number of new attempts.
    pub waits: Vec<Duration>,
    /// The longest wait that a server can demand (`Retry-After`).
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
    /// The wait before new attempt number `attempt`, or `None` if there is no such attempt.
    pub(crate) fn wait(&self, attempt: usize, demanded: Option<Duration>) -> Option<Duration> {
        let wait = *self.waits.get(attempt)?;
        Some(wait.max(demanded.unwrap_or_default().min(self.longest_wait)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_can_demand_more_time_up_to_a_limit() {
        let transfer = Transfer::default();
        let wait = |attempt, demanded: Option<u64>| {
            let wait = transfer.wait(attempt, demanded.map(Duration::from_secs));
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
