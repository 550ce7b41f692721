"""Writes the token ids that crates/hps-clip/tests/tokenizer.rs compares with.

    pip install open_clip_torch==3.3.0 ftfy==6.3.1 transformers==5.24.0
    python scripts/make_token_values.py crates/hps-clip/tests/data

open_clip's ids come from its tokenizer for ViT-H-14, which is the one that HPS v2
uses. Those of Hugging Face come from CLIPTokenizer with the same vocabulary under
its own names, which is what the `tokenizer` folder of Stable Diffusion 1.5 holds.
Padding is left out. The prompts are a list of known difficulties and, for each kind
of difficulty, a number of random combinations.
"""

import html.entities
import json
import pathlib
import random
import sys

import open_clip
from transformers import CLIPTokenizer

CONTEXT_LENGTH = 77

KNOWN = [
    "", " ", "\n", "\u200b", "\ufeff", "\u0000", "!", "a" * 200, "1" * 100, "é" * 100, "🦊" * 40,
    "word " * 74 + "end", "word " * 75 + "end", "word " * 76 + "end", "A cat,  a DOG;\ta bird…",
    "don't DON'T they've I'm we'll he'd you're 'tis 'S 'ſ ''s's", "Ünïcödé naïve café cafe\u0301",
    "ΣΊΣΥΦΟΣ ΣΑΣ. Σ", "İstanbul Iğdır ıI", "ẞ ß ǅ ŉ ﬁne ﬂuﬃeﬆ Ĳsland", "ＬＯＵＤ　ＮＯＩＳＥＳ Ｕﾀｰﾝ ￥",
    "“curly” ‘quotes’ „low‟ ʼn it’s", "½ ² ① Ⅷ ª x₁ √2 ∞ 𝕏 𝟚", "中文提示词 한국어 日本語 ไทย हिन्दी العربية",
    "\u1112\u1161\u11ab \u0958 \u212b \u2126", "🦊 👨\u200d👩\u200d👧\u200d👦 ❤\ufe0f 🏴\U000e0067\U000e007f 👍🏽",
    "a\u0345b \u0345 c", "a\u00a0b\u2003c\u3000d\u202fe\u1680f\u180eg", "a\x1cb\x1fc\x0bd\x0ce\x85f",
    "line\r\nline\rline\u2028line\u2029line", "\x1b[1;31mred\x1b[0m \x1b[m \x1b[١m \x1b[", "\x07\x7f\u206a\ufff9\ufffc",
    "&amp;amp;lt; &lt;b&gt; &quot;hi&quot; &#39;x&#x27;", "Tom &amp; Jerry &amp &AMP; &Amp;",
    "P&EACUTE;REZ &NTILDE; &nTILDE; STRA&SZLIG;E", "<b>&eacute;</b>\n&eacute;", "&eacute;\n<b>&eacute;",
    "&#0; &#1; &#128; &#129; &#xD800; &#x110000; &#99999999999; &#xFFFE; &#59; &#12x;",
    "&notit; &notin; &ampere &l &; &# &#x; &CounterClockwiseContourIntegral;", "&hellip;&nbsp;&copy&reg",
    "schÃ¶n mojibake â€œquotesâ€\x9d", "voilÃ  le travail, Ã perturber jusqu'Ã nos jours", "à quele Ã quele Ã s 10",
    "La rГ©gion de Dnepropetrovsk se trouve Г\xa0lвЂ™ouest", "wei√ü ≈° ‚Äôtwas", "l’humanitÃƒÂ©",
    "III DivisÃ£o - Classificação", "âœ” No problems", "&macr;\\_(ã\x83\x84)_/&macr;", "\x92smart\x92 c1 \x81",
    "â€œ lost â€\ufffd bytes Ã? ðŸ˜\ufffd", "í\xa0½í¸\x8e í\xa0½ À\x80", "Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "Ãcute VOCÊ… 4288×… É¿ ( o¬ô )",
    "Œuvre œ Œ1 Å° ×² ØÙ", "Ù…ØµØ±", "Î±Î² Ã¡", "ā€“ ā€œ", "╬ô├┤ ├®", "<start_of_text> hello <end_of_text> world",
    "<|startoftext|> hello <|endoftext|> world", "!<end_of_text> !<|endoftext|>", "a<END_OF_TEXT>b a<|ENDOFTEXT|>b",
    "<ſtart_of_text>", "<|endoftext|><|endoftext|>", "<|startoftext|>!<|", "(masterpiece:1.2), [bad], {curly}, <lora:foo:0.8>",
    "snake_case camelCase kebab-case", "http://example.com/path?query=1&b=2#frag user@example.com #tag @name",
    "$100 50% off 1,000,000.50 10:30am 4k 8K 16:9", "--- ___ +++ ... ,,, ;;; \\n \\u0041 ~`^|", "RF☆ho!!to?",
    "A\n'll 11p223RF☆ho!!to?", "Campo\u0303n \u0327c \u0323\u0307q a\u0300\u0301\u0302 zalgo",
]

WORDS = (
    "a photo of café naïve schön über “curly” it’s dash… ÀÉÎÕÜ œuvre Æther 5€ £35 © ™ ½ ² ° à às São Łódź kůň ğüş "
    "Привет мир Ελλάδα ΣΑΣ 日本語 한글 العربية हिन्दी 😀 🦊 ❤️ ﬁne ǆ ŉ ＡＢＣ ｶﾅ İstanbul ẞ 1234 don't they've"
).split()
ENCODINGS = ["latin-1", "sloppy-windows-1252", "sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253",
             "sloppy-windows-1254", "sloppy-windows-1257", "iso-8859-2", "macroman", "cp437"]
CONTROLS = "\x00\x07\x0b\x0c\x1a\x1b\x1c\x1f\x7f\x80\x85\x92\x9d\xa0\xad\u200b\u200d\u2028\u202f\u2060\u3000\ufeff\ufffd\u0345\u0301"


def misread(rng, text):
    """UTF-8 read in another encoding, perhaps damaged as well."""
    data = text.encode()
    if rng.random() < 0.2:
        data = data.replace(b"\xa0", b" ")
    text = data.decode(rng.choice(ENCODINGS), "ignore")
    if text and rng.random() < 0.2:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice("\ufffd?") + text[at + 1 :]
    return text


def reference(rng):
    """An HTML reference, often a wrong one."""
    names = sorted(html.entities.html5)
    end = rng.choice([";", ";", ""])
    return "&" + rng.choice([
        rng.choice(names), rng.choice(names).upper(), f"#{rng.randrange(0x3000)}{end}",
        f"#x{rng.randrange(0x20000):x}{end}", "amp;" * rng.randrange(1, 5) + "lt;",
    ])


def random_prompt(rng, kind):
    """A few words of one kind of difficulty among ordinary ones."""
    parts = []
    for _ in range(rng.randrange(1, 6)):
        word = rng.choice(WORDS)
        if kind == "misread":
            for _ in range(rng.randrange(1, 3)):
                word = misread(rng, word)
        elif kind == "references":
            word = rng.choice([word, reference(rng)])
        elif kind == "controls":
            word = rng.choice([word, "".join(rng.choice(CONTROLS) for _ in range(3))])
        elif kind == "page":
            word = "".join(bytes([rng.randrange(0x80, 0x100)]).decode(rng.choice(ENCODINGS)) for _ in range(4))
        parts.append(word + rng.choice(["", " ", "  ", ", ", "\n"]))
    return "".join(parts)


def prompts(count):
    """The known difficulties, filled up with random ones to `count` prompts."""
    rng = random.Random(0)
    kinds = ["words", "misread", "misread", "references", "controls", "page"]
    found = list(dict.fromkeys(KNOWN))
    while len(found) < count:
        prompt = random_prompt(rng, kinds[len(found) % len(kinds)])
        if prompt not in found:
            found.append(prompt)
    return found


def open_clip_ids(tokenizer, prompt):
    """All ids before the padding."""
    length = min(len(tokenizer.encode(prompt)) + 2, CONTEXT_LENGTH)
    return tokenizer([prompt])[0, :length].tolist()


def hugging_face_tokenizer(simple):
    """CLIPTokenizer with the vocabulary of open_clip's tokenizer."""
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocab = {names.get(token, token): index for token, index in simple.encoder.items()}
    return CLIPTokenizer(vocab=vocab, merges=list(simple.bpe_ranks), model_max_length=CONTEXT_LENGTH)


def write(path, values):
    lines = ",\n".join(json.dumps(value, ensure_ascii=True) for value in values)
    path.write_text(f"[\n{lines}\n]\n")


def main():
    folder = pathlib.Path(sys.argv[1])
    simple = open_clip.get_tokenizer("ViT-H-14")
    hugging_face = hugging_face_tokenizer(simple)
    write(folder / "open_clip_tokens.json",
          [{"prompt": p, "ids": open_clip_ids(simple, p)} for p in prompts(300)])
    write(folder / "hugging_face_tokens.json",
          [{"prompt": p, "ids": hugging_face(p, truncation=True)["input_ids"]} for p in prompts(150)])


if __name__ == "__main__":
    main()
