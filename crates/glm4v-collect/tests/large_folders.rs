//! Folders of so many names that threads look at them.

mod support;

use glm4v_collect::Ignored;
use support::{Folder, Found, GIF, RECURSIVE};

#[test]
fn more_than_a_thousand_files_are_listed_in_order_and_once() {
    let folder = Folder::new();
    let mut expected = Vec::new();
    for number in 0..1300 {
        let name = format!("{number:04}");
        match number % 10 {
            3 => drop(folder.add(&name, b"text")),
            5 => drop(folder.add(&format!(".{name}"), GIF)),
            7 if number % 100 == 7 => {
                folder.add(&format!("{name}/inner"), GIF);
                expected.push(format!("{name}/inner"));
            }
            _ => {
                folder.add(&name, GIF);
                expected.push(name);
            }
        }
    }
    let found = Found::named(folder.path(""), RECURSIVE);
    assert!(found.ids() == expected, "{:?}", found.ids());
    let ignored = Ignored {
        not_media: 130,
        hidden: 130,
        ..Ignored::default()
    };
    assert_eq!(found.ignored, ignored);
    let matched = Found::named(folder.path("*[0-4]"), RECURSIVE);
    let end = |id: &str| id.ends_with(['0', '1', '2', '4']);
    assert_eq!(
        matched.entries.len(),
        expected.iter().filter(|id| end(id)).count()
    );
    assert_eq!(matched.ignored.not_media, 130);
}
