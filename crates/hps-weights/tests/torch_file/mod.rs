//! Writing files as `torch.save` does, for tests.

/// One tensor of a state dict, in a storage of its own.
pub struct Saved<'a> {
    pub name: &'a str,
    /// PyTorch's class, e.g. `HalfStorage`.
    pub storage: &'a str,
    pub elements: u32,
    pub offset: u32,
    pub shape: &'a [u32],
    pub strides: &'a [u32],
    pub data: &'a [u8],
}

/// The bytes of `torch.save({name: tensor, …})`.
pub fn save(tensors: &[Saved<'_>]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    for (key, tensor) in tensors.iter().enumerate() {
        text(&mut pickle, tensor.name);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(format!("ctorch\n{}\n", tensor.storage).bytes());
        text(&mut pickle, &key.to_string());
        text(&mut pickle, "cpu");
        integer(&mut pickle, tensor.elements);
        pickle.extend(b"tQ");
        integer(&mut pickle, tensor.offset);
        for sizes in [tensor.shape, tensor.strides] {
            pickle.push(b'(');
            sizes.iter().for_each(|&size| integer(&mut pickle, size));
            pickle.push(b't');
        }
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    pickle.extend(b"u.");
    let names: Vec<_> = (0..tensors.len()).map(|key| format!("m/data/{key}")).collect();
    let mut entries = vec![("m/data.pkl", pickle.as_slice())];
    entries.extend(names.iter().zip(tensors).map(|(name, tensor)| (name.as_str(), tensor.data)));
    archive(&entries, 0)
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.bytes());
}

fn integer(pickle: &mut Vec<u8>, value: u32) {
    // LONG1 with a zero byte at the end, so that the number is not negative.
    pickle.extend([0x8a, 5]);
    pickle.extend(value.to_le_bytes());
    pickle.push(0);
}

/// A zip archive of these entries; `method` 8 claims that they are compressed.
pub fn archive(entries: &[(&str, &[u8])], method: u16) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let start = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04\0\0\0\x08");
        bytes.extend(method.to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(name.bytes());
        bytes.extend(*data);
        directory.extend(b"PK\x01\x02\0\0\0\0\0\x08");
        directory.extend(method.to_le_bytes());
        directory.extend([0; 8]);
        directory.extend((data.len() as u32).to_le_bytes());
        directory.extend((data.len() as u32).to_le_bytes());
        directory.extend((name.len() as u16).to_le_bytes());
        directory.extend([0; 12]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.bytes());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0\0\0");
    bytes.extend((entries.len() as u16).to_le_bytes());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}
