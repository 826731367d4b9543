//! Entries of the cache of embeddings. Whatever an entry contains, the cache gives the stored values or nothing.
#![no_main]

use std::fs;

use glm4v_fuzz::scratch;
use glm4v_store::{EmbeddingCache, GridThw, Key, KeyParts};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    changes: Vec<(u16, u8)>,
    cut: Option<u16>,
    instead: Option<&'a [u8]>,
}

const VALUES: [f32; 12] = [
    0.0, 1.0, -2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0,
];

fuzz_target!(|case: Case<'_>| {
    let dir = scratch();
    let cache = EmbeddingCache::open(&dir, 1 << 20).expect("an empty folder");
    let grid = GridThw::new(1, 4, 4);
    let parts = KeyParts {
        fingerprint: "f",
        dtype: "f32",
        kernels: "generic",
        kind: "image",
        grid,
    };
    let key = Key::new(&parts, &[0.5; 8]);
    assert_eq!(cache.put(&key, grid, 3, &VALUES), None);
    let name = key.to_string();
    let path = dir.join(&name[..2]).join(&name[2..4]).join(&name);
    let path = path.with_extension("safetensors");
    let mut file = fs::read(&path).expect("the entry was written");
    for (place, value) in case.changes {
        let place = place as usize % file.len();
        file[place] ^= value;
    }
    if let Some(cut) = case.cut {
        file.truncate(cut as usize);
    }
    let file = case.instead.unwrap_or(&file);
    fs::write(&path, file).expect("the folder is ours");
    if let Some(found) = cache.get(&key) {
        assert_eq!(
            (found.grid, found.width, &found.values[..]),
            (grid, 3, &VALUES[..])
        );
    }
});
