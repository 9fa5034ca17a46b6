"""Token ids against Hugging Face's tokenizers, on texts made at random from every corner of Unicode."""
import importlib.util
import json
import pathlib
import random
import subprocess
import unicodedata

import tokenizer_families as families
from harness import FIXTURES, WEIGHBRIDGE, Skipped, expect, workdir

PROBE = WEIGHBRIDGE.with_name("tokenization-probe")
TEXTS = 3000
SEED = 4
# What the patterns treat in a way of its own, and what the fixtures' added tokens look like.
PHRASES = ["'s", "'S", "'ll", "'LL", "'re", "'Ve", "'t", "'m", "'d", "'\u017f", "  ", "   ", "\n", "\r\n", "\n\n", " \n ", "\t", "\u00a0", "\u3000", "\u0085", "\u2028", "123", "4567", " 1", "²", "½", "\u0661\u0662", "the", " the", "weigh", "don't", "...", " !", "/*", "🙂", "👩\u200d👩", "e\u0301", "\u00e9", "\u212b", "\u1100\u1161", "\u0344", "\u0f73", "東京", "مرحبا", "<|endoftext|>", "<|endoftext", "<|begin_of_text|>", "<|im_end|>", "<mask>", "<l>", "<r>", "<s>", "<unk>", "word", "abab", "ab", "cafe\u0301", "caf\u00e9", "_", "\u200d", "\u0000", "\u2581", "\u2581\u2581", "\n\n\n\n", "     ", "<table>", "<|assistant|>", "<|user|> ", " </l>", "<0x41>", "HTTPServer", "camelCase", "ABCdef'S", "(a|b)", "a/b/\n", "！？", "￥", "ﬁ", "①", "ｶﾞ", "e\u0301\u0323", "\ufb01\u0301", "\U0001f1ee\U0001f1f9", "<tool_call>", "<start_of_turn>", "[INST]"]
RANGES = [(0x20, 0x7f), (0x20, 0x7f), (0, 0x20), (0x80, 0x250), (0x250, 0x600), (0x300, 0x370), (0x600, 0x1000), (0x1000, 0x2000), (0x2000, 0x2c00), (0x3000, 0x3100), (0x4e00, 0x9fff), (0xa000, 0xd7ff), (0xe000, 0x10000), (0x10000, 0x1f000), (0x1f000, 0x1fb00), (0x10000, 0x110000)]


def check(report):
    from tokenizers import Tokenizer

    for folder in sorted((FIXTURES / "tokenizer").iterdir()):
        if (folder / "tokenizer.json").exists():
            report.row(f"{folder.name}: tokenizer.json", lambda: agrees(folder, Reference(Tokenizer.from_file(str(folder / "tokenizer.json")))))
        elif (folder / "vocab.json").exists():
            report.row(f"{folder.name}: vocab.json and merges.txt", lambda: agrees(folder, of_files(folder)))
    for folder in sorted((FIXTURES / "huggingface").iterdir()):
        if (folder / "tokenizer.json").exists():
            report.row(f"huggingface/{folder.name}: tokenizer.json", lambda: agrees(folder, Reference(Tokenizer.from_file(str(folder / "tokenizer.json")))))
    for name, make in (families.BYTE_LEVEL | families.CHARACTERS).items():
        report.row(f"shape of {name}", lambda: trained(make))
    for name, parts in families.UNIGRAMS.items():
        report.row(f"shape of {name}", lambda: needing_sentencepiece(lambda: trained(lambda: unigram(*parts))))
    for name, options in families.MODELS.items():
        report.row(f"tokenizer.model, {name}", lambda: needing_sentencepiece(lambda: sentencepiece_model(options)))
    report.row("every character of Unicode", every_character)
    report.row("large vocabulary", large_vocabulary)
    report.row("a megabyte", megabyte)


class Reference:
    """Ids and texts as `tokenizers` gives them."""

    def __init__(self, backend, encode=None):
        self.backend = backend
        self.encode = encode or (lambda text, special: backend.encode(text, add_special_tokens=special).ids)

    def decode(self, ids, skip):
        return self.backend.decode(ids, skip_special_tokens=skip)


def of_files(folder):
    import transformers

    name = json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"]
    tokenizer = getattr(transformers, name).from_pretrained(folder)
    return Reference(tokenizer.backend_tokenizer, lambda text, special: tokenizer(text, add_special_tokens=special)["input_ids"])


def asked(folder, texts, ids=()):
    if not PROBE.exists():
        raise Skipped(f"no {PROBE.name} beside the tool: swift build builds it")
    question = json.dumps({"texts": texts, "ids": ids}, ensure_ascii=False)
    done = subprocess.run([PROBE, folder], input=question.encode(), capture_output=True, timeout=300)
    expect(done.returncode == 0, f"the probe exited {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
    answer = json.loads(done.stdout)
    expect("error" not in answer, answer.get("error"))
    return answer


def random_text(random):
    def part():
        if random.random() < 0.35:
            return random.choice(PHRASES)
        first, end = random.choice(RANGES)
        run = [random.randrange(first, end) for _ in range(random.randint(1, 4))]
        return "".join(chr(c) for c in run if not 0xd800 <= c < 0xe000)

    return "".join(part() for _ in range(random.randint(1, 14)))


def agrees(folder, reference, count=TEXTS):
    choice = random.Random(SEED)
    texts = [random_text(choice) for _ in range(count)]
    size = reference.backend.get_vocab_size()
    ids = [[choice.randrange(size + 3) for _ in range(choice.randint(0, 12))] for _ in range(count)]
    answer = asked(folder, texts, ids)
    for key, special in (("encoded", True), ("bare", False)):
        for text, found in zip(texts, answer[key], strict=True):
            same(f"{key} {text!r}", reference.encode(text, special), found)
    for key, skip in (("decoded", False), ("visible", True)):
        for row, found in zip(ids, answer[key], strict=True):
            same(f"{key} {row}", reference.decode(row, skip), found)
    expect(answer["size"] == size, f"{answer['size']} rows, expected {size}")
    vocabulary = reference.backend.get_vocab(with_added_tokens=True)
    expect({t: i for i, t in enumerate(answer["tokens"]) if t is not None} == vocabulary, "another table of tokens")
    return f"{count} texts, {sum(map(len, answer['encoded'])):,} ids; {count} lists of ids"


def trained(make):
    tokenizer = make()
    with workdir() as work:
        tokenizer.save(str(work / "tokenizer.json"))
        return agrees(work, Reference(tokenizer))


def needing_sentencepiece(body):
    if not importlib.util.find_spec("sentencepiece"):
        raise Skipped("no sentencepiece: scripts/peers installs it")
    return body()


def unigram(options, normalizers, steps, added):
    with workdir() as work:
        model = families.sentencepiece_model(work / "m.model", **({"model_type": "unigram"} | options))
        return families.unigram(model, normalizers, steps, added, fallback=options.get("byte_fallback", False))


def sentencepiece_model(options):
    """What SentencePiece itself makes of texts, and back."""
    choice = random.Random(SEED)
    texts = [random_text(choice) for _ in range(TEXTS)] + [" ".join(families.corpus()[:400])]
    # Texts with several ways of one score, where rounding decides; the last is long enough for SentencePiece's new zero.
    parts = ["\n", "\n\n", "the", "t", "h", " ", "a", "\U0009998b", "é"]
    texts += ["".join(choice.choice(parts) for _ in range(choice.randint(1, 30))) for _ in range(TEXTS)]
    texts.append("".join(choice.choice(parts) for _ in range(40_000)))
    with workdir() as work:
        model = families.sentencepiece_model(work / "tokenizer.model", **options)
        expected = [model.encode(text) for text in texts]
        answer = asked(work, texts, expected)
    for text, ids, found in zip(texts, expected, answer["bare"], strict=True):
        same(repr(text), ids, found)
    for ids, found in zip(expected, answer["decoded"], strict=True):
        # Of the unknown piece SentencePiece writes a mark of its own, transformers its name.
        if model.unk_id() not in ids and not options.get("treat_whitespace_as_suffix"):
            same(f"decoded {ids}", model.decode(ids), found)
    return f"{len(texts)} texts, {sum(map(len, expected)):,} ids"


def same(what, expected, found):
    expect(found == expected, f"{what}: expected {expected}, found {found}")


def every_character():
    """Each character between letters, after a space and after a digit; of the planes without assignments, a sample."""
    from tokenizers import Tokenizer

    codes = [*range(0xd800), *range(0xe000, 0x33480), *range(0x33480, 0x110000, 97)]
    texts = [f"a{chr(c)}b {chr(c)}1{chr(c)} '{chr(c)}" for c in codes]
    blocks = ["\x01".join(texts[start:start + 64]) for start in range(0, len(texts), 64)]
    for name in ("gpt2", "llama3"):
        folder = FIXTURES / "tokenizer" / name
        reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
        for text, found in zip(blocks, asked(folder, blocks)["bare"], strict=True):
            same(repr(text[:20]), reference.encode(text, add_special_tokens=False).ids, found)
    return f"{len(texts):,} characters, 2 patterns"


def large_vocabulary():
    """A tokenizer of 6,000 tokens, trained here on the words of Unicode's names and this package's own texts."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    from_fixture = json.loads((FIXTURES / "tokenizer/llama3/tokenizer.json").read_text())
    pattern = from_fixture["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    sources = [p.read_text(errors="replace") for p in sorted(pathlib.Path(__file__).parent.glob("*.py"))]
    names = [unicodedata.name(chr(c), "").title() + " " + chr(c) for c in range(0x20, 0x3000)]
    trainer = trainers.BpeTrainer(vocab_size=6000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(sources + names, trainer)
    with workdir() as work:
        tokenizer.save(str(work / "tokenizer.json"))
        texts = sources + [" ".join(names[start:start + 100]) for start in range(0, len(names), 100)]
        for text, found in zip(texts, asked(work, texts)["encoded"], strict=True):
            same(repr(text[:30]), tokenizer.encode(text).ids, found)
        return agrees(work, Reference(tokenizer), 500)


def megabyte():
    """Texts without a place to cut, on which a quadratic method would take minutes."""
    from tokenizers import Tokenizer

    for name in ("gpt2", "qwen2", "flags"):
        folder = FIXTURES / "tokenizer" / name
        reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
        texts = ["a" * 1_000_000, " " * 100_000, "th" * 500_000, "\n " * 100_000, "e\u0301" * 100_000, "<r> " * 50_000, "\u0301\u0323" * 1000]
        for text, found in zip(texts, asked(folder, texts)["encoded"], strict=True):
            same(f"{name}: {text[:4]!r}…", reference.encode(text).ids, found)
    return "7 texts, 3 tokenizers"
