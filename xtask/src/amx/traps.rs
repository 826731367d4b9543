//! A copy of a program in which `cpuid` and `xgetbv` are invalid instructions, so that the emulator can answer them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The instructions by name: their bytes, and a first byte that no 64-bit code contains.
const INSTRUCTIONS: [(&str, &[u8], u8); 2] = [
    ("cpuid", &[0x0f, 0xa2], 0x06),
    ("xgetbv", &[0x0f, 0x01, 0xd0], 0x07),
];

/// Writes the copy. Returns how many instructions were replaced.
pub(super) fn copy(program: &Path, copy: &Path) -> Result<usize> {
    let mut bytes = fs::read(program).with_context(|| program.display().to_string())?;
    let segments = segments(&bytes).context("not a program of 64-bit Linux")?;
    let mut objdump = Command::new("objdump");
    objdump.args(["-d", "--no-show-raw-insn"]).arg(program);
    let mut objdump = objdump.stdout(Stdio::piped()).spawn().context("objdump")?;
    let lines = BufReader::new(objdump.stdout.take().context("objdump prints")?);
    let mut replaced = 0;
    for line in lines.lines() {
        let Some((address, code, trap)) = instruction(&line?) else {
            continue;
        };
        let place = segments.iter().find_map(|segment| segment.place(address));
        let found = place.and_then(|place| bytes.get_mut(place..place + code.len()));
        let found = found.with_context(|| format!("{address:x} is not in the file"))?;
        ensure!(*found == *code, "{address:x}: {found:x?} are not {code:x?}");
        found[0] = trap;
        replaced += 1;
    }
    let status = objdump.wait()?;
    ensure!(status.success(), "objdump: {status}");
    // Permissions are copied, too.
    fs::copy(program, copy).with_context(|| copy.display().to_string())?;
    fs::write(copy, bytes).with_context(|| copy.display().to_string())?;
    Ok(replaced)
}

/// The address, the bytes and the trap of a line such as `  1a2b:\tcpuid`.
fn instruction(line: &str) -> Option<(u64, &'static [u8], u8)> {
    let (address, text) = line.split_once(':')?;
    let name = text.split_whitespace().next()?;
    let (_, code, trap) = INSTRUCTIONS.iter().find(|(known, ..)| *known == name)?;
    let address = u64::from_str_radix(address.trim(), 16).ok()?;
    Some((address, code, *trap))
}

/// A part of the file that is loaded.
struct Segment {
    offset: u64,
    address: u64,
    bytes: u64,
}

impl Segment {
    fn place(&self, address: u64) -> Option<usize> {
        let inside = address.checked_sub(self.address)?;
        (inside < self.bytes).then(|| (self.offset + inside) as usize)
    }
}

/// The loaded parts, from the program headers of an ELF file.
fn segments(file: &[u8]) -> Option<Vec<Segment>> {
    const LOADED: u64 = 1;
    let number = |place: usize, bytes: usize| {
        let bytes = file.get(place..place.checked_add(bytes)?)?.iter().rev();
        Some(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let [start, size, count] = [number(32, 8)?, number(54, 2)?, number(56, 2)?];
    let mut segments = Vec::new();
    for index in 0..count {
        let header = usize::try_from(start + index * size).ok()?;
        if number(header, 4)? == LOADED {
            segments.push(Segment {
                offset: number(header + 8, 8)?,
                address: number(header + 16, 8)?,
                bytes: number(header + 32, 8)?,
            });
        }
    }
    Some(segments)
}
