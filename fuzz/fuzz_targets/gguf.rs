//! GGUF files: the header, the metadata of an `mmproj` file, and the stored blocks.
#![no_main]

use glm4v_gguf::{Comparison, Format, Header, Mmproj, NewTensor, Writer};
use libfuzzer_sys::fuzz_target;

/// Longer files get this many bytes of tensors behind the header.
const TENSORS: u64 = 1 << 16;

fuzz_target!(|data: &[u8]| {
    for length in [data.len() as u64, data.len() as u64 + TENSORS] {
        if let Ok(header) = Header::read(data, length, "fuzz") {
            check(&header, length);
        }
    }
    for format in Format::ALL {
        let blocks = &data[..data.len() / format.block_bytes() * format.block_bytes()];
        let count = blocks.len() / format.block_bytes() * format.block_len();
        let mut values = vec![0.0; count];
        assert_eq!(format.decode(blocks, &mut values), count);
        let mut again = Vec::new();
        format.encode(&values, &mut again);
        assert_eq!(again.len(), blocks.len());
    }
});

fn check(header: &Header, length: u64) {
    for tensor in &header.tensors {
        assert!(
            tensor.start + tensor.bytes <= length,
            "{} is outside",
            tensor.name
        );
    }
    let Ok(mmproj) = Mmproj::from_header(header, "fuzz") else {
        return;
    };
    let _ = Comparison::new(header, &mmproj.config).complete("fuzz");
    let Ok(metadata) = mmproj.metadata(Format::F32) else {
        return;
    };
    let tensor = NewTensor {
        name: "v.post_ln.weight".into(),
        shape: vec![1],
        format: Format::F32,
    };
    let Ok(mut writer) = Writer::new(Vec::new(), &metadata, &[tensor]) else {
        return;
    };
    writer.values(&[1.0]).expect("one value");
    let file = writer.finish().expect("memory takes all bytes");
    let again = Header::read(&file[..], file.len() as u64, "again").expect("our own file");
    let again = Mmproj::from_header(&again, "again");
    if let Ok(again) = again {
        assert_eq!(again.config, mmproj.config);
    }
}
