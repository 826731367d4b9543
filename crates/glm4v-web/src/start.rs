//! What happens once, when the module is instantiated.

use wasm_bindgen::prelude::*;

use crate::failures;

#[allow(unsafe_code)]
unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[wasm_bindgen(start)]
#[allow(unsafe_code)]
pub(crate) fn start() {
    // The linker runs the constructors of static values (cubecl registers its kernels by such) at every call of an export
    // unless the program calls them itself: ten milliseconds each time.
    // SAFETY: the linker makes this function; it takes and returns nothing, and `start` runs once, before anything else.
    unsafe { __wasm_call_ctors() };
    console_error_panic_hook::set_once();
    failures::log();
}
