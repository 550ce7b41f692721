//! One bad picture never ends a batch: it becomes a record with an error.

use insta::assert_snapshot;

use crate::files::huge_headers;
use crate::harness::{Hps, Outcome, Sandbox, fixtures, picture};

/// `score` with a good picture before and one after `bad`.
fn between_good_ones(sandbox: &Sandbox, bad: &[&str]) -> Hps {
    let command = sandbox.score("--format json --prompt fox").arg(picture("rgb.png"));
    command.args(bad).arg(picture("small.png"))
}

/// One error record for each of `bad`, in order, and the good pictures scored.
fn errors(outcome: &Outcome, bad: usize) -> Vec<(String, String)> {
    let results = outcome.list("results");
    assert_eq!(results.len(), bad + 2, "{outcome:#?}");
    for good in [&results[0], &results[bad + 1]] {
        assert!(good["score"].is_number(), "{good}");
    }
    let errors = results[1..=bad].iter().map(|result| {
        assert!(result.get("score").is_none(), "{result}");
        let text = |key: &str| result["error"][key].as_str().unwrap().to_owned();
        (text("kind"), text("message"))
    });
    errors.collect()
}

#[test]
fn every_bad_fixture_is_one_record() {
    let sandbox = Sandbox::new();
    let mut bad = Vec::new();
    for entry in std::fs::read_dir(fixtures("reward").join("images")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("bad_") {
            bad.push(path.display().to_string());
        }
    }
    bad.sort();
    assert!(bad.len() >= 5, "{bad:?}");
    let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
    let outcome = between_good_ones(&sandbox, &bad).expect(1);
    for (path, (_, message)) in bad.iter().zip(errors(&outcome, bad.len())) {
        assert!(message.contains(path), "{message}");
    }
    let table = sandbox.score("--prompt fox").args(&bad).expect(1);
    assert_snapshot!("unreadable_fixtures", table.shown());
}

#[test]
fn huge_headers_are_refused_before_they_take_memory() {
    let sandbox = Sandbox::new();
    let mut names = Vec::new();
    for (name, bytes) in huge_headers() {
        sandbox.write(name, bytes);
        names.push(name);
    }
    let outcome = between_good_ones(&sandbox, &names).expect(1);
    for (name, (_, message)) in names.iter().zip(errors(&outcome, names.len())) {
        assert!(message.contains(name) && message.contains("20000x10000"), "{message}");
    }
}

#[test]
fn things_that_are_no_picture_are_one_record_each() {
    let sandbox = Sandbox::new();
    sandbox.write("text.png", "Dear reader, this is not a picture.\n");
    sandbox.write("zeros.jpg", [0; 4096]);
    sandbox.write("vector.png", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
    sandbox.write("one_byte.gif", "G");
    let signature = std::fs::read(picture("rgb.png")).unwrap();
    sandbox.write("signature.png", &signature[..8]);
    let names = ["text.png", "zeros.jpg", "vector.png", "one_byte.gif", "signature.png"];
    let outcome = between_good_ones(&sandbox, &names).expect(1);
    let list: Vec<String> = errors(&outcome, 5)
        .into_iter()
        .map(|(kind, message)| format!("{kind}: {message}"))
        .collect();
    assert_snapshot!("unreadable_no_pictures", list.join("\n"));
}

#[test]
fn missing_files_and_folders_are_one_record_each() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("folder.png")).unwrap();
    let outcome = between_good_ones(&sandbox, &["missing.png", "folder.png"]).expect(1);
    let errors = errors(&outcome, 2);
    assert_eq!(errors[0].0, "not_found");
    assert!(
        errors[0].1.contains("missing.png") && errors[1].1.contains("folder.png"),
        "{errors:?}"
    );
}

#[cfg(unix)]
#[test]
fn files_that_cannot_be_read_are_one_record_each() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let sandbox = Sandbox::new();
    // Nobody can open a link to itself, not even root.
    symlink("loop.png", sandbox.path("loop.png")).unwrap();
    let outcome = between_good_ones(&sandbox, &["loop.png"]).expect(1);
    let found = errors(&outcome, 1);
    assert!(found[0].0 == "io" && found[0].1.contains("loop.png"), "{found:?}");

    sandbox.write("closed.png", std::fs::read(picture("small.png")).unwrap());
    let path = sandbox.path("closed.png");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&path).is_ok() {
        eprintln!("skipped closed.png: root reads every file");
        return;
    }
    let outcome = between_good_ones(&sandbox, &["closed.png"]).expect(1);
    let found = errors(&outcome, 1);
    assert!(found[0].0 == "io" && found[0].1.contains("closed.png"), "{found:?}");
}

#[test]
fn every_truncation_of_a_picture_is_an_error() {
    let sandbox = Sandbox::new();
    let mut names = Vec::new();
    for file in
        ["jpeg444.jpg", "rgb.png", "rgba_lossless.webp", "still.gif", "lzw.tiff", "plain.bmp"]
    {
        let bytes = std::fs::read(picture(file)).unwrap();
        for part in 1..4 {
            let name = format!("{part}_{file}");
            sandbox.write(&name, &bytes[..bytes.len() * part / 4]);
            names.push(name);
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let outcome = between_good_ones(&sandbox, &names).expect(1);
    errors(&outcome, names.len());
}
