//! Files, folders and patterns.

mod support;

use glm4v_collect::{
    CollectError, Failures, FetchLimits, Ignored, Input, ListOptions, Location, Media,
};
use support::{FLAT, FRAMES, Folder, Found, GIF, HEIC, MP4, PNG, RECURSIVE};

#[test]
fn the_files_of_a_folder_are_entries_in_bytewise_order() {
    let folder = Folder::with(&[
        ("b.gif", GIF),
        ("a10.gif", GIF),
        ("a2.gif", GIF),
        ("Z.png", PNG),
        ("é.gif", GIF),
        ("no extension", PNG),
        ("video.jpg", MP4),
        ("photo.heic", HEIC),
        ("notes.jpg", b"text"),
        ("empty.png", b""),
        (".hidden.gif", GIF),
        (".git/a.gif", GIF),
        ("sub/c.gif", GIF),
        ("photos.zip", b"PK\x03\x04"),
        ("notes.txt.gz", b"\x1f\x8b\x08"),
        ("bmw.txt", b"BMW is a maker of cars."),
        ("free.txt", b"The free encyclopedia"),
        ("song.m4a", b"\0\0\0\x1cftypM4A \0\0\0\0"),
    ]);
    let found = Found::named(folder.path(""), FLAT);
    assert_eq!(
        found.ids(),
        [
            "Z.png",
            "a10.gif",
            "a2.gif",
            "b.gif",
            "no extension",
            "photo.heic",
            "video.jpg",
            "é.gif"
        ]
    );
    let expected = Ignored {
        not_media: 5,
        hidden: 2,
        folders: 1,
        archives: 2,
        ..Ignored::default()
    };
    assert_eq!(found.ignored, expected);
    let entry = &found.entries[1];
    assert_eq!(entry.location, Location::Path(folder.path("a10.gif")));
    assert_eq!(entry.name, folder.path("a10.gif").display().to_string());
    let media = entry.read(&FetchLimits::default()).unwrap();
    assert_eq!(media, Media::Path(folder.path("a10.gif")));
}

#[test]
fn subfolders_are_listed_at_their_place() {
    let folder = Folder::with(&[
        ("a.gif", GIF),
        ("b/c/d.gif", GIF),
        ("b/e.gif", GIF),
        ("b.gif", GIF),
        ("c/", b""),
        ("d/.x/y.gif", GIF),
    ]);
    let found = Found::named(folder.path(""), RECURSIVE);
    assert_eq!(found.ids(), ["a.gif", "b/c/d.gif", "b/e.gif", "b.gif"]);
    let expected = Ignored {
        hidden: 1,
        ..Ignored::default()
    };
    assert_eq!(found.ignored, expected);
}

#[test]
fn a_folder_of_frames_is_one_entry() {
    let folder = Folder::with(&[("walk/1.png", PNG), ("walk/2.png", PNG)]);
    let path = folder.path("walk");
    let found = Found::named(&path, FRAMES);
    assert_eq!(found.ids(), [path.to_str().unwrap()]);
    assert_eq!(
        found.entries[0].location,
        Location::FrameFolder(path.clone())
    );
    let media = found.entries[0].read(&FetchLimits::default()).unwrap();
    assert_eq!(media, Media::Path(path));
}

#[test]
fn a_name_with_dots_and_repeated_slashes_is_the_same_name() {
    let folder = Folder::with(&[("sub/a.gif", GIF)]);
    let plain = folder.path("sub/a.gif");
    let name = plain.display().to_string();
    for other in [
        name.replace("/sub", "//sub/."),
        name.replace("/sub", "/./sub"),
    ] {
        let found = Found::named(&other, FLAT);
        assert_eq!(found.ids(), [&name[..]], "{other}");
        assert_eq!(found.entries[0].location, Location::Path(plain.clone()));
    }
    let inner = format!("{}/./sub/", folder.path("").display());
    let found = Found::named(inner, FLAT);
    assert_eq!(found.entries[0].name, name);
}

#[test]
fn a_file_has_the_name_that_it_was_given_as_its_id() {
    let folder = Folder::with(&[("a.gif", GIF), (".hidden.gif", GIF), ("b.heic", HEIC)]);
    let names = ["a.gif", ".hidden.gif", "b.heic"].map(|name| folder.path(name));
    let found = Found::of(names.iter().map(Input::named), FLAT);
    assert_eq!(
        found.ids(),
        names.each_ref().map(|name| name.to_str().unwrap())
    );
    assert_eq!(found.ignored, Ignored::default());
}

#[test]
fn a_named_file_that_cannot_be_an_input_is_an_error_and_the_next_one_is_listed() {
    let folder = Folder::with(&[
        ("notes.txt", b"text"),
        ("empty.jpg", b""),
        ("a.tar.gz", b"\x1f\x8b\x08\0"),
        ("b.zip", b"PK\x03\x04"),
        ("c.gif", GIF),
    ]);
    let names = [
        "notes.txt",
        "empty.jpg",
        "a.tar.gz",
        "b.zip",
        "no.jpg",
        "c.gif/x",
        "c.gif",
    ];
    let inputs = names.map(|name| Input::named(folder.path(name)));
    let found = Found::of(inputs, FLAT);
    assert_eq!(found.entries.len(), 1);
    let messages: Vec<_> = found
        .errors
        .iter()
        .map(|error| folder.shorten(&error.to_string()))
        .collect();
    assert_eq!(
        messages,
        [
            "notes.txt: expected an image, a video, a folder or a tar archive; pass a file that names inputs as a list or a manifest",
            "empty.jpg: expected an image, a video, a folder or a tar archive; pass a file that names inputs as a list or a manifest",
            "a.tar.gz: gzip files are not read: decompress it first, with: gunzip FILE",
            "b.zip: zip files are not read: unpack the archive into a folder, and name the folder",
            "no.jpg: no such file or folder; check the name",
            "c.gif/x: no such file or folder; check the name",
        ]
    );
}

#[test]
fn names_that_are_no_files() {
    let message = |text: &str| Found::of([Input::named(text)], FLAT).error();
    assert_eq!(
        message(""),
        "an empty name: no such file or folder; check the name"
    );
    assert_eq!(
        message("-"),
        "the standard input cannot be an input of a job, because a job may read its inputs again: save it as a file"
    );
    assert_eq!(
        message("s3://bucket/a.jpg?sig=secret"),
        "s3://bucket/a.jpg?…: expected a URL that starts with http:// or https://, found s3:"
    );
}

#[test]
fn urls_and_data_uris_are_entries() {
    let url = "HTTPS://images.example/a.jpg?w=640";
    let data = "data:image/gif;base64,R0lGODlh";
    let found = Found::of([url, data].map(Input::named), FLAT);
    let [first, second] = &found.entries[..] else {
        panic!("{:?}", found.errors);
    };
    assert_eq!(
        (&first.id[..], &first.name[..]),
        (url, "HTTPS://images.example/a.jpg?…")
    );
    assert_eq!(first.location, Location::Url(url.into()));
    assert_eq!(second.name, "data:image/gif;base64,…");
    assert_eq!(second.id, "data:f1a579371eafed0f52f1173fb10e5871");
    let media = second.read(&FetchLimits::default()).unwrap();
    assert_eq!(media, Media::Bytes(b"GIF89a".to_vec()));
}

#[test]
fn patterns_match_files_below_a_folder() {
    let folder = Folder::with(&[
        ("photos/a.gif", GIF),
        ("photos/b.png", PNG),
        ("photos/b.txt", b"text"),
        ("photos/.c.png", PNG),
        ("photos/2024/d.png", PNG),
        ("photos/2024/may/e.png", PNG),
        ("photos/.old/f.png", PNG),
        ("clips/g/1.png", PNG),
        ("clips/h/1.png", PNG),
    ]);
    let ids = |pattern: &str, options| {
        let found = Found::named(folder.path(pattern), options);
        let ids = found
            .ids()
            .into_iter()
            .map(|id| folder.shorten(id))
            .collect::<Vec<_>>();
        (ids, found.ignored)
    };
    let none = Ignored::default();
    assert_eq!(
        ids("photos/*.png", FLAT),
        (vec!["photos/b.png".into()], none)
    );
    assert_eq!(
        ids("photos/**/*.png", FLAT).0,
        ["photos/2024/d.png", "photos/2024/may/e.png", "photos/b.png"]
    );
    assert_eq!(ids("*/*/[de].*", FLAT).0, ["photos/2024/d.png"]);
    assert_eq!(ids("photos/.*.png", FLAT).0, ["photos/.c.png"]);
    // What matches and is no image is counted. So are folders, unless they are wanted.
    let (found, ignored) = ids("photos/*", FLAT);
    assert_eq!(found, ["photos/a.gif", "photos/b.png"]);
    assert_eq!(
        (ignored.not_media, ignored.folders, ignored.total()),
        (1, 1, 2)
    );
    assert_eq!(
        ids("photos/2*", RECURSIVE).0,
        ["photos/2024/d.png", "photos/2024/may/e.png"]
    );
    assert_eq!(ids("clips/*", FRAMES).0, ["clips/g", "clips/h"]);
    assert_eq!(ids("photos/*/d.png", FLAT).0, ["photos/2024/d.png"]);
}

#[test]
fn patterns_without_a_match_are_errors() {
    let folder = Folder::with(&[("a.gif", GIF)]);
    let message = |pattern: &str| folder.shorten(&Found::named(folder.path(pattern), FLAT).error());
    assert_eq!(
        message("*.jpg"),
        "*.jpg: no file matches this pattern; check the pattern and the folder"
    );
    assert_eq!(
        message("missing/*.jpg"),
        "missing/*.jpg: no file matches this pattern; check the pattern and the folder"
    );
    let text = message("a[.jpg");
    assert!(
        text.starts_with("a[.jpg: the pattern is not valid: "),
        "{text}"
    );
    assert_eq!(
        message("*/../b"),
        "*/../b: the pattern is not valid: `..` cannot follow a wildcard"
    );
    // One pattern after another: each has its own matches.
    let found = Found::of(
        ["*.gif", "*.jpg", "*.gif"].map(|name| Input::named(folder.path(name))),
        FLAT,
    );
    assert_eq!((found.entries.len(), found.errors.len()), (2, 1));
}

#[test]
fn a_file_whose_name_looks_like_a_pattern_is_that_file() {
    let folder = Folder::with(&[("a[12].gif", GIF), ("a1.gif", GIF)]);
    let found = Found::named(folder.path("a[12].gif"), FLAT);
    assert_eq!(found.entries.len(), 1);
    assert_eq!(
        found.entries[0].location,
        Location::Path(folder.path("a[12].gif"))
    );
    std::fs::remove_file(folder.path("a[12].gif")).unwrap();
    let found = Found::named(folder.path("a[12].gif"), FLAT);
    assert_eq!(
        found.entries[0].location,
        Location::Path(folder.path("a1.gif"))
    );
}

#[test]
fn a_pattern_without_folder_searches_the_working_directory() {
    // Tests run in the folder of the package.
    let found = Found::of([Input::named("no-such-file-*.gif")], FLAT);
    assert_eq!(
        found.error(),
        "no-such-file-*.gif: no file matches this pattern; check the pattern and the folder"
    );
    let found = Found::of([Input::named("Cargo.*")], FLAT);
    assert!(found.ids().is_empty());
    assert_eq!(found.ignored.not_media, 1);
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use glm4v_collect::Entry;

    use super::*;

    #[test]
    fn links_are_followed_and_loops_are_skipped() {
        let folder = Folder::with(&[("a/b/c.gif", GIF), ("other/d.gif", GIF)]);
        symlink(folder.path("a"), folder.path("a/b/up")).unwrap();
        symlink(".", folder.path("a/self")).unwrap();
        symlink(folder.path("other"), folder.path("a/other")).unwrap();
        symlink("c.gif", folder.path("a/b/link.gif")).unwrap();
        symlink("missing", folder.path("a/b/broken.gif")).unwrap();
        symlink("circle", folder.path("a/b/circle")).unwrap();
        let found = Found::named(folder.path("a"), RECURSIVE);
        assert_eq!(found.ids(), ["b/c.gif", "b/link.gif", "other/d.gif"]);
        let expected = Ignored {
            links: 2,
            loops: 2,
            ..Ignored::default()
        };
        assert_eq!(found.ignored, expected);

        let found = Found::named(folder.path("a/**/*.gif"), FLAT);
        let ids = found.ids().into_iter().map(|id| folder.shorten(id));
        assert_eq!(
            ids.collect::<Vec<_>>(),
            ["a/b/c.gif", "a/b/link.gif", "a/other/d.gif"]
        );
        assert_eq!(found.ignored.loops, 2);
    }

    #[test]
    fn two_links_to_each_other_are_loops() {
        let folder = Folder::with(&[("a/x.gif", GIF), ("b/y.gif", GIF)]);
        symlink(folder.path("b"), folder.path("a/b")).unwrap();
        symlink(folder.path("a"), folder.path("b/a")).unwrap();
        let found = Found::named(folder.path(""), RECURSIVE);
        assert_eq!(
            found.ids(),
            ["a/b/y.gif", "a/x.gif", "b/a/x.gif", "b/y.gif"]
        );
        assert_eq!(found.ignored.loops, 2);
    }

    #[test]
    fn names_that_are_not_utf8_work() {
        let folder = Folder::new();
        let name = OsStr::from_bytes(b"caf\xe9.gif");
        let path = folder.path("").join(name);
        fs::write(&path, GIF).unwrap();
        for pattern in ["", "*.gif"] {
            let found = Found::named(folder.path(pattern), FLAT);
            let [entry] = &found.entries[..] else {
                panic!("{:?}", found.errors);
            };
            assert!(entry.id.ends_with("caf%E9.gif"), "{}", entry.id);
            assert_eq!(entry.location, Location::Path(path.clone()));
            assert_eq!(
                &Entry::from_json_line(&entry.to_json_line()).unwrap(),
                entry
            );
        }
        // The folder's own name as well.
        let inner = folder.path("").join(OsStr::from_bytes(b"\xff"));
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("a.gif"), GIF).unwrap();
        assert_eq!(Found::named(&inner, FLAT).ids(), ["a.gif"]);
        assert_eq!(
            Found::named(folder.path(""), RECURSIVE).ids(),
            ["caf%E9.gif", "%FF/a.gif"]
        );
        assert_eq!(Found::named(inner.join("*.gif"), FLAT).entries.len(), 1);
    }

    #[test]
    fn control_characters_stay_in_ids() {
        let folder = Folder::with(&[("a\n\x1b[1m.gif", GIF)]);
        assert_eq!(
            Found::named(folder.path(""), FLAT).ids(),
            ["a\n\x1b[1m.gif"]
        );
    }

    #[test]
    fn pipes_and_sockets_in_a_folder_are_not_opened() {
        let folder = Folder::with(&[("a.gif", GIF)]);
        let _listener = UnixListener::bind(folder.path("socket")).unwrap();
        symlink("/dev/null", folder.path("device")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(folder.path("pipe"))
            .status();
        assert!(made.unwrap().success());
        let found = Found::named(folder.path(""), FLAT);
        assert_eq!(found.ids(), ["a.gif"]);
        assert_eq!(found.ignored.special, 3);
        // A pipe that is named can be an input. It can be read only once, so it is not opened here.
        let (pipe, options) = (
            folder.path("pipe"),
            ListOptions {
                pipes: true,
                ..FLAT
            },
        );
        let named = Found::named(&pipe, options);
        assert_eq!(named.entries[0].location, Location::Path(pipe.clone()));
        let refused = Found::named(&pipe, FLAT);
        assert!(matches!(&refused.errors[..], [CollectError::Pipe { path }] if *path == pipe));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_the_rest_is_listed() {
        let folder = Folder::with(&[
            ("a.gif", GIF),
            ("b.gif", GIF),
            ("c/d.gif", GIF),
            ("e.gif", GIF),
        ]);
        for name in ["b.gif", "c"] {
            fs::set_permissions(folder.path(name), fs::Permissions::from_mode(0o000)).unwrap();
        }
        if fs::read(folder.path("b.gif")).is_ok() {
            eprintln!("*** SKIPPED: this user may read every file ***");
            return;
        }
        let found = Found::named(folder.path(""), RECURSIVE);
        let recorded = ListOptions {
            failures: Failures::EntriesIfFound,
            ..RECURSIVE
        };
        let entries = Found::named(folder.path(""), recorded);
        fs::set_permissions(folder.path("c"), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(entries.ids(), ["a.gif", "b.gif", "c", "e.gif"]);
        assert_eq!(
            entries.entries[1].location,
            Location::Path(folder.path("b.gif"))
        );
        let error = entries.entries[2]
            .read(&FetchLimits::default())
            .unwrap_err();
        assert!(error.to_string().contains("c: cannot be read: "), "{error}");
        let ids: Vec<_> = found.entries.iter().map(|entry| &entry.id[..]).collect();
        assert_eq!(ids, ["a.gif", "e.gif"]);
        let messages: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        assert!(
            messages[0].contains("b.gif: cannot be read: ")
                && messages[1].contains("c: cannot be read: "),
            "{messages:?}"
        );
    }
}
