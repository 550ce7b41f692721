//! The names a pickle may refer to.

use safetensors::Dtype;

/// A function or class that stands for plain tensor data. None of them is ever called: the reader
/// knows what each would build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, …)`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter(tensor, …)`
    RebuildParameter,
    /// `torch.Size(shape)`
    Size,
    /// The class of a storage with elements of this type.
    Storage(Dtype),
    /// A value without consequences: a `torch.dtype` or `torch.device`.
    Value,
}

impl Global {
    /// The global called `module.name`; `None` for everything else in the world.
    pub(super) fn find(module: &str, name: &str) -> Option<Global> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Some(Global::RebuildParameter)
            }
            ("torch", "Size") => Some(Global::Size),
            ("torch" | "torch.storage", name) => {
                storage_dtype(name).map(Global::Storage).or_else(|| value(module, name))
            }
            _ => None,
        }
    }
}

fn storage_dtype(class: &str) -> Option<Dtype> {
    Some(match class {
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "FloatStorage" => Dtype::F32,
        "DoubleStorage" => Dtype::F64,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" | "UntypedStorage" => Dtype::U8,
        "BoolStorage" => Dtype::BOOL,
        _ => return None,
    })
}

fn value(module: &str, name: &str) -> Option<Global> {
    const VALUES: [&str; 12] = [
        "device", "float16", "half", "bfloat16", "float32", "float", "float64", "double", "int64",
        "int32", "uint8", "bool",
    ];
    (module == "torch" && VALUES.contains(&name)).then_some(Global::Value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_is_known() {
        assert_eq!(Global::find("torch", "HalfStorage"), Some(Global::Storage(Dtype::F16)));
        assert_eq!(Global::find("torch", "float16"), Some(Global::Value));
        for (module, name) in [
            ("posix", "system"),
            ("builtins", "eval"),
            ("torch", "load"),
            ("torch.storage", "device"),
            ("torch.storage", "_load_from_bytes"),
            ("torch._utils", "_rebuild_tensor_v2.__globals__"),
            ("collections", "namedtuple"),
        ] {
            assert_eq!(Global::find(module, name), None, "{module}.{name}");
        }
    }
}
