//! Lists of inputs.

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use glm4v_collect::{Entry, Failures, FetchLimits, Input, ListOptions, Location};
use support::{FLAT, Folder, Found, GIF, RECURSIVE};

fn list(path: PathBuf) -> Input {
    Input::List { path, nul: false }
}

#[test]
fn lines_are_files_folders_and_urls() {
    let folder = Folder::with(&[("a b.gif", GIF), ("sub/c.gif", GIF), ("sub/d/e.gif", GIF)]);
    let (file, sub) = (folder.path("a b.gif"), folder.path("sub"));
    let text = format!(
        "\u{feff}{}\r\n\r\n   \n{}\nhttps://images.example/a?b\ndata:,x",
        file.display(),
        sub.display()
    );
    let path = folder.add("list.txt", text.as_bytes());
    let found = Found::of([list(path)], RECURSIVE);
    let ids = found.ids();
    assert_eq!(
        ids[..4],
        [
            file.to_str().unwrap(),
            "c.gif",
            "d/e.gif",
            "https://images.example/a?b"
        ]
    );
    assert_eq!(found.entries[4].location, Location::Data("data:,x".into()));
}

#[test]
fn zero_bytes_allow_every_name() {
    let folder = Folder::with(&[("a\nb.gif", GIF), ("c.gif\r", GIF)]);
    let names = ["a\nb.gif", "c.gif\r"].map(|name| folder.path(name));
    let text = names
        .each_ref()
        .map(|name| name.to_str().unwrap())
        .join("\0");
    let path = folder.add("list", text.as_bytes());
    let input = Input::List { path, nul: true };
    let found = Found::of([input], FLAT);
    assert_eq!(
        found.ids(),
        names.each_ref().map(|name| name.to_str().unwrap())
    );
}

#[test]
fn errors_name_the_list_and_the_line_and_the_next_line_is_read() {
    let folder = Folder::with(&[("a.gif", GIF), ("notes.txt", b"text")]);
    let path = |name| folder.path(name).display().to_string();
    let text = format!(
        "{}\n\n{}\n{}\nftp://a.example/b\nhttp://me:secret@a.example/\n{}\n",
        path("*.gif"),
        path("missing.gif"),
        path("notes.txt"),
        path("a.gif"),
    );
    let found = Found::of([list(folder.add("list", text.as_bytes()))], FLAT);
    assert_eq!(found.entries.len(), 1);
    let messages: Vec<_> = found
        .errors
        .iter()
        .map(|error| folder.shorten(&error.to_string()))
        .collect();
    assert_eq!(
        messages,
        [
            "list, line 1: *.gif: no such file or folder; check the name",
            "list, line 3: missing.gif: no such file or folder; check the name",
            "list, line 4: notes.txt: expected an image, a video, a folder or a tar archive; pass a file that names inputs as a list or a manifest",
            "list, line 5: ftp://a.example/b: expected a URL that starts with http:// or https://, found ftp:",
            "list, line 6: http://a.example/: the URL contains a user name or a password; remove it",
        ]
    );
    let path = folder.add("zeros", b"\0missing.gif\0");
    let found = Found::of([Input::List { path, nul: true }], FLAT);
    assert_eq!(
        folder.shorten(&found.error()),
        "zeros, path 2: missing.gif: no such file or folder; check the name"
    );
    let found = Found::of([list(folder.path("no list"))], FLAT);
    let message = folder.shorten(&found.error());
    assert!(
        message.starts_with("no list: cannot be read: "),
        "{message}"
    );
    let found = Found::of([list(folder.path(""))], FLAT);
    assert!(
        found.error().contains(": cannot be read: "),
        "{}",
        found.error()
    );
}

#[test]
fn lines_that_fail_become_entries_that_fail_when_they_are_read() {
    let folder = Folder::with(&[
        ("a.gif", GIF),
        ("notes.txt", b"text"),
        ("b.zip", b"PK\x03\x04"),
    ]);
    let path = |name| folder.path(name).display().to_string();
    let lines = [
        path("missing.gif"),
        path("notes.txt"),
        path("b.zip"),
        "ftp://a.example/b".into(),
        path("a.gif"),
    ];
    let input = list(folder.add("list", lines.join("\n").as_bytes()));
    let options = ListOptions {
        failures: Failures::EntriesIfFound,
        ..FLAT
    };
    let found = Found::of([input], options);
    assert_eq!(found.ids(), lines.each_ref().map(|line| &line[..]));
    // A file may be there when its turn comes.
    for (entry, name) in found.entries.iter().zip(["missing.gif", "notes.txt"]) {
        assert_eq!(entry.location, Location::Path(folder.path(name)));
    }
    let message = |entry: &Entry| {
        let error = entry.read(&FetchLimits::default()).unwrap_err();
        folder.shorten(&error.to_string())
    };
    assert_eq!(
        message(&found.entries[2]),
        "list, line 3: b.zip: zip files are not read: unpack the archive into a folder, and name the folder"
    );
    assert_eq!(
        message(&found.entries[3]),
        "list, line 4: ftp://a.example/b: expected a URL that starts with http:// or https://, found ftp:"
    );
    // What the caller names itself is an error, and so is a list that cannot be read.
    let named = || {
        [
            Input::named(folder.path("no.gif")),
            Input::named(folder.path("*.png")),
        ]
    };
    let found = Found::of(named(), options);
    assert_eq!((found.entries.len(), found.errors.len()), (0, 2));
    let all = ListOptions {
        failures: Failures::Entries,
        ..FLAT
    };
    let found = Found::of(named(), all);
    assert_eq!(found.ids(), [path("no.gif"), path("*.png")]);
    assert_eq!(
        Found::of([list(folder.path("no list"))], all).errors.len(),
        1
    );
}

/// Set for the process that lists its standard input.
const CHILD: &str = "GLM4V_COLLECT_TEST_CHILD";

#[test]
fn the_standard_input_can_be_a_list() {
    if std::env::var_os(CHILD).is_some() {
        let found = Found::of([list("-".into())], FLAT);
        for entry in &found.entries {
            println!("<{}>", entry.id);
        }
        return println!("<{}>", found.error());
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "the_standard_input_can_be_a_list"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(b"http://a.example/b\nmissing.gif\n")
        .unwrap();
    drop(input);
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(
        output.contains("<http://a.example/b>\n")
            && output.contains(
                "<the standard input, line 2: missing.gif: no such file or folder; check the name>\n"
            ),
        "{output}"
    );
}

#[cfg(unix)]
#[test]
fn lines_that_are_not_utf8_are_paths() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = Folder::new();
    let file = folder.path("").join(OsStr::from_bytes(b"caf\xe9.gif"));
    std::fs::write(&file, GIF).unwrap();
    let path = folder.add("list", file.as_os_str().as_bytes());
    let found = Found::of([list(path)], FLAT);
    assert_eq!(found.entries[0].location, Location::Path(file));
}
