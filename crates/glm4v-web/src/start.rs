//! Runs once, when JavaScript instantiates the module.

use wasm_bindgen::prelude::*;

use crate::failures;

#[allow(unsafe_code)]
unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[wasm_bindgen(start)]
#[allow(unsafe_code)]
pub(crate) fn start() {
    // cubecl registers its kernels in constructors of static values. If the program does not call these constructors, the
    // linker runs them at every call of an export, which takes ten milliseconds.
    // SAFETY: the linker defines this function without arguments or result. `start` runs once, before all other code.
    unsafe { __wasm_call_ctors() };
    console_error_panic_hook::set_once();
    failures::log();
}
