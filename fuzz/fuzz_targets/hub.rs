//! The answers of a hub on the loopback interface: status, headers and bodies of any kind, also cut off.
#![no_main]

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use glm4v_fuzz::{scratch, tiny, tiny_json};
use glm4v_hub::{Hub, ModelId, Settings, Token, Transfer};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const TOKEN: &str = "hf_secret";

/// What the hub does with its requests, in order. An honest hub has none.
#[derive(Arbitrary, Clone, Debug)]
struct Twist {
    status: u8,
    header: Option<(u8, String)>,
    body: Option<Vec<u8>>,
    cut: Option<u16>,
}

#[derive(Arbitrary, Debug)]
struct Case {
    name: String,
    revision: Option<String>,
    twists: Vec<Option<Twist>>,
}

/// Whether the token arrived at another host than the hub.
static LEAKED: AtomicBool = AtomicBool::new(false);
static TWISTS: Mutex<Vec<Option<Twist>>> = Mutex::new(Vec::new());

fuzz_target!(|case: Case| {
    if let Ok(id) = case.name.parse::<ModelId>() {
        let text = id.to_string();
        assert!(!text.contains("..") && !text.starts_with('/'), "{text}");
    }
    let is_honest = case.twists.iter().all(Option::is_none);
    *TWISTS.lock().expect("no panic holds it") = case.twists.into_iter().rev().collect();
    let dir = scratch();
    let hub = Hub::new(settings(&dir)).expect("a loopback URL");
    let model = "zai-org/tiny".parse().expect("a name");
    let revision = case
        .revision
        .as_deref()
        .filter(|revision| revision.is_ascii());
    let found = hub.checkpoint(&model, revision, &());
    assert!(
        !LEAKED.load(Ordering::SeqCst),
        "the token was sent to another host"
    );
    for entry in dir.read_dir().expect("the folder is ours") {
        let name = entry.expect("the folder is ours").file_name();
        assert!(name == "towers", "{name:?} lies outside the cache");
    }
    match found {
        Ok(found) => {
            assert!(found.starts_with(dir.join("towers")), "{}", found.display());
            if is_honest {
                let stored = std::fs::read(found.join("model.safetensors")).expect("weights");
                assert!(stored.ends_with(&tensors()));
            }
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains(TOKEN), "{message}");
            assert!(
                !message.chars().any(|c| c.is_control() && c != '\n'),
                "{message:?}"
            );
            assert!(!is_honest || revision.is_some(), "{message}");
        }
    }
});

fn settings(dir: &Path) -> Settings {
    Settings {
        endpoint: address(false).to_owned(),
        token: Token::new(TOKEN),
        transfer: Transfer {
            connections: 1,
            chunk_bytes: 300,
            gap_bytes: 16,
            header_bytes: 200,
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(2),
            waits: vec![Duration::ZERO],
            longest_wait: Duration::ZERO,
        },
        ..Settings::new(dir.join("none"), dir.join("towers"))
    }
}

/// The URL of the hub, or of the other host to which it redirects.
fn address(is_other: bool) -> &'static str {
    static HUB: OnceLock<String> = OnceLock::new();
    static OTHER: OnceLock<String> = OnceLock::new();
    let address = if is_other { &OTHER } else { &HUB };
    address.get_or_init(|| start(is_other))
}

/// The values of the tower, all alike.
fn tensors() -> Vec<u8> {
    vec![1; 4 * tiny().num_parameters() as usize]
}

fn weights() -> Vec<u8> {
    let (mut entries, mut position) = (Vec::new(), 0);
    for parameter in tiny().parameters() {
        let end = position + 4 * parameter.num_elements();
        entries.push(format!(
            r#""model.visual.{}": {{"dtype": "F32", "shape": {:?}, "data_offsets": [{position}, {end}]}}"#,
            parameter.key, parameter.shape
        ));
        position = end;
    }
    let json = format!("{{{}}}", entries.join(","));
    [
        &(json.len() as u64).to_le_bytes()[..],
        json.as_bytes(),
        &tensors(),
    ]
    .concat()
}

fn start(is_other: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback interface");
    let address = listener.local_addr().expect("a bound port");
    std::thread::spawn(move || {
        let weights = weights();
        for stream in listener.incoming().flatten() {
            let _ = serve(&stream, &weights, is_other);
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    format!("http://{address}")
}

fn serve(mut stream: &TcpStream, weights: &[u8], is_other: bool) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut range = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if is_other && line.starts_with("authorization:") {
            LEAKED.store(true, Ordering::SeqCst);
        }
        if let Some(bytes) = line.strip_prefix("range: bytes=") {
            let (first, last) = bytes.split_once('-').unwrap_or_default();
            range = first.parse().ok().zip(last.parse::<usize>().ok());
        }
    }
    let answer = answer(&first, range, weights);
    stream.write_all(&answer)
}

fn answer(request: &str, range: Option<(usize, usize)>, weights: &[u8]) -> Vec<u8> {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let mut headers = format!("X-Repo-Commit: {COMMIT}\r\n");
    let (mut status, mut body) = match path.rsplit('/').next().unwrap_or_default() {
        "config.json" => (200, tiny_json().into_bytes()),
        "preprocessor_config.json" => (
            200,
            br#"{"patch_size": 1, "temporal_patch_size": 1}"#.to_vec(),
        ),
        "model.safetensors" => {
            let (first, last) = range.unwrap_or((0, weights.len() - 1));
            let last = last.min(weights.len() - 1);
            headers += &format!("Content-Range: bytes {first}-{last}/{}\r\n", weights.len());
            (206, weights.get(first..=last).unwrap_or_default().to_vec())
        }
        _ => {
            headers += "X-Error-Code: EntryNotFound\r\n";
            (404, Vec::new())
        }
    };
    let twist = TWISTS.lock().map(|mut twists| twists.pop().flatten());
    let mut cut = usize::MAX;
    if let Ok(Some(twist)) = twist {
        let statuses = [
            status, 200, 206, 301, 302, 401, 403, 404, 405, 416, 429, 500, 503,
        ];
        status = statuses[twist.status as usize % statuses.len()];
        if let Some((name, value)) = twist.header {
            let names = [
                "Location",
                "Content-Range",
                "X-Repo-Commit",
                "X-Error-Code",
                "Retry-After",
                "Content-Encoding",
                "Transfer-Encoding",
                "X-Error-Message",
            ];
            let mut value: String = value
                .chars()
                .filter(|c| !matches!(c, '\r' | '\n'))
                .collect();
            let name = names[name as usize % names.len()];
            if name == "Location" {
                value = location(&value);
            }
            headers = format!("{name}: {value}\r\n{headers}");
        }
        body = twist.body.unwrap_or(body);
        cut = twist.cut.map_or(cut, usize::from);
    }
    let length = body.len();
    if request.starts_with("HEAD") {
        body.clear();
    }
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    let mut answer = [head.into_bytes(), body].concat();
    answer.truncate(cut);
    answer
}

/// A URL on one of both hosts: nothing else may be asked.
fn location(path: &str) -> String {
    let host = address(path.len() % 2 == 1);
    format!("{host}/{}", path.trim_start_matches('/'))
}
