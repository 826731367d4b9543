use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The resize filter: `resample`. A file has its number in Pillow, or its name in torchvision. Both filters have
/// antialiasing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "u8")]
pub enum Resample {
    /// 2, `bilinear`.
    Bilinear,
    /// 3, `bicubic`. Every published checkpoint uses it.
    #[default]
    Bicubic,
}

impl TryFrom<Value> for Resample {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match (value.as_u64(), value.as_str()) {
            (Some(2), _) | (_, Some("bilinear")) => Ok(Self::Bilinear),
            (Some(3), _) | (_, Some("bicubic")) => Ok(Self::Bicubic),
            _ => Err(format!(
                "expected 2 (bilinear) or 3 (bicubic), found {value}"
            )),
        }
    }
}

impl From<Resample> for u8 {
    fn from(resample: Resample) -> Self {
        match resample {
            Resample::Bilinear => 2,
            Resample::Bicubic => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_have_numbers_and_names() {
        for (filter, number, name) in [
            (Resample::Bilinear, 2, "bilinear"),
            (Resample::Bicubic, 3, "bicubic"),
        ] {
            assert_eq!(json!(filter), number);
            assert_eq!(Resample::try_from(json!(number)), Ok(filter));
            assert_eq!(Resample::try_from(json!(name)), Ok(filter));
        }
        for value in [json!(1), json!(3.0), json!("BICUBIC"), json!(null)] {
            assert!(Resample::try_from(value).is_err());
        }
    }
}
