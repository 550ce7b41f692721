//! The objects a pickle builds.

use safetensors::Dtype;

use super::global::Global;

/// The most objects a pickle may build; a state dict needs about 10 for each tensor.
pub(super) const MAX_OBJECTS: usize = 1 << 22;

/// An object's index in its [`Arena`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

/// One object. Containers hold indices, so shared and cyclic objects cost nothing extra.
#[derive(Debug)]
pub(super) enum Object<'a> {
    /// Something without consequences here: `None`, floats, bytes, sets, flags, huge integers.
    Opaque,
    Int(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Later entries replace earlier ones with an equal key.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage {
        dtype: Dtype,
        key: &'a str,
        elements: usize,
    },
    Tensor {
        storage: Id,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    },
}

/// All objects of one pickle.
#[derive(Debug, Default)]
pub(super) struct Arena<'a> {
    objects: Vec<Object<'a>>,
}

impl<'a> Arena<'a> {
    /// Adds an object; `None` beyond the limit.
    pub(super) fn add(&mut self, object: Object<'a>) -> Option<Id> {
        if self.objects.len() >= MAX_OBJECTS {
            return None;
        }
        self.objects.push(object);
        u32::try_from(self.objects.len() - 1).ok().map(Id)
    }

    pub(super) fn get(&self, id: Id) -> &Object<'a> {
        self.objects.get(id.0 as usize).unwrap_or(&Object::Opaque)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Object<'a>> {
        self.objects.get_mut(id.0 as usize)
    }

    pub(super) fn as_tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn as_text(&self, id: Id) -> Option<&'a str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer that is not negative.
    pub(super) fn as_size(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Object::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }
}
