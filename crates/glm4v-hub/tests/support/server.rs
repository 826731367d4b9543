use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::COMMIT;

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
}

/// An answer, as it goes.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection is cut after so many bytes of the body.
    pub cut: Option<usize>,
}

type Script = dyn Fn(&Request, Answer) -> Answer + Send + Sync;

/// One server, which answers as a hub does unless its script has it otherwise.
pub struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Vec<(Request, Answer)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &value[..])
    }

    /// The last segment of the path.
    pub fn file(&self) -> &str {
        let path = self.path.split('?').next().unwrap();
        path.rsplit('/').next().unwrap()
    }

    pub fn range(&self) -> Option<Range<u64>> {
        let (first, last) = self
            .header("range")?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        Some(first.parse().unwrap()..last.parse::<u64>().unwrap() + 1)
    }

    pub fn is_weights(&self) -> bool {
        self.file().ends_with(".safetensors")
    }
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
        }
    }

    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::new(status).with("Location", location)
    }

    /// With this header in place of any other of the name.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }
}

impl Server {
    /// Serves `dir` as a hub does.
    pub fn honest(dir: impl Into<PathBuf>) -> Self {
        Self::new(dir, |_, answer| answer)
    }

    /// Serves `dir`; `script` may change each answer.
    pub fn new(
        dir: impl Into<PathBuf>,
        script: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let service = Service {
            dir: dir.into(),
            script: Arc::new(script),
            log: Arc::clone(&log),
        };
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let service = service.clone();
                thread::spawn(move || service.serve(stream.unwrap()));
            }
        });
        Self {
            address,
            log,
            stop,
            thread: Some(thread),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        let log = self.log.lock().unwrap();
        log.iter().map(|(request, _)| request.clone()).collect()
    }

    /// The answers with weights: file, range and bytes that were sent.
    pub fn sent(&self) -> Vec<(String, Range<u64>, u64)> {
        let log = self.log.lock().unwrap();
        let parts = log
            .iter()
            .filter(|(request, answer)| request.is_weights() && answer.status == 206);
        let part = |(request, answer): &(Request, Answer)| {
            let bytes = answer
                .cut
                .unwrap_or(answer.body.len())
                .min(answer.body.len());
            (
                request.file().to_owned(),
                request.range().unwrap(),
                bytes as u64,
            )
        };
        parts.map(part).collect()
    }

    pub fn forget(&self) {
        self.log.lock().unwrap().clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The listener looks up when someone comes.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

#[derive(Clone)]
struct Service {
    dir: PathBuf,
    script: Arc<Script>,
    log: Arc<Mutex<Vec<(Request, Answer)>>>,
}

impl Service {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = read(&mut reader) {
            let answer = (self.script)(&request, self.answer(&request));
            self.log
                .lock()
                .unwrap()
                .push((request.clone(), answer.clone()));
            if send(&stream, &request, &answer).is_err() || answer.cut.is_some() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// What a hub says: `/OWNER/NAME/resolve/REVISION/FILE`, where every revision is the same commit.
    fn answer(&self, request: &Request) -> Answer {
        let path = request.path.split('?').next().unwrap();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match parts[..] {
            ["zai-org", "tiny", "resolve", _, file] => self.file(request, &self.dir.join(file)),
            ["api", "models", "zai-org", "tiny", "revision", _] => {
                Answer::new(200).body(format!(r#"{{"id": "zai-org/tiny", "sha": "{COMMIT}"}}"#))
            }
            _ => Answer::new(404).with("X-Error-Code", "RepoNotFound"),
        }
    }

    fn file(&self, request: &Request, path: &Path) -> Answer {
        let answer = |status| Answer::new(status).with("X-Repo-Commit", COMMIT);
        let Ok(bytes) = std::fs::read(path) else {
            return answer(404).with("X-Error-Code", "EntryNotFound");
        };
        let Some(range) = request.range() else {
            return answer(200).body(bytes);
        };
        let len = bytes.len() as u64;
        if range.start >= len {
            return answer(416);
        }
        let end = range.end.min(len);
        answer(206)
            .with(
                "Content-Range",
                format!("bytes {}-{}/{len}", range.start, end - 1),
            )
            .body(&bytes[range.start as usize..end as usize])
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(':') {
            None => break,
            Some((name, value)) => {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()))
            }
        }
    }
    let request = Request {
        method,
        path,
        headers,
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    Some(request)
}

fn send(mut stream: &TcpStream, request: &Request, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !answer
        .headers
        .iter()
        .any(|(name, _)| name == "Content-Length")
    {
        head += &format!("Content-Length: {}\r\n", answer.body.len());
    }
    let mut bytes = (head + "\r\n").into_bytes();
    if request.method != "HEAD" {
        let end = answer.cut.unwrap_or(usize::MAX).min(answer.body.len());
        bytes.extend(&answer.body[..end]);
    }
    // At once: small writes one after another wait for each other's acknowledgement.
    stream.write_all(&bytes)
}
