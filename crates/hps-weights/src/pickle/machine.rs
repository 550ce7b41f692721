//! The stack machine.

use std::collections::HashMap;

use super::PickleError;
use super::global::Global;
use super::input::Input;
use super::opcode::*;
use super::rebuild;
use super::value::{Arena, Id, MAX_OBJECTS, Object};

/// The most containers that may be open at once; Python's own writer gives up at about 1000.
const MAX_MARKS: usize = 1 << 16;

/// What a pickle has built.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) arena: Arena<'a>,
    pub(super) root: Id,
    /// Bytes up to and including the final instruction.
    pub(super) length: usize,
}

/// Runs the pickle at the start of `bytes`.
pub(super) fn run(bytes: &[u8]) -> Result<Program<'_>, PickleError> {
    let mut machine = Machine {
        input: Input::new(bytes),
        arena: Arena::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let opcode = machine.input.u8()?;
        if opcode == STOP {
            let root = machine.pop()?;
            return Ok(Program { arena: machine.arena, root, length: machine.input.position() });
        }
        machine.step(opcode)?;
    }
}

struct Machine<'a> {
    input: Input<'a>,
    arena: Arena<'a>,
    stack: Vec<Id>,
    /// Heights of the stack at which a mark lies.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            PROTO => self.protocol(),
            FRAME => self.input.u64().map(|_| ()),
            MARK => self.mark(),
            POP => self.pop_or_unmark(),
            POP_MARK => self.pop_to_mark().map(|_| ()),
            DUP => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            PUT | BINPUT | LONG_BINPUT | MEMOIZE | GET | BINGET | LONG_BINGET => self.memo(opcode),
            GLOBAL | STACK_GLOBAL | INST | OBJ | REDUCE | BUILD | NEWOBJ | NEWOBJ_EX | PERSID
            | BINPERSID | EXT1 | EXT2 | EXT4 => self.call(opcode),
            EMPTY_LIST | LIST | APPEND | APPENDS | EMPTY_TUPLE | TUPLE | TUPLE1 | TUPLE2
            | TUPLE3 | EMPTY_DICT | DICT | SETITEM | SETITEMS | EMPTY_SET | ADDITEMS
            | FROZENSET => self.container(opcode),
            _ => self.scalar(opcode),
        }
    }

    fn mark(&mut self) -> Result<(), PickleError> {
        if self.marks.len() >= MAX_MARKS {
            return Err(self.input.damaged("too deeply nested"));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn protocol(&mut self) -> Result<(), PickleError> {
        match self.input.u8()? {
            0..=5 => Ok(()),
            version => Err(self.input.damaged(format!("unknown protocol {version}"))),
        }
    }

    fn scalar(&mut self, opcode: u8) -> Result<(), PickleError> {
        let object = match opcode {
            NONE | NEWTRUE | NEWFALSE => Object::Opaque,
            INT | LONG => Object::Int(self.input.line_number()?),
            BININT => Object::Int(i64::from(self.input.i32()?)),
            BININT1 => Object::Int(i64::from(self.input.u8()?)),
            BININT2 => Object::Int(i64::from(self.input.u16()?)),
            LONG1 => integer(self.input.counted(1)?),
            LONG4 => integer(self.input.counted(4)?),
            FLOAT => {
                self.input.line()?;
                Object::Opaque
            }
            BINFLOAT => {
                self.input.skip_f64()?;
                Object::Opaque
            }
            STRING => Object::Text(self.input.line()?.trim_matches(['\'', '"'])),
            UNICODE => Object::Text(self.input.line()?),
            SHORT_BINSTRING | SHORT_BINUNICODE => Object::Text(self.input.text(1)?),
            BINSTRING | BINUNICODE => Object::Text(self.input.text(4)?),
            BINUNICODE8 => Object::Text(self.input.text(8)?),
            SHORT_BINBYTES => self.skip_bytes(1)?,
            BINBYTES => self.skip_bytes(4)?,
            BINBYTES8 | BYTEARRAY8 => self.skip_bytes(8)?,
            _ => return Err(self.input.damaged(format!("unknown instruction {opcode:#04x}"))),
        };
        self.push(object)
    }

    fn skip_bytes(&mut self, width: usize) -> Result<Object<'a>, PickleError> {
        self.input.counted(width)?;
        Ok(Object::Opaque)
    }

    fn container(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            EMPTY_LIST => self.push(Object::List(Vec::new())),
            EMPTY_TUPLE => self.push(Object::Tuple(Vec::new())),
            EMPTY_DICT => self.push(Object::Dict(Vec::new())),
            EMPTY_SET => self.push(Object::Opaque),
            LIST => {
                let items = self.pop_to_mark()?;
                self.push(Object::List(items))
            }
            TUPLE => {
                let items = self.pop_to_mark()?;
                self.push(Object::Tuple(items))
            }
            TUPLE1 => self.tuple(1),
            TUPLE2 => self.tuple(2),
            TUPLE3 => self.tuple(3),
            DICT => {
                let items = self.pop_to_mark()?;
                self.push(Object::Dict(Vec::new()))?;
                self.set_items(&items)
            }
            FROZENSET => {
                self.pop_to_mark()?;
                self.push(Object::Opaque)
            }
            ADDITEMS => self.pop_to_mark().map(|_| ()),
            APPEND => {
                let item = self.pop()?;
                self.append(&[item])
            }
            APPENDS => {
                let items = self.pop_to_mark()?;
                self.append(&items)
            }
            SETITEM => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])
            }
            _ => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)
            }
        }
    }

    fn tuple(&mut self, length: usize) -> Result<(), PickleError> {
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Object::Tuple(items))
    }

    fn append(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let target = self.top()?;
        match self.arena.get_mut(target) {
            Some(Object::List(list)) => {
                list.extend_from_slice(items);
                Ok(())
            }
            _ => Err(self.input.damaged("items are appended to something that is no list")),
        }
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let target = self.top()?;
        let pairs = items.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err(self.input.damaged("a key without a value"));
        }
        match self.arena.get_mut(target) {
            Some(Object::Dict(entries)) => {
                entries.extend(pairs.filter_map(|pair| Some((*pair.first()?, *pair.last()?))));
                Ok(())
            }
            _ => Err(self.input.damaged("entries are set on something that is no dictionary")),
        }
    }

    fn memo(&mut self, opcode: u8) -> Result<(), PickleError> {
        let index = match opcode {
            PUT | GET => self.input.line_number()?,
            BINPUT | BINGET => u32::from(self.input.u8()?),
            LONG_BINPUT | LONG_BINGET => self.input.u32()?,
            _ => u32::try_from(self.memo.len()).unwrap_or(u32::MAX),
        };
        if matches!(opcode, GET | BINGET | LONG_BINGET) {
            let found = self.memo.get(&index).copied();
            let id = found.ok_or_else(|| self.input.damaged(format!("no memo entry {index}")))?;
            self.stack.push(id);
        } else if self.memo.len() < MAX_OBJECTS {
            self.memo.insert(index, self.top()?);
        } else {
            return Err(self.input.damaged("too many memo entries"));
        }
        Ok(())
    }

    fn call(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            GLOBAL => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.push_global(module, name)
            }
            STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.arena.as_text(module), self.arena.as_text(name)) {
                    (Some(module), Some(name)) => self.push_global(module, name),
                    _ => Err(self.input.damaged("a name that is no text")),
                }
            }
            REDUCE | NEWOBJ => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.apply(function, arguments)
            }
            BUILD => {
                self.pop()?;
                // Attributes of a dictionary (its `_metadata`), parameter or tensor: nothing a
                // tensor's numbers depend on.
                self.top().map(|_| ())
            }
            BINPERSID => {
                let description = self.pop()?;
                let storage = rebuild::storage(&self.arena, description);
                let storage = storage.ok_or_else(|| self.input.damaged("an unknown storage"))?;
                self.push(storage)
            }
            INST => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.push_global(module, name)?;
                Err(self.input.damaged(format!("an instance of {module}.{name}")))
            }
            EXT1 | EXT2 | EXT4 => Err(PickleError::Code("a copyreg extension".to_owned())),
            _ => Err(self.input.damaged(format!("unsupported instruction {opcode:#04x}"))),
        }
    }

    fn push_global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        match Global::find(module, name) {
            Some(global) => self.push(Object::Global(global)),
            None => Err(PickleError::Code(printable(module, name))),
        }
    }

    fn apply(&mut self, function: Id, arguments: Id) -> Result<(), PickleError> {
        let Object::Global(global) = *self.arena.get(function) else {
            return Err(self.input.damaged("something that is no function is called"));
        };
        let Some(arguments) = self.arena.as_tuple(arguments) else {
            return Err(self.input.damaged("arguments that are no tuple"));
        };
        match rebuild::apply(&self.arena, global, arguments) {
            Some(rebuild::Built::New(object)) => self.push(object),
            Some(rebuild::Built::Existing(id)) => {
                self.stack.push(id);
                Ok(())
            }
            None => Err(self.input.damaged(format!("wrong arguments for {global:?}"))),
        }
    }

    fn push(&mut self, object: Object<'a>) -> Result<(), PickleError> {
        let id = self.arena.add(object).ok_or_else(|| self.input.damaged("too many objects"))?;
        self.stack.push(id);
        Ok(())
    }

    /// The top of the stack above the last mark.
    fn top(&self) -> Result<Id, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            _ => Err(self.input.damaged("the stack is empty")),
        }
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_or_unmark(&mut self) -> Result<(), PickleError> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(|_| ())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.input.damaged("no mark on the stack"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }
}

/// A little-endian two's complement integer. No integer of more than 8 bytes means anything here.
fn integer(bytes: &[u8]) -> Object<'static> {
    if bytes.len() > 8 {
        return Object::Opaque;
    }
    let negative = bytes.last().is_some_and(|&byte| byte & 0x80 != 0);
    let mut padded = [if negative { 0xff } else { 0 }; 8];
    padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Object::Int(i64::from_le_bytes(padded))
}

/// `module.name` for a message, short and without control characters.
fn printable(module: &str, name: &str) -> String {
    let full = module.chars().chain(".".chars()).chain(name.chars());
    full.take(100).map(|c| if c.is_control() { '?' } else { c }).collect()
}
