//! The bytes of a tower as they arrive in a browser, in slices of any length.
#![no_main]

use std::collections::HashMap;

use glm4v_fuzz::tiny;
use glm4v_shards::{ArrivalError, Arrivals, Header, Limits, Plan, Shard, tower};
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    /// The tensors of the second shard.
    second: u64,
    /// Bytes that do not belong to the tower, before some tensors.
    gaps: Vec<u8>,
    chunk_bytes: u16,
    gap_bytes: u8,
}

fuzz_target!(|data: &[u8]| {
    let mut input = Unstructured::new(data);
    if let Ok(case) = Case::arbitrary(&mut input) {
        check(&case, &mut input);
    }
});

/// Two files, whose byte at position `p` is `p` modulo 251.
fn shards(case: &Case) -> Vec<Shard> {
    let mut entries = [const { Vec::new() }; 2];
    let mut ends = [0_u64; 2];
    for (number, parameter) in tiny().parameters().into_iter().enumerate() {
        let file = (case.second >> (number % 64) & 1) as usize;
        if let Some(&gap) = case.gaps.get(number).filter(|&&gap| gap > 0) {
            let end = ends[file] + u64::from(gap);
            entries[file].push(format!(
                r#""language.{number}": {{"dtype": "U8", "shape": [{gap}], "data_offsets": [{}, {end}]}}"#,
                ends[file]
            ));
            ends[file] = end;
        }
        let end = ends[file] + 4 * parameter.num_elements();
        entries[file].push(format!(
            r#""model.visual.{}": {{"dtype": "F32", "shape": {:?}, "data_offsets": [{}, {end}]}}"#,
            parameter.key, parameter.shape, ends[file]
        ));
        ends[file] = end;
    }
    let shard = |(number, (entries, end)): (usize, (&Vec<String>, u64))| {
        let json = format!("{{{}}}", entries.join(","));
        let head = [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat();
        let length = head.len() as u64 + end;
        let file = format!("{number}.safetensors");
        let header = Header::parse(&head, length, &file).expect("our own header");
        Shard { file, header }
    };
    entries.iter().zip(ends).enumerate().map(shard).collect()
}

fn check(case: &Case, input: &mut Unstructured<'_>) {
    let (config, files) = (tiny(), shards(case));
    let limits = Limits {
        chunk_bytes: u64::from(case.chunk_bytes),
        gap_bytes: u64::from(case.gap_bytes),
    };
    let places = tower(&config, &files, "files").expect("all tensors");
    let starts: HashMap<String, u64> = (places.iter())
        .map(|place| (place.key.clone(), place.tensor.start))
        .collect();
    let plan = Plan::new(places.clone(), &files, limits);
    let mut arrivals = Arrivals::new(places, &files);
    let mut received: HashMap<String, Vec<u8>> = HashMap::new();
    let mut is_honest = true;
    for chunk in &plan.chunks {
        let content: Vec<u8> = chunk
            .range
            .clone()
            .map(|place| (place % 251) as u8)
            .collect();
        let (mut position, mut rest) = (chunk.range.start, &content[..]);
        while !rest.is_empty() {
            let length = input.int_in_range(1..=rest.len()).unwrap_or(rest.len());
            let (slice, behind) = rest.split_at(length);
            // A server that leaves bytes out, or a caller that repeats them.
            let shift = input.ratio(1, 64).unwrap_or(false);
            let claimed = if shift { position + 1 } else { position };
            is_honest &= !shift;
            let written = arrivals.write(chunk.shard, claimed, slice, |key, _, bytes| {
                received
                    .entry(key.to_owned())
                    .or_default()
                    .extend_from_slice(bytes);
                Ok::<(), ArrivalError>(())
            });
            if written.is_err() {
                assert!(!is_honest, "{written:?}");
                return;
            }
            position += length as u64;
            rest = behind;
        }
    }
    if !is_honest {
        return;
    }
    for parameter in config.parameters() {
        let start = starts[&parameter.key];
        let bytes = 4 * parameter.num_elements();
        let expected: Vec<u8> = (start..start + bytes)
            .map(|place| (place % 251) as u8)
            .collect();
        assert_eq!(received[&parameter.key], expected, "{}", parameter.key);
    }
}
