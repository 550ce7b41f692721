//! Reading the header of a safetensors file.
//!
//! The file is a little-endian `u64` N, N bytes of JSON, then the tensors' bytes without gaps.
//! The `safetensors` crate parses the header and checks that offsets, shapes and dtypes agree;
//! what is added here is the file's length, with an account of what is missing.

use std::collections::BTreeMap;

use hps_core::Result;
use safetensors::tensor::Metadata;

use crate::checkpoint::{MAX_RANK, Stored, element_count};
use crate::invalid::{Missing, cut_short, invalid};

/// The longest header that is read: the format's own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Reads the tensors' places from a file's bytes.
///
/// # Errors
///
/// [`hps_core::ErrorKind::InvalidWeights`] when the header is damaged, or does not describe
/// exactly the bytes that follow it.
pub(crate) fn read_header(name: &str, bytes: &[u8]) -> Result<BTreeMap<String, Stored>> {
    let metadata = parse_header(name, bytes)?;
    let data_start = bytes.len() - metadata.data_len();
    let mut tensors = BTreeMap::new();
    for (tensor, info) in metadata.tensors() {
        if info.shape.len() > MAX_RANK {
            return Err(invalid(name, format!("tensor {tensor} has {} axes", info.shape.len())));
        }
        if element_count(&info.shape).is_none() {
            return Err(invalid(name, format!("tensor {tensor} has shape {:?}", info.shape)));
        }
        let start = data_start + info.data_offsets.0;
        let stored = Stored::contiguous(info.dtype, info.shape.clone(), start);
        tensors.insert(tensor, stored);
    }
    Ok(tensors)
}

/// The header, after checking that it and its tensors fill the file exactly.
fn parse_header(name: &str, bytes: &[u8]) -> Result<Metadata> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(cut_short(name, Missing::Unknown));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        let what =
            format!("its header claims {length} bytes; the format allows {MAX_HEADER_BYTES}");
        return Err(invalid(name, what));
    }
    let Some(header) = usize::try_from(length).ok().and_then(|length| rest.get(..length)) else {
        return Err(cut_short(name, Missing::AtLeast(length - rest.len() as u64)));
    };
    // Owned, because the file may be a map that changes under the parser.
    let header = header.to_vec();
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| {
        invalid(name, "its safetensors header is damaged")
            .with_source(error)
            .with_hint("Download or copy the file again, and compare its digest.")
    })?;
    let (expected, found) = (metadata.data_len() as u64, (rest.len() - header.len()) as u64);
    if found < expected {
        return Err(cut_short(name, Missing::Exactly(expected - found)));
    }
    if found > expected {
        let what = format!("{} bytes follow the last tensor of its header", found - expected);
        return Err(invalid(name, what).with_hint("Download or copy the file again."));
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use safetensors::Dtype;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend(std::iter::repeat_n(7, data));
        bytes
    }

    const TWO: &str = r#"{"b":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#;

    #[test]
    fn tensors_are_placed_after_the_header() {
        let tensors = read_header("x", &file(TWO, 16)).unwrap();
        let start = 8 + TWO.len();
        assert_eq!(tensors["a"], Stored::contiguous(Dtype::F32, vec![], start));
        assert_eq!(tensors["b"], Stored::contiguous(Dtype::F16, vec![2, 3], start + 4));
    }

    #[test]
    fn every_length_but_the_right_one_is_an_error() {
        let whole = file(TWO, 16);
        for length in 0..whole.len() {
            let error = read_header("x", &whole[..length]).unwrap_err();
            assert!(error.message().contains("cut short"), "{length}: {error}");
            if length >= 8 + TWO.len() {
                let missing = format!(": {} bytes are missing", whole.len() - length);
                assert!(error.message().contains(&missing), "{error}");
            }
        }
        assert!(read_header("x", &file(TWO, 17)).unwrap_err().message().contains("1 bytes follow"));
    }

    #[test]
    fn hostile_headers_are_errors() {
        let big = usize::MAX;
        let deep = "[".repeat(100_000);
        let many = format!(
            r#"{{"a":{{"dtype":"F32","shape":[{}1],"data_offsets":[0,4]}}}}"#,
            "1,".repeat(50)
        );
        let overflow =
            format!(r#"{{"a":{{"dtype":"F32","shape":[{big},{big}],"data_offsets":[0,{big}]}}}}"#);
        let gap = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
        let overlap = r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
        let empty =
            format!(r#"{{"a":{{"dtype":"F32","shape":[0,{big},{big}],"data_offsets":[0,0]}}}}"#);
        for header in
            [deep.as_str(), &many, &overflow, &empty, gap, overlap, "{\"a\":1}", "{", "\u{ff}"]
        {
            assert!(read_header("x", &file(header, 8)).is_err(), "{header}");
        }
        let mut huge = u64::MAX.to_le_bytes().to_vec();
        huge.push(b'{');
        assert!(read_header("x", &huge).unwrap_err().message().contains("claims"));
    }
}
