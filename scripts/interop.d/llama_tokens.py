"""Ids that llama.cpp gives to texts with the vocabularies in GGUF files, beside those of Hugging Face's tokenizers."""
import random
import shutil
import unicodedata

import tokenizer
from harness import FIXTURES, complaint, expect, run, workdir
from llama_cpp import ask

TEXTS = 2000
SEED = 4
# Its pattern is one that llama.cpp has no code for.
REFUSED = ("flags",)
# Of these a GGUF carries pieces, by which llama.cpp cuts as SentencePiece's BPE, without added tokens' flags and maps of characters.
PIECES = ("gemma", "unigram", "sentencepiece_bpe", "sentencepiece_unigram")


# Its pattern for these knows capitals and small letters in ASCII only, and no combining marks, which the tool says.
CASED = ("gpt_oss",)


def check(report):
    for folder in sorted((FIXTURES / "tokenizer").iterdir()):
        if (folder / "expected.json").exists() and folder.name not in PIECES:
            report.row(f"tokenizer {folder.name}", lambda: refused(folder) if folder.name in REFUSED else agrees(folder))


def conversion(folder, work):
    """Of a model that has no tokenizer of its own."""
    (work / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(FIXTURES / "huggingface/gptj" / name, work / "model")
    return run("convert", work / "model", work / "model.gguf", "--dtype", "f32", "--assets", folder, "--quiet")


def refused(folder):
    with workdir() as work:
        done = conversion(folder, work)
        expect(done.returncode == 2 and "llama.cpp" in done.stderr, f"not refused: {complaint(done)}")
    return "refused: llama.cpp can't cut texts as this one does"


def agrees(folder):
    reference = reference_of(folder)
    texts = texts_for(reference)
    if folder.name in CASED:
        texts = ["".join(c for c in text if c.isascii() or unicodedata.category(c)[0] not in "LM") for text in texts]
    with workdir() as work:
        done = conversion(folder, work)
        expect(done.returncode == 0, complaint(done))
        (answer,) = ask([{"path": work / "model.gguf", "texts": texts}])
    for key, is_special in (("bare", False), ("special", True)):
        for text, found in zip(texts, answer[key], strict=True):
            tokenizer.same(f"{key} {text!r}", reference.encode(text, is_special), found)
    return f"{len(texts)} texts, {sum(map(len, answer['bare'])):,} ids"


def reference_of(folder):
    from tokenizers import Tokenizer

    if (folder / "tokenizer.json").exists():
        return tokenizer.Reference(Tokenizer.from_file(str(folder / "tokenizer.json")))
    return tokenizer.of_files(folder)


def texts_for(reference):
    """Texts at random, as far as both sides can read them.

    llama.cpp doesn't normalize, and so never finds an added token that is stored decomposed; and newer characters are assigned to one
    side only.
    """
    choice = random.Random(SEED)
    decomposed = [token.content for token in reference.backend.get_added_tokens_decoder().values()
                  if not unicodedata.is_normalized("NFC", token.content)]
    hidden = [unicodedata.normalize("NFC", content) for content in decomposed]
    texts = []
    while len(texts) < TEXTS:
        text = "".join(character for character in tokenizer.random_text(choice) if unicodedata.category(character) != "Cn")
        text = unicodedata.normalize("NFC", text)
        if not any(content in text for content in hidden):
            texts.append(text)
    return texts
