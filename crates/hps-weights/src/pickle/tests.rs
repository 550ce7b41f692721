#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use safetensors::Dtype;

use super::{PickleError, bare_pickle_error, read_tensors};

/// `{"state_dict": OrderedDict([("w", <tensor>)]), "epoch": 3}` as `torch.save` writes it, with
/// the `_metadata` attribute that module state dicts have, and a parameter that shares the storage.
fn state_dict() -> Vec<u8> {
    let mut p =
        b"\x80\x02}q\0(X\x0a\0\0\0state_dictq\x01ccollections\nOrderedDict\nq\x02)Rq\x03(".to_vec();
    p.extend(b"X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\nq\x04((X\x07\0\0\0storageq\x05");
    p.extend(b"ctorch\nHalfStorage\nq\x06X\x01\0\0\x000q\x07X\x03\0\0\0cpuq\x08K\x0ctq\x09Q");
    p.extend(b"K\x02K\x02K\x03\x86K\x03K\x01\x86\x89h\x02)RtRq\x0a");
    p.extend(b"X\x01\0\0\0pctorch._utils\n_rebuild_parameter\n(h\x0a\x88h\x02)RtR");
    p.extend(b"u}X\x09\0\0\0_metadatah\x02)Rsb");
    p.extend(b"X\x05\0\0\0epochK\x03X\x02\0\0\0lrG\x3f\xf0\0\0\0\0\0\0u.");
    p
}

fn code(pickle: &[u8]) -> String {
    match read_tensors(pickle) {
        Err(PickleError::Code(name)) => name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_state_dict_with_everything() {
    let tensors = read_tensors(&state_dict()).unwrap();
    assert_eq!(tensors.keys().collect::<Vec<_>>(), ["state_dict.p", "state_dict.w"]);
    let w = &tensors["state_dict.w"];
    assert_eq!((w.storage.as_str(), w.storage_elements, w.dtype), ("0", 12, Dtype::F16));
    assert_eq!((w.offset, w.shape.as_slice(), w.strides.as_slice()), (2, &[2, 3][..], &[3, 1][..]));
    assert_eq!(w, &tensors["state_dict.p"]);
}

#[test]
fn code_is_named_in_every_form_of_reference() {
    // pickle.dumps of an object whose __reduce__ returns (os.system, ("true",)), protocols 0, 2, 4.
    let zero = b"cposix\nsystem\np0\n(Vtrue\np1\ntp2\nRp3\n.";
    let two = b"\x80\x02cposix\nsystem\nq\0X\x04\0\0\0trueq\x01\x85q\x02Rq\x03.";
    let four = b"\x80\x04\x95\x1f\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.";
    for pickle in
        [&zero[..], two, four, b"(S'true'\niposix\nsystem\n.", b"(cposix\nsystem\nS'x'\no."]
    {
        assert_eq!(code(pickle), "posix.system");
    }
    assert_eq!(code(b"\x80\x02cbuiltins\neval\n."), "builtins.eval");
    assert_eq!(code(b"\x80\x02c__torch__.CLIP\nModel\n."), "__torch__.CLIP.Model");
    assert_eq!(code(b"\x80\x02\x82\x01."), "a copyreg extension");
    let long = format!("\u{80}\u{2}c{}\nx\n.", "y".repeat(5000)).replace('\u{c2}', "");
    assert!(code(&long.chars().map(|c| c as u8).collect::<Vec<_>>()).len() <= 100);
}

#[test]
fn bare_pickles_are_explained() {
    let evil = bare_pickle_error("m.bin", b"cposix\nsystem\n(S'true'\ntR.");
    assert!(evil.message().contains("posix.system, which was not executed"), "{evil}");
    // The magic number and version that start a file of PyTorch 1.5, then code.
    let mut old = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    assert!(bare_pickle_error("m.pt", &old).message().contains("before version 1.6"));
    old.extend(b"\x80\x02cnt\nsystem\n.");
    assert!(bare_pickle_error("m.pt", &old).message().contains("nt.system"));
    assert!(bare_pickle_error("m.pt", b"copyright").message().contains("not a weights file"));
}

#[test]
fn malformed_pickles_are_errors() {
    let deep = |byte: u8| [b"\x80\x02", vec![byte; 300_000].as_slice(), b"."].concat();
    let mut nested = b"\x80\x02)".to_vec();
    nested.extend(std::iter::repeat_n(0x85, 1_000_000));
    nested.push(b'.');
    let cases: [&[u8]; 18] = [
        b"",
        b".",
        b"\x80",
        b"\x80\x09.",
        b"\x80\x02}",
        b"\x80\x02N.",
        b"\x80\x02)R.",
        b"\x80\x02NNs.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02(0t.",
        b"\x80\x02h\x07.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02X\xff\xff\xff\xffab.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02(K\x01e.",
        b"\x80\x02}K\x01K\x02\xffs.",
    ];
    for case in cases.into_iter().chain([&deep(b'(')[..], &deep(b']'), &deep(b'2'), &nested]) {
        let head = case.get(..40).unwrap_or(case);
        assert!(!matches!(read_tensors(case), Ok(_) | Err(PickleError::Code(_))), "{head:?}");
    }
}

#[test]
fn cyclic_and_shared_dictionaries_end() {
    // d = {}; d["self"] = d
    assert!(read_tensors(b"\x80\x02}q\0X\x04\0\0\0selfh\0s.").unwrap().is_empty());
    // Each level holds the next one many times under different keys.
    let mut laughs = b"\x80\x02}q\0".to_vec();
    for level in 0..30u8 {
        laughs.extend(b"0}(");
        (0..200u8).for_each(|key| laughs.extend([b'K', key, b'h', level]));
        laughs.extend([b'u', b'q', level + 1]);
    }
    laughs.push(b'.');
    assert!(read_tensors(&laughs).unwrap().is_empty());
}

#[test]
fn absurd_sizes_are_refused_or_kept_for_the_storage_check() {
    let pickle = state_dict();
    let shape = pickle.windows(5).position(|w| w == b"K\x02K\x03\x86").unwrap();
    let mut huge = pickle[..shape].to_vec();
    huge.extend(b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x03\x86");
    huge.extend(&pickle[shape + 5..]);
    assert_eq!(read_tensors(&huge).unwrap()["state_dict.w"].shape, [i64::MAX as usize, 3]);
    huge[shape + 9] = 0xff;
    assert!(matches!(read_tensors(&huge), Err(PickleError::Damaged { .. })), "a negative size");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_tensors(&bytes);
        let _ = bare_pickle_error("x", &bytes);
    }

    #[test]
    fn changed_pickles_never_panic(
        changes in proptest::collection::vec((0usize..400, any::<u8>()), 1..6),
        cut in 0usize..400,
    ) {
        let mut pickle = state_dict();
        for (at, value) in changes {
            let length = pickle.len();
            pickle[at % length] = value;
        }
        let _ = read_tensors(&pickle);
        pickle.truncate(cut);
        let _ = read_tensors(&pickle);
    }
}
