//! Tar archives.

mod support;

use std::fs;
use std::path::Path;

use glm4v_collect::{Entry, Failures, FetchLimits, Ignored, ListOptions, Location, Media};
use support::{FLAT, Folder, Found, GIF, MP4, PNG, RECURSIVE};
use tar::{Builder, EntryType, Header};

type Archive = Builder<Vec<u8>>;

fn header(kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o644);
    header
}

fn add(archive: &mut Archive, name: &str, content: &[u8]) {
    let mut header = header(EntryType::Regular, content.len());
    archive.append_data(&mut header, name, content).unwrap();
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Archive::new(Vec::new());
    for (name, content) in members {
        add(&mut archive, name, content);
    }
    archive.into_inner().unwrap()
}

/// Compares what the entries contain with `members`.
fn assert_content(found: &Found, members: &[(&str, &[u8])]) {
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    assert_eq!(found.entries.len(), members.len());
    for (entry, (id, content)) in found.entries.iter().zip(members) {
        assert_eq!(entry.id, *id);
        let media = entry.read(&FetchLimits::default()).unwrap();
        assert_eq!(media, Media::Bytes(content.to_vec()), "{id}");
    }
}

#[test]
fn only_images_and_videos_of_a_sample_are_entries() {
    let long = [GIF, &[7; 5000]].concat();
    let folder = Folder::new();
    let bytes = archive(&[
        ("000.jpg", &long),
        ("000.json", b"{}"),
        ("000.cls", b"5"),
        ("sub/001.mp4", MP4),
        ("./002.left.png", PNG),
        ("._002.png", PNG),
        ("inner.tar", &archive(&[("x.gif", GIF)])),
        ("text.json.gz", b"\x1f\x8b\x08"),
    ]);
    let path = folder.add("shards/00000.tar", &bytes);
    let found = Found::named(&path, FLAT);
    assert_content(
        &found,
        &[
            ("00000/000", &long),
            ("00000/sub/001", MP4),
            ("00000/002.left", PNG),
        ],
    );
    assert_eq!(
        found.entries[1].name,
        format!("{}/sub/001.mp4", path.display())
    );
    assert_eq!(
        found.entries[0].location,
        Location::TarMember {
            archive: path,
            offset: 512,
            size: long.len() as u64
        }
    );
    let expected = Ignored {
        not_media: 2,
        hidden: 1,
        archives: 2,
        ..Ignored::default()
    };
    assert_eq!(found.ignored, expected);
}

#[test]
fn archives_in_a_folder_are_left_alone() {
    let folder = Folder::with(&[
        ("a.tar", &archive(&[("x.gif", GIF)])),
        ("b/c.tar", &archive(&[])),
    ]);
    let found = Found::named(folder.path(""), RECURSIVE);
    assert!(found.ids().is_empty());
    assert_eq!(Found::named(folder.path("*.tar"), FLAT).ids(), ["a/x"]);
    // An archive without members consists of zeros, and is recognised if it is named.
    assert_eq!((found.ignored.archives, found.ignored.not_media), (1, 1));
    assert!(Found::named(folder.path("b/c.tar"), FLAT).ids().is_empty());
}

#[test]
fn folders_links_and_devices_in_an_archive() {
    let mut archive = Archive::new(Vec::new());
    archive
        .append_data(&mut header(EntryType::Directory, 0), "d/", &[][..])
        .unwrap();
    archive
        .append_link(&mut header(EntryType::Symlink, 0), "l.gif", "a.gif")
        .unwrap();
    archive
        .append_link(&mut header(EntryType::Link, 0), "h.gif", "a.gif")
        .unwrap();
    archive
        .append_data(&mut header(EntryType::Fifo, 0), "pipe", &[][..])
        .unwrap();
    archive
        .append_data(&mut header(EntryType::Continuous, GIF.len()), "c.gif", GIF)
        .unwrap();
    add(&mut archive, "d/a.gif", GIF);
    let folder = Folder::new();
    let path = folder.add("a.tar", &archive.into_inner().unwrap());
    let found = Found::named(path, FLAT);
    assert_content(&found, &[("a/c", GIF), ("a/d/a", GIF)]);
    assert_eq!(
        (
            found.ignored.archive_links,
            found.ignored.special,
            found.ignored.total()
        ),
        (2, 1, 3)
    );
}

#[test]
fn long_names_and_attributes_of_gnu_and_pax() {
    let long = format!("{}/{}.png", "d".repeat(150), "n".repeat(150));
    let pax_name = format!("{}/é.gif", "p".repeat(300));
    let mut archive = Archive::new(Vec::new());
    add(&mut archive, &long, PNG); // A GNU long name: the crate writes one where it is needed.
    let size = GIF.len().to_string();
    archive
        .append_pax_extensions([
            ("path", pax_name.as_bytes()),
            ("size", size.as_bytes()),
            ("mtime", b"1700000000.5"),
        ])
        .unwrap();
    // The size in the header is false, as for members of more than 8 GiB.
    let mut ustar = Header::new_ustar();
    ustar.set_path("short.gif").unwrap();
    ustar.set_size(0);
    ustar.set_entry_type(EntryType::Regular);
    ustar.set_cksum();
    let mut bytes = archive.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024);
    bytes.extend(ustar.as_bytes());
    bytes.extend(GIF);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    let mut global = Archive::new(Vec::new());
    let comment = b"18 comment=global\n";
    global
        .append_data(
            &mut header(EntryType::XGlobalHeader, comment.len()),
            "g",
            &comment[..],
        )
        .unwrap();
    add(&mut global, "last.gif", GIF);
    bytes.extend(global.into_inner().unwrap());
    let folder = Folder::new();
    let found = Found::named(folder.add("a.tar", &bytes), FLAT);
    let id = |name: &str| format!("a/{}", name.rsplit_once('.').unwrap().0);
    assert_content(
        &found,
        &[(&id(&long), PNG), (&id(&pax_name), GIF), ("a/last", GIF)],
    );
}

#[cfg(unix)]
#[test]
fn member_names_that_are_not_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let mut archive = Archive::new(Vec::new());
    let name = Path::new(OsStr::from_bytes(b"caf\xe9.gif"));
    archive
        .append_data(&mut header(EntryType::Regular, GIF.len()), name, GIF)
        .unwrap();
    let folder = Folder::new();
    let found = Found::named(folder.add("a.tar", &archive.into_inner().unwrap()), FLAT);
    assert_content(&found, &[("a/caf%E9", GIF)]);
}

#[test]
fn archives_of_the_program_tar() {
    let folder = Folder::with(&[
        ("in/cat.gif", GIF),
        ("in/cat.json", b"{}"),
        ("in/d/é.png", PNG),
    ]);
    for format in ["v7", "oldgnu", "gnu", "ustar", "pax"] {
        let path = folder.path(&format!("{format}.tar"));
        let made = std::process::Command::new("tar")
            .args(["--format", format, "--sort=name", "-cf"])
            .arg(&path)
            .arg("-C")
            .arg(folder.path("in"))
            .arg(".")
            .status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("*** SKIPPED: GNU tar cannot write the format {format} here ***");
            continue;
        }
        let found = Found::named(path, FLAT);
        let ids = ["cat", "d/é"].map(|name| format!("{format}/{name}"));
        assert_content(&found, &[(&ids[0], GIF), (&ids[1], PNG)]);
    }
}

#[test]
fn sparse_and_compressed_members_are_refused() {
    let folder = Folder::new();
    let refused = "a sparse member is not read; write the archive again without --sparse";
    let mut pax = Archive::new(Vec::new());
    pax.append_pax_extensions([("GNU.sparse.major", &b"1"[..])])
        .unwrap();
    add(&mut pax, "cat.gif", GIF);
    let found = Found::named(folder.add("a.tar", &pax.into_inner().unwrap()), FLAT);
    assert_eq!(
        folder.shorten(&found.error()),
        format!("a.tar/cat.gif: {refused}")
    );

    let mut old = header(EntryType::GNUSparse, 512);
    old.set_path("cat.gif").unwrap();
    let gnu = old.as_gnu_mut().unwrap();
    gnu.sparse[0].offset[..12].copy_from_slice(b"00000000000\0");
    gnu.sparse[0].numbytes[..12].copy_from_slice(b"00000001000\0");
    gnu.realsize[..12].copy_from_slice(b"00000001000\0");
    old.set_cksum();
    let bytes = [old.as_bytes(), &[0; 1536][..]].concat();
    let found = Found::named(folder.add("b.tar", &bytes), FLAT);
    assert_eq!(
        folder.shorten(&found.error()),
        format!("b.tar/cat.gif: {refused}")
    );

    let bytes = archive(&[("cat.jpg.gz", b"\x1f\x8b\x08"), ("dog.gif", GIF)]);
    let found = Found::named(folder.add("c.tar", &bytes), FLAT);
    assert_eq!(found.entries.len(), 1);
    assert_eq!(
        folder.shorten(&found.error()),
        "c.tar/cat.jpg.gz: gzip files are not read: write the archive again with members that are not compressed"
    );
}

#[test]
fn archives_that_are_cut_off_or_damaged() {
    let long = [GIF, &[7; 2000]].concat();
    let whole = archive(&[("a.gif", &long), ("b.gif", &long)]);
    let folder = Folder::new();
    let start = "x.tar: the tar archive is damaged or cut off: ";
    let listed = |bytes: &[u8]| {
        let found = Found::named(folder.add("x.tar", bytes), FLAT);
        (
            found.entries.len(),
            found
                .errors
                .iter()
                .map(|error| folder.shorten(&error.to_string()))
                .collect::<Vec<_>>(),
        )
    };
    // In the second member, in its header, and in the first member.
    let second = 512 + 2048;
    for (end, entries, problem) in [
        (
            second + 512 + 100,
            1,
            "the member b.gif has 2014 bytes, and only 100 of them are there",
        ),
        (second + 100, 1, ""),
        (
            1000,
            0,
            "the member a.gif has 2014 bytes, and only 488 of them are there",
        ),
    ] {
        let (count, messages) = listed(&whole[..end]);
        assert_eq!((count, messages.len()), (entries, 1), "{messages:?}");
        assert!(
            messages[0].starts_with(&format!("{start}{problem}")),
            "{messages:?}"
        );
    }
    // Archives of some programs have no end mark.
    assert_eq!(listed(&whole[..2 * second]), (2, vec![]));
    let mut damaged = whole.clone();
    damaged[second] ^= 1;
    let (count, messages) = listed(&damaged);
    assert_eq!((count, messages.len()), (1, 1));
    assert_eq!(
        messages[0],
        format!("{start}archive header checksum mismatch")
    );
}

#[test]
fn the_end_of_a_cut_archive_becomes_an_entry_that_fails() {
    let folder = Folder::new();
    let bytes = archive(&[
        ("a.gif", GIF),
        ("b.jpg.gz", b"\x1f\x8b\x08"),
        ("c.gif", GIF),
    ]);
    // The third member ends in the middle of its content.
    let path = folder.add("a.tar", &bytes[..5 * 512 + 5]);
    let options = ListOptions {
        failures: Failures::EntriesIfFound,
        ..FLAT
    };
    let found = Found::named(&path, options);
    let ids: Vec<_> = found
        .ids()
        .into_iter()
        .map(|id| folder.shorten(id))
        .collect();
    assert_eq!(ids, ["a/a", "a.tar/b.jpg.gz", "a.tar"]);
    let message = |entry: &Entry| {
        let error = entry.read(&FetchLimits::default()).unwrap_err();
        folder.shorten(&error.to_string())
    };
    assert!(
        message(&found.entries[1]).contains("a.tar/b.jpg.gz: gzip files are not read"),
        "{}",
        message(&found.entries[1])
    );
    assert!(
        message(&found.entries[2]).starts_with("a.tar: the tar archive is damaged or cut off: "),
        "{}",
        message(&found.entries[2])
    );
}

#[test]
fn a_false_size_of_a_long_name_takes_no_memory() {
    let mut name = header(EntryType::GNULongName, 1 << 40);
    name.set_path("././@LongLink").unwrap();
    name.set_cksum();
    let folder = Folder::new();
    let bytes = [name.as_bytes(), &[b'x'; 4096][..]].concat();
    let found = Found::named(folder.add("a.tar", &bytes), FLAT);
    assert!(
        found
            .error()
            .contains("a.tar: the tar archive is damaged or cut off: "),
        "{}",
        found.error()
    );
}

#[test]
fn members_are_read_within_limits() {
    let folder = Folder::new();
    let path = folder.add("a.tar", &archive(&[("cat.gif", GIF)]));
    let found = Found::named(&path, FLAT);
    let entry = &found.entries[0];
    let small = FetchLimits {
        max_bytes: GIF.len() as u64 - 1,
        ..FetchLimits::default()
    };
    assert_eq!(
        folder.shorten(&entry.read(&small).unwrap_err().to_string()),
        format!(
            "a.tar/cat.gif: more than {} bytes; raise the limit if the input is trusted",
            GIF.len() - 1
        )
    );
    let exact = FetchLimits {
        max_bytes: GIF.len() as u64,
        ..small
    };
    assert_eq!(entry.read(&exact).unwrap(), Media::Bytes(GIF.to_vec()));
    // The archive changes after it was listed.
    fs::write(&path, &archive(&[("cat.gif", GIF)])[..515]).unwrap();
    assert_eq!(
        folder.shorten(&entry.read(&exact).unwrap_err().to_string()),
        "a.tar: the tar archive is damaged or cut off: a.tar/cat.gif has 14 bytes, and only 3 of them are there; \
         the archive has changed since it was listed"
    );
    fs::remove_file(&path).unwrap();
    let message = folder.shorten(&entry.read(&exact).unwrap_err().to_string());
    assert!(message.starts_with("a.tar: cannot be read: "), "{message}");
}
