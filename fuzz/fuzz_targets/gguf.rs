//! GGUF files: the header, the metadata of an `mmproj` file, and the stored blocks.
#![no_main]

use glm4v_gguf::{Comparison, Format, Header, Mmproj, NewTensor, TensorInfo, Writer};
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
    // Files are written with floats of 32 bits, and read with any.
    let floats = [Some(mmproj.config.rms_norm_eps), mmproj.config.swiglu_limit];
    if floats
        .into_iter()
        .flatten()
        .any(|float| !has_32_bits(float))
    {
        return;
    }
    let Some(tensors) = header
        .tensors
        .iter()
        .map(new_tensor)
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let Ok(mut writer) = Writer::new(Vec::new(), &metadata, &tensors) else {
        return;
    };
    for tensor in &tensors {
        let values = vec![0.5; tensor.shape.iter().product()];
        writer.values(&values).expect("the values of its shape");
    }
    let file = writer.finish().expect("memory takes all bytes");
    let again = Header::read(&file[..], file.len() as u64, "again").expect("our own file");
    for (tensor, found) in tensors.iter().zip(&again.tensors) {
        assert_eq!((&tensor.name, &tensor.shape), (&found.name, &found.shape));
    }
    let again = Mmproj::from_header(&again, "again").expect("the same tower");
    assert_eq!(again.config, mmproj.config);
}

fn has_32_bits(float: f64) -> bool {
    (float as f32).to_string().parse() == Ok(float)
}

/// The tensor as it is written again. `None` for a type that is not written.
fn new_tensor(tensor: &TensorInfo) -> Option<NewTensor> {
    Some(NewTensor {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        format: Format::of(tensor.tensor_type)?,
    })
}
