//! Plain objects for JavaScript.

use glm4v::GridThw;
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;

pub(crate) fn object<const N: usize>(fields: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        set(&object, name, value);
    }
    object
}

pub(crate) fn set(object: &Object, name: &str, value: impl Into<JsValue>) {
    Reflect::set(object, &name.into(), &value.into()).expect("a new object takes any field");
}

pub(crate) fn numbers(numbers: impl IntoIterator<Item = f64>) -> JsValue {
    numbers
        .into_iter()
        .map(JsValue::from_f64)
        .collect::<Array>()
        .into()
}

/// [width, height].
pub(crate) fn size((height, width): (usize, usize)) -> JsValue {
    numbers([width, height].map(|side| side as f64))
}

pub(crate) fn grid(grid: &GridThw) -> JsValue {
    numbers([grid.t, grid.h, grid.w].map(|size| size as f64))
}
