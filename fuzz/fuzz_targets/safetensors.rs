//! The header and the index of safetensors files, and the plan of ranges that is made from them.
#![no_main]

use glm4v_fuzz::{parts, tiny};
use glm4v_shards::{Header, Index, Limits, Plan, Shard, Tower, tower};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const LIMITS: Limits = Limits {
    chunk_bytes: 50,
    gap_bytes: 8,
};

fuzz_target!(|data: &[u8]| {
    let [index, first, second] = parts::<3>(data);
    let file_len = data.len() as u64;
    let _ = Header::parse(data, file_len, "raw");
    if let Ok(text) = std::str::from_utf8(index)
        && let Ok(index) = Index::parse(text, "index")
        && let Ok(shards) = index.shards("index")
    {
        for name in shards.keys() {
            assert!(
                !name.contains(['/', '\\', '\0']),
                "a shard outside the folder"
            );
        }
    }
    let shards: Vec<Shard> = [first, second].into_iter().filter_map(shard).collect();
    check(&shards);
});

/// A shard with this JSON. The length of its file is the end of its last tensor.
fn shard(json: &[u8]) -> Option<Shard> {
    let head = [&(json.len() as u64).to_le_bytes(), json].concat();
    let entries: Value = serde_json::from_slice(json).ok()?;
    let entries = entries.as_object()?.values();
    let ends = entries.filter_map(|entry| entry["data_offsets"][1].as_u64());
    let file_len = (head.len() as u64).saturating_add(ends.max().unwrap_or(0));
    let header = Header::parse(&head, file_len, "shard").ok()?;
    let mut next = head.len() as u64;
    for tensor in &header.tensors {
        assert_eq!(tensor.start, next, "a gap or an overlap");
        next += tensor.bytes;
    }
    assert_eq!(next, file_len);
    let file = format!("{}.safetensors", json.len());
    Some(Shard { file, header })
}

fn check(shards: &[Shard]) {
    let config = tiny();
    let Ok(found) = Tower::find(shards, "index") else {
        return;
    };
    let comparison = found.compare(&config);
    let is_complete = comparison.missing.is_empty()
        && comparison.mismatched.is_empty()
        && comparison.left_over.is_empty();
    let places = tower(&config, shards, "index");
    assert_eq!(places.is_ok(), is_complete);
    let Ok(places) = places else { return };
    let plan = Plan::new(places, shards, LIMITS);
    let head = plan.head();
    let header = Header::parse(&head, plan.file_bytes, "plan").expect("our own header");
    assert_eq!(header.tensors.len(), config.parameters().len());
    let mut written: Vec<_> = Vec::new();
    for chunk in &plan.chunks {
        assert!(chunk.range.end - chunk.range.start <= LIMITS.chunk_bytes);
        for copy in &chunk.copies {
            assert!(chunk.range.start <= copy.source.start && copy.source.end <= chunk.range.end);
            written.push(copy.target..copy.target + (copy.source.end - copy.source.start));
        }
    }
    written.retain(|range| !range.is_empty());
    written.sort_by_key(|range| range.start);
    let mut next = head.len() as u64;
    for range in written {
        assert_eq!(range.start, next, "a byte is written twice or never");
        next = range.end;
    }
    assert_eq!(next, plan.file_bytes);
}
