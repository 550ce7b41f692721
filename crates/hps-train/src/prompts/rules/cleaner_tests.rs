#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::prompts::plain_captions;

fn rules() -> &'static RuleSet {
    static RULES: OnceLock<RuleSet> = OnceLock::new();
    RULES.get_or_init(|| RuleSet::bundled().unwrap())
}

fn clean(text: &str) -> String {
    rules().clean(text).text
}

#[test]
fn plain_captions_stay_as_they_are() {
    let changed: Vec<&String> =
        plain_captions().iter().filter(|caption| clean(caption) != **caption).collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

#[test]
fn prompts_of_users() {
    for (before, after) in [
        (
            "portrait of a red fox in the snow, intricate, elegant, highly detailed, digital \
             painting, artstation, concept art, smooth, sharp focus, illustration, art by artgerm \
             and greg rutkowski and alphonse mucha, 8 k",
            "portrait of a red fox in the snow, digital painting, concept art, illustration",
        ),
        (
            "(masterpiece:1.2), (best quality), ((1girl)), red hair, BREAK snow <lora:add_detail:0.5>",
            "1girl, red hair, snow",
        ),
        (
            "A castle on a hill, trending on ArtStation, 8K resolution, Unreal Engine 5 --ar 16:9 --v 5",
            "A castle on a hill",
        ),
        (
            "The image is a portrait of Homer Simpson, created with vibrant colors and highly \
             detailed in a cinematic style, available on Artstation with credits to Greg Rutkowski.",
            "The image is a portrait of Homer Simpson, created with vibrant colors in a \
             cinematic style.",
        ),
        ("A painting by Vincent van Gogh of a cat", "A painting of a cat"),
        ("Vincent van Gogh's bedroom, oil painting", "Vincent van Gogh's bedroom, oil painting"),
        (
            "a poster inspired by Van Gogh's Starry Night",
            "a poster inspired by Van Gogh's Starry Night",
        ),
        ("Salvador Dali, eating lunch, 4k", "Salvador Dali, eating lunch"),
        (
            "a man who watches a 4k tv in his living room",
            "a man who watches a 4k tv in his living room",
        ),
        ("masterpiece, best quality", ""),
        ("a fox -- a red one -- in the snow", "a fox -- a red one -- in the snow"),
        ("一只狐狸，8k，雪", "一只狐狸，雪"),
    ] {
        assert_eq!(clean(before), after, "{before}");
    }
}

#[test]
fn what_applied_is_named() {
    let cleaned = rules().clean("a fox, 8k, artstation");
    assert_eq!(
        cleaned.rules.iter().map(String::as_str).collect::<Vec<_>>(),
        ["resolution", "site"]
    );
    assert!(rules().clean("a fox").rules.is_empty());
}

#[test]
fn categories_can_be_kept() {
    let keep = |name: &str| RuleSet::parse_without(BUNDLED, &[name.to_owned()]);
    let rules = keep("artist").unwrap();
    assert_eq!(rules.clean("a fox, 8k, by greg rutkowski").text, "a fox, by greg rutkowski");
    assert!(rules.rules().iter().all(|rule| rule.category != "artist"));
    assert_ne!(rules.digest(), self::rules().digest());
    assert_eq!(keep("artist").unwrap().digest(), rules.digest());
    let error = keep("artists").unwrap_err();
    assert!(error.hint().unwrap().contains("artist, camera"), "{error:?}");
}

#[test]
fn wrong_rules_are_refused() {
    let rule = |extra: &str| {
        format!("[[rule]]\nid = 'x'\ncategory = 'c'\nscope = 'phrase'\nabout = 'a'\n{extra}\n")
    };
    for (text, expected) in [
        ("rule = 1".to_owned(), "not a list of rules"),
        (rule("before = 'fox b'\nafter = 'fox'\nwhat = 1"), "unknown field"),
        (rule("pattern = ['(']\nbefore = 'fox b'\nafter = 'fox'"), "rule x: regex parse error"),
        (rule("pattern = ['c']\nbefore = 'fox b'\nafter = 'fox'"), "becomes \"fox b\""),
        (rule("pattern = ['c']\nbefore = 'fox'\nafter = 'fox'"), "does not apply"),
        (rule("pattern = ['b']\nbefore = 'fox b'\nafter = 'fox'").repeat(2), "occurs twice"),
    ] {
        let error = RuleSet::parse(&text).unwrap_err();
        assert!(error.message().contains(expected), "{expected}: {error}");
    }
}

#[test]
fn rules_that_lengthen_do_not_go_on_for_ever() {
    let toml = "[[rule]]\nid = 'x'\ncategory = 'c'\nscope = 'syntax'\nabout = 'a'\n\
        pattern = ['aa?']\nreplace = 'a'\nbefore = 'aa'\nafter = 'a'\n";
    assert_eq!(RuleSet::parse(toml).unwrap().clean("b aa").text, "b a");
}

/// Anything, with what the rules look for in between.
fn hostile() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "8k",
        "trending on artstation",
        "by greg rutkowski",
        "masterpiece",
        ",",
        ", ,",
        "(",
        ")",
        "((",
        "))",
        ":1.2)",
        "[",
        "]",
        "{",
        "}",
        "--ar 16:9",
        "--no",
        "—v 5",
        "::2",
        "BREAK",
        "<lora:x:1>",
        "\\(",
        "\\",
        " ",
        ".",
        ". ",
        "and",
        "in",
        "an",
        "ultra detailed",
        "fox",
        "'s",
        "\n",
        "|",
        "greg rutkowski",
        "octane render",
        "İ",
        "ſ",
        "K",
        "\u{301}",
        "狐",
        "，",
        "https://x.y",
    ]);
    prop::collection::vec(prop_oneof![3 => words.prop_map(str::to_owned), 1 => "\\PC{0,3}", 1 => any::<char>().prop_map(String::from)], 0..24)
        .prop_flat_map(|list| prop::sample::select(vec!["", " "]).prop_map(move |gap| list.join(gap)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn cleaning_twice_is_cleaning_once(text in hostile()) {
        let once = rules().clean(&text);
        prop_assert!(once.text.len() <= text.len());
        prop_assert_eq!(once.rules.is_empty(), once.text == text);
        let twice = rules().clean(&once.text);
        prop_assert_eq!(&twice.text, &once.text);
        prop_assert!(twice.rules.is_empty(), "{:?}", twice.rules);
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}") {
        prop_assert!(rules().clean(&text).text.len() <= text.len());
    }

    #[test]
    fn function_words_after_a_caption_leave_the_caption(
        index in 0_usize..800,
        words in prop::sample::subsequence(
            vec!["8k", "trending on artstation", "by greg rutkowski", "octane render", "sharp focus"],
            1..5,
        ),
    ) {
        let caption = plain_captions()[index].trim_end_matches(['.', ' ', ',', '!']);
        // Spaces are tidied where something is removed.
        prop_assume!(!caption.contains("  ") && !caption.contains(" ,") && !caption.starts_with(' ') && !caption.contains(" ."));
        let prompt = format!("{caption}, {}", words.join(", "));
        prop_assert_eq!(clean(&prompt), caption);
    }
}
