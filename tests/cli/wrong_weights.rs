//! Weights that do not fit, are damaged, or hold code: exit 2, and nothing is run.

use insta::assert_snapshot;

use crate::files::{write_zeros, zip};
use crate::harness::{Hps, Outcome, Sandbox, fixtures, picture};

/// `score` by hps-v2.1 with the weights `file` of the sandbox.
fn score_with(sandbox: &Sandbox, file: &str) -> Hps {
    let command = sandbox.hps("score --reward hps-v2.1 --prompt fox --weights");
    command.arg(format!("hps-v2.1={file}")).arg(picture("small.png"))
}

/// The same with the architecture of the small fixtures.
fn score_tiny_with(sandbox: &Sandbox, file: &str) -> Outcome {
    score_with(sandbox, file).arg("--arch").arg(fixtures("reward").join("hps-tiny.json")).refused()
}

#[test]
fn clip_l_14_is_not_hps() {
    let sandbox = Sandbox::new();
    write_zeros(
        &sandbox.path("ViT-L-14.safetensors"),
        &[
            ("positional_embedding", &[77, 768]),
            ("text_projection", &[768, 768]),
            ("token_embedding.weight", &[49_408, 768]),
            ("ln_final.weight", &[768]),
            ("ln_final.bias", &[768]),
            ("transformer.resblocks.0.ln_1.weight", &[768]),
            ("visual.class_embedding", &[1024]),
            ("visual.conv1.weight", &[1024, 3, 14, 14]),
            ("visual.positional_embedding", &[257, 1024]),
            ("visual.proj", &[1024, 768]),
        ],
    );
    let outcome = score_with(&sandbox, "ViT-L-14.safetensors").refused();
    for part in [
        "weights for hps-v2.1",
        "missing",
        "token_embedding.weight is F16 [49408, 768]",
        "[49408, 1024]",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {outcome:#?}");
    }
}

#[test]
fn small_weights_need_their_architecture() {
    let sandbox = Sandbox::new();
    let weights = fixtures("reward").join("hps-tiny.safetensors");
    let outcome = score_with(&sandbox, &weights.display().to_string()).refused();
    assert_snapshot!("weights_tiny_without_arch", outcome.shown());
}

#[test]
fn truncated_files_are_said_to_be_so() {
    let sandbox = Sandbox::new();
    for file in ["hps-tiny.pt", "hps-tiny.safetensors"] {
        let bytes = std::fs::read(fixtures("reward").join(file)).unwrap();
        for part in [1, 2, 3] {
            sandbox.write(file, &bytes[..bytes.len() * part / 4]);
            let outcome = score_tiny_with(&sandbox, file);
            assert!(outcome.stderr.contains("cut short"), "{outcome:#?}");
            assert!(outcome.stderr.contains(file), "{outcome:#?}");
        }
        // The lengths at which formats change their mind.
        for length in [0, 1, 4, 7, 8, 9, 100] {
            sandbox.write(file, &bytes[..length]);
            score_tiny_with(&sandbox, file);
        }
    }
}

#[test]
fn damaged_files_are_refused() {
    let sandbox = Sandbox::new();
    let bytes = std::fs::read(fixtures("reward").join("hps-tiny.safetensors")).unwrap();
    let mut length = bytes.clone();
    length[..8].fill(0xff);
    let mut header = bytes;
    header[20] = b'}';
    for damaged in [length, header, b"not weights at all".to_vec(), zip(&[("a", b"b")])] {
        sandbox.write("damaged.safetensors", damaged);
        let outcome = score_tiny_with(&sandbox, "damaged.safetensors");
        assert!(outcome.stderr.contains("damaged.safetensors"), "{outcome:#?}");
    }
}

#[test]
fn code_in_a_checkpoint_is_named_and_not_run() {
    let sandbox = Sandbox::new();
    let pickles: [(&str, &[u8]); 3] = [
        ("os.system", b"cos\nsystem\n(S'touch executed'\ntR."),
        ("posix.system", b"\x80\x02cposix\nsystem\nX\x0e\0\0\0touch executed\x85R."),
        (
            "builtins.exec",
            b"\x80\x02cbuiltins\nexec\nX\x1d\0\0\0open('executed', 'w').close()\x85R.",
        ),
    ];
    for (name, pickle) in pickles {
        let archive = zip(&[("archive/data.pkl", pickle), ("archive/version", b"3\n")]);
        for (file, bytes) in [("zip.pt", &archive[..]), ("bare.pt", pickle)] {
            // A bare pickle may as well be a text file.
            if file == "bare.pt" && name == "os.system" {
                continue;
            }
            sandbox.write(file, bytes);
            let outcome = score_tiny_with(&sandbox, file);
            assert!(outcome.stderr.contains(name), "{outcome:#?}");
            assert!(outcome.stderr.contains("not executed"), "{outcome:#?}");
            let verified = sandbox.hps("models verify").arg(sandbox.path(file)).refused();
            assert!(verified.stderr.contains(name), "{verified:#?}");
        }
    }
    assert!(!sandbox.path("executed").exists());
}

#[test]
fn other_files_are_said_to_be_no_weights() {
    let sandbox = Sandbox::new();
    sandbox
        .write("pointer.pt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
    sandbox.write("page.pt", "<!DOCTYPE html><html><body>Not found</body></html>");
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    let mut shown = Vec::new();
    for file in ["pointer.pt", "page.pt", "folder", "missing.pt"] {
        shown.push(score_tiny_with(&sandbox, &format!("./{file}")).shown());
    }
    assert_snapshot!("weights_no_weights", shown.join("\n"));
}

#[test]
fn an_architecture_that_is_none_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.json", "{}");
    sandbox.write("broken.json", "{");
    sandbox.write(
        "huge.json",
        std::fs::read_to_string(fixtures("reward").join("hps-tiny.json"))
            .unwrap()
            .replace("64", "64000000000"),
    );
    let weights = fixtures("reward").join("hps-tiny.pt");
    for arch in ["missing.json", "empty.json", "broken.json", "huge.json"] {
        let command = score_with(&sandbox, &weights.display().to_string());
        let outcome = command.args(["--arch", arch]).refused();
        assert!(outcome.stderr.contains(arch), "{outcome:#?}");
    }
}
