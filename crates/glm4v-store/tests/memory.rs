//! Peak memory does not grow with the size of a shard.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use glm4v_store::{Encoded, GridThw, Job, OutputDtype, Pool, Record, ShardFormat};

mod support;

const DIR: &str = "GLM4V_STORE_TEST_DIR";
const WIDTH: usize = 4096;
const TOKENS: usize = 512;
/// Records of 4 MiB in f16, in one shard.
const INPUTS: usize = 100;

/// Not a test: the process that is measured.
#[test]
#[ignore = "the other test starts it as a process"]
fn other_process() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    for format in ShardFormat::ALL {
        let mut settings = support::settings(format, OutputDtype::F16, Pool::None, WIDTH);
        settings.shard_inputs = INPUTS;
        let dir = Path::new(&dir).join(format.name());
        let mut job = Job::open(dir, &settings, (0..INPUTS).map(Ok)).unwrap();
        let tokens = vec![0.5; TOKENS * WIDTH];
        for _ in 0..INPUTS {
            let encoded = Encoded {
                grid: GridThw::new(1, 32, 64),
                tokens: &tokens,
                video: None,
            };
            job.push(&Record {
                id: "a",
                path: Path::new("a.png"),
                sha256: None,
                outcome: Ok(encoded),
            })
            .unwrap();
            job.end_batch().unwrap();
        }
        assert_eq!(job.finish().unwrap().shards, 1);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    println!("\n{peak}");
}

#[test]
fn a_shard_of_400_mib_takes_the_memory_of_a_row_group() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "other_process", "--ignored", "--nocapture"]);
    let output = command.env(DIR, dir.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    for format in ShardFormat::ALL {
        let shard = dir.path().join(format!("{format}/shard-000000.{format}"));
        assert!(shard.metadata().unwrap().len() > 400 << 20);
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let peak = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let digits: String = peak.chars().filter(char::is_ascii_digit).collect();
    let peak: u64 = digits.parse::<u64>().unwrap() >> 10;
    println!("peak: {peak} MiB");
    // A row group of 16 MiB, the caller's 8 MiB, two copies of a row of 4 MiB, buffers, and the program.
    assert!(peak < 50, "{peak} MiB");
}
