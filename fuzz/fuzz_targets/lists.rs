//! Lists of inputs, manifests, tar archives, data URIs and saved entries.
#![no_main]

use std::fs;
use std::path::Path;

use glm4v_collect::{
    Entry, EntryReader, Failures, FetchLimits, IdSet, Input, ListOptions, Location, Manifest,
    MediaReader, list,
};
use glm4v_fuzz::{contained, scratch};
use libfuzzer_sys::fuzz_target;

/// Entries of one list that are read.
const MOST: usize = 200;
const LIMITS: u64 = 1 << 16;

// A panic of the reader of Parquet becomes an error.
fuzz_target!(|data: &[u8]| contained(|| check(data)));

fn check(data: &[u8]) {
    let Some((&kind, content)) = data.split_first() else {
        return;
    };
    let dir = scratch();
    let file = |name: &str| {
        let path = dir.join(name);
        fs::write(&path, content).expect("the folder is ours");
        path
    };
    let manifest = |name: &str| Input::Manifest(Manifest::new(file(name)).expect(name));
    match kind % 8 {
        0 if names_only_our_files(content) => check_list(Input::List {
            path: file("list"),
            nul: false,
        }),
        1 if names_only_our_files(content) => check_list(Input::List {
            path: file("list"),
            nul: true,
        }),
        0 | 1 => {}
        2 => check_list(manifest("manifest.jsonl")),
        3 => check_list(manifest("manifest.csv")),
        4 => check_list(manifest("manifest.parquet")),
        5 => check_list(Input::named(file("archive.tar"))),
        6 => {
            let uri = format!("data:{}", String::from_utf8_lossy(content));
            check_list(Input::named(uri));
        }
        _ => saved(content),
    }
}

/// A list may name any file. These would be opened.
fn names_only_our_files(content: &[u8]) -> bool {
    let lines = content.split(|byte| matches!(byte, b'\n' | b'\r' | 0));
    let mut starts = lines.map(<[u8]>::trim_ascii_start);
    starts.all(|line| !line.starts_with(b"/") && !line.starts_with(b".") && !line.starts_with(b"~"))
}

fn check_list(input: Input) {
    let limits = FetchLimits {
        max_bytes: LIMITS,
        ..FetchLimits::default()
    };
    let reader = MediaReader::new(&limits);
    let (mut ids, mut names) = (IdSet::default(), Vec::<String>::new());
    let options = ListOptions {
        failures: Failures::EntriesIfFound,
        ..ListOptions::default()
    };
    let mut listing = list([input], options);
    for entry in listing.by_ref().take(MOST) {
        let Ok(entry) = entry else { continue };
        let line = entry.to_json_line();
        assert_eq!(Entry::from_json_line(&line).as_ref().ok(), Some(&entry));
        let _ = ids.insert(&entry, |first| names[first as usize].clone());
        names.push(entry.name.clone());
        match &entry.location {
            Location::TarMember {
                archive,
                offset,
                size,
            } => {
                let length = fs::metadata(archive).expect("the archive was listed").len();
                let end = offset.checked_add(*size).expect("a member ends");
                assert!(end <= length, "{} lies outside the archive", entry.name);
                let _ = reader.read(&entry);
            }
            Location::Data(_) => {
                let _ = reader.read(&entry);
            }
            Location::Path(path) | Location::FrameFolder(path) => assert_ne!(path, Path::new("")),
            Location::Url(_) => {}
            Location::Failed(problem) => assert_ne!(problem, ""),
        }
    }
    let _ = listing.ignored().total();
}

fn saved(content: &[u8]) {
    for entry in EntryReader::new("saved", content).take(MOST) {
        let Ok(entry) = entry else { continue };
        assert_eq!(
            Entry::from_json_line(&entry.to_json_line()).ok(),
            Some(entry)
        );
    }
}
