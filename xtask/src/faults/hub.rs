//! A hub on the loopback interface, which serves a golden.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use crate::shell;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

pub(super) struct Hub {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Hub {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let dir = shell::root().join("tests/golden/patch14-bf16-sharded");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let dir = dir.clone();
                // A client that is gone needs no answer.
                std::thread::spawn(move || drop(serve(&stream, &dir)));
            }
        });
        Ok(Self { address, stop })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The listener looks up when someone comes.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: &TcpStream, dir: &std::path::Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut range) = (String::new(), None);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            let bytes = line.strip_prefix("range: bytes=");
            let ends = bytes.and_then(|bytes| bytes.split_once('-'));
            range = ends
                .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)))
                .or(range);
        }
        let mut out = stream;
        out.write_all(&answer(&first, range, dir))?;
    }
}

fn answer(first: &str, range: Option<(usize, usize)>, dir: &std::path::Path) -> Vec<u8> {
    let mut words = first.split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let name = path.rsplit('/').next().unwrap_or_default();
    let file: PathBuf = dir.join(name);
    let (status, extra, body) = match (std::fs::read(file), range) {
        (Err(_), _) => (
            404,
            "X-Error-Code: EntryNotFound\r\n".to_owned(),
            Vec::new(),
        ),
        (Ok(bytes), None) => (200, String::new(), bytes),
        (Ok(bytes), Some((first, last))) => {
            let last = last.min(bytes.len().saturating_sub(1));
            let extra = format!("Content-Range: bytes {first}-{last}/{}\r\n", bytes.len());
            (
                206,
                extra,
                bytes.get(first..=last).unwrap_or_default().to_vec(),
            )
        }
    };
    let head = format!(
        "HTTP/1.1 {status} Status\r\nX-Repo-Commit: {COMMIT}\r\n{extra}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let body = if method == "HEAD" { Vec::new() } else { body };
    [head.into_bytes(), body].concat()
}
