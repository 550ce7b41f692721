//! What PyTorch's functions would build, without calling any.

use crate::checkpoint::MAX_RANK;

use super::global::Global;
use super::value::{Arena, Id, Object};

/// The result of a call.
pub(super) enum Built<'a> {
    New(Object<'a>),
    Existing(Id),
}

/// The result of calling `global`; `None` where the arguments do not fit.
pub(super) fn apply<'a>(arena: &Arena<'a>, global: Global, arguments: &[Id]) -> Option<Built<'a>> {
    match (global, arguments) {
        (Global::OrderedDict, []) => Some(Built::New(Object::Dict(Vec::new()))),
        (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
            tensor(arena, *storage, *offset, *shape, *strides).map(Built::New)
        }
        (Global::RebuildParameter, [tensor, ..]) => {
            matches!(arena.get(*tensor), Object::Tensor { .. }).then_some(Built::Existing(*tensor))
        }
        (Global::Size, [sizes]) => arena.as_tuple(*sizes).map(|_| Built::Existing(*sizes)),
        (Global::Value, _) => Some(Built::New(Object::Opaque)),
        _ => None,
    }
}

/// `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)`. Whether the
/// elements lie within the storage is checked where the storage's bytes are known.
fn tensor<'a>(
    arena: &Arena<'a>,
    storage: Id,
    offset: Id,
    shape: Id,
    strides: Id,
) -> Option<Object<'a>> {
    if !matches!(arena.get(storage), Object::Storage { .. }) {
        return None;
    }
    let (shape, strides) = (sizes(arena, shape)?, sizes(arena, strides)?);
    let offset = arena.as_size(offset)?;
    (shape.len() == strides.len()).then_some(Object::Tensor { storage, offset, shape, strides })
}

fn sizes(arena: &Arena<'_>, tuple: Id) -> Option<Vec<usize>> {
    let items = arena.as_tuple(tuple)?;
    if items.len() > MAX_RANK {
        return None;
    }
    items.iter().map(|&item| arena.as_size(item)).collect()
}

/// The storage that a persistent id describes: `("storage", class, key, location, elements)`.
pub(super) fn storage<'a>(arena: &Arena<'a>, description: Id) -> Option<Object<'a>> {
    let [kind, class, key, _location, elements, ..] = arena.as_tuple(description)? else {
        return None;
    };
    if arena.as_text(*kind)? != "storage" {
        return None;
    }
    let Object::Global(Global::Storage(dtype)) = *arena.get(*class) else {
        return None;
    };
    let (key, elements) = (arena.as_text(*key)?, arena.as_size(*elements)?);
    Some(Object::Storage { dtype, key, elements })
}
