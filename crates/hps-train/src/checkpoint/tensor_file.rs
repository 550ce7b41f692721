//! Writing safetensors files.
//!
//! An 8-byte length, a JSON header with the type, shape and place of every tensor, and
//! the values, little-endian. Tensors are written one after the other: the file never
//! is in memory as a whole.

use std::io::{self, Write};

use candle_core::Tensor;
use half::f16;
use half::slice::HalfFloatSliceExt;
use hps_core::{Error, ErrorKind, Result};
use hps_nn::model_error;
use serde_json::{Map, Value, json};

/// What goes into a file.
pub(super) enum Content<'a> {
    /// As `f32`.
    F32(&'a Tensor),
    /// As `f16`; values that it cannot hold are an error.
    F16(&'a Tensor),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl Content<'_> {
    fn dtype(&self) -> &'static str {
        match self {
            Content::F32(_) => "F32",
            Content::F16(_) => "F16",
            Content::Bytes(_) => "U8",
        }
    }

    fn shape(&self) -> Vec<usize> {
        match self {
            Content::F32(tensor) | Content::F16(tensor) => tensor.dims().to_vec(),
            Content::Bytes(bytes) => vec![bytes.len()],
        }
    }

    fn len(&self) -> usize {
        match self {
            Content::F32(tensor) => 4 * tensor.elem_count(),
            Content::F16(tensor) => 2 * tensor.elem_count(),
            Content::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Writes `entries` in the order given; names are unique.
///
/// # Errors
///
/// [`ErrorKind::Io`] when `writer` fails, [`ErrorKind::NotFinite`] when `f16` cannot
/// hold a value.
pub(super) fn write(
    writer: &mut impl Write,
    metadata: &[(&str, &str)],
    entries: &[(String, Content<'_>)],
) -> Result<()> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        let texts = metadata.iter().map(|(key, text)| ((*key).to_owned(), json!(text)));
        header.insert("__metadata__".to_owned(), Value::Object(texts.collect()));
    }
    let mut offset = 0;
    for (name, content) in entries {
        let end = offset + content.len();
        let entry = json!({
            "dtype": content.dtype(), "shape": content.shape(), "data_offsets": [offset, end],
        });
        header.insert(name.clone(), entry);
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // Spaces up to a multiple of 8, so that values are aligned.
    header.resize(header.len().next_multiple_of(8), b' ');
    writer.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed)?;
    writer.write_all(&header).map_err(failed)?;
    for (name, content) in entries {
        match content {
            Content::F32(tensor) => write_f32(writer, tensor)?,
            Content::F16(tensor) => write_f16(writer, name, tensor)?,
            Content::Bytes(bytes) => writer.write_all(bytes).map_err(failed)?,
        }
    }
    Ok(())
}

/// Values that are converted at a time.
const CHUNK: usize = 1 << 16;

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).map_err(model_error)
}

fn write_f32(writer: &mut impl Write, tensor: &Tensor) -> Result<()> {
    let mut bytes = Vec::with_capacity(4 * CHUNK);
    for chunk in values(tensor)?.chunks(CHUNK) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
        writer.write_all(&bytes).map_err(failed)?;
    }
    Ok(())
}

fn write_f16(writer: &mut impl Write, name: &str, tensor: &Tensor) -> Result<()> {
    let (mut halves, mut bytes) = (vec![f16::ZERO; CHUNK], Vec::with_capacity(2 * CHUNK));
    for chunk in values(tensor)?.chunks(CHUNK) {
        let halves = &mut halves[..chunk.len()];
        halves.convert_from_f32_slice(chunk);
        if let Some(index) = halves.iter().position(|half| !half.is_finite()) {
            let message = format!("{} in {name} is too large for f16", chunk[index]);
            return Err(Error::new(ErrorKind::NotFinite, message)
                .with_hint("Write the weights as f32: set run.weights-format to \"f32\"."));
        }
        bytes.clear();
        bytes.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
        writer.write_all(&bytes).map_err(failed)?;
    }
    Ok(())
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write weights: {error}")).with_source(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::Device;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let matrix = Tensor::new(&[[1.5f32, -2.0, 3.25], [0.0, 1e-3, 7.0]], &Device::Cpu).unwrap();
        let scalar = Tensor::new(4.25f32, &Device::Cpu).unwrap();
        let entries = [
            ("a.weight".to_owned(), Content::F32(&matrix)),
            ("half".to_owned(), Content::F16(&matrix)),
            ("note".to_owned(), Content::Bytes(b"{}")),
            ("scalar".to_owned(), Content::F32(&scalar)),
        ];
        let mut bytes = Vec::new();
        write(&mut bytes, &[("format", "pt")], &entries).unwrap();
        let file = hps_weights::Checkpoint::from_bytes("x", bytes).unwrap();
        assert_eq!(file.values("a.weight").unwrap(), [1.5, -2.0, 3.25, 0.0, 1e-3, 7.0]);
        assert_eq!(file.info("a.weight").unwrap().shape, [2, 3]);
        assert_eq!(file.values("half").unwrap()[..4], [1.5, -2.0, 3.25, 0.0]);
        assert_eq!(file.bytes("note"), Some(&b"{}"[..]));
        assert_eq!(file.values("scalar").unwrap(), [4.25]);
        assert_eq!(file.info("scalar").unwrap().shape, [0usize; 0]);
    }

    #[test]
    fn too_large_for_half_precision_says_so() {
        let large = Tensor::new(&[1.0f32, 70000.0], &Device::Cpu).unwrap();
        let entries = [("w".to_owned(), Content::F16(&large))];
        let error = write(&mut Vec::new(), &[], &entries).unwrap_err();
        assert_eq!(error.message(), "70000 in w is too large for f16");
    }
}
