"""Tokenizers in the shape of each family's published one, trained here on text of many scripts."""
import json
import pathlib
import unicodedata

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CAPITALS, SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
GPT4O = "|".join(rf"[^\r\n\p{{L}}\p{{N}}]?{CAPITALS}{a}{SMALL}{b}{CONTRACTIONS}?" for a, b in ("*+", "+*")) + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"
SPACE = "\u2581"


def corpus(last=0x2200):
    """Names of characters and the characters themselves, this package's own texts, and words of several scripts."""
    sources = [line for path in sorted(pathlib.Path(__file__).parent.glob("*.py")) for line in path.read_text(errors="replace").splitlines()]
    names = [unicodedata.name(chr(c), "").title() + " " + chr(c) for c in range(0xa0, last)]
    words = ["Die Brücke wiegt den Wagen", "le café de l'été", "東京都の天気は晴れです。", "你好，世界！今天天气很好。", "مرحبا بالعالم السلام عليكم", "Привет, мир! Сколько весит грузовик?", "हिन्दी में पाठ", "ภาษาไทยไม่มีช่องว่าง", "한국어 문장입니다", "שלום עולם", "🙂🙃 👩‍👩‍👧‍👦", "1234 5678 90 2024", "it's we'll I'm THEY'RE don't"]
    return [line for line in sources + names if line.strip()] + words * 30


def byte_level(steps, size=2000, normalizer=None, special=("<|endoftext|>",), template=None, **model):
    """Byte-level BPE; `steps` is the pre-tokenizer's JSON."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.ByteLevel()
    document = json.loads(tokenizer.to_str())
    document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps} if len(steps) > 1 else steps[0]
    document["normalizer"] = normalizer
    document["model"].update(model)
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.add_tokens([AddedToken("<tool_call>", special=False, normalized=False)])
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{template} $A", special_tokens=[(template, tokenizer.token_to_id(template))])
    else:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def bytes_step(regex=False):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": regex}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


NFC = {"type": "NFC"}
FALCON = [{"type": "Punctuation", "behavior": "Contiguous"}, bytes_step(True), {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]")]
DIGITS = [{"type": "Digits", "individual_digits": True}, bytes_step(True)]
BYTE_LEVEL = {
    "qwen3, qwen3_moe": lambda: byte_level([split(QWEN2), bytes_step()], normalizer=NFC, special=("<|endoftext|>", "<|im_start|>", "<|im_end|>")),
    "stablelm": lambda: byte_level([split(QWEN2, "Removed", True), bytes_step()], normalizer=NFC),
    "smollm3": lambda: byte_level([split(LLAMA3), bytes_step()], ignore_merges=True, special=("<|begin_of_text|>",), template="<|begin_of_text|>"),
    "olmo2, phi-4": lambda: byte_level([split(LLAMA3, "Removed", True), bytes_step()], special=("<|endoftext|>", "<|im_start|>")),
    "gpt_oss": lambda: byte_level([split(GPT4O), bytes_step()], special=("<|start|>", "<|endoftext|>")),
    "phi-4-mini": lambda: byte_level([split(GPT4O, "Removed", True), bytes_step()]),
    "bloom": lambda: byte_level([split(BLOOM), bytes_step()], special=("<unk>", "<s>", "</s>", "<pad>")),
    "falcon": lambda: byte_level(FALCON),
    "starcoder2, granite": lambda: byte_level(DIGITS),
    "opt": lambda: byte_level([bytes_step(True)], special=("</s>", "<pad>"), template="</s>"),
}


def llama(normalizer=None, steps=None, added=(), fallback=True, **model):
    """BPE of characters as `transformers` makes it of a SentencePiece model."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors, trainers

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    trained.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=1600, limit_alphabet=400, show_progress=False))
    document = json.loads(trained.to_str())
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] * fallback
    runs = [SPACE * n for n in range(2, 17)] if fallback else []
    vocab = {piece: id for id, piece in enumerate(dict.fromkeys(pieces + [*document["model"]["vocab"]] + [SPACE] + runs))}
    merges = [[SPACE * a, SPACE * (n - a)] for n in range(2, 17) for a in range(1, n)] if fallback else []
    document["model"].update(vocab=vocab, merges=document["model"]["merges"] + merges, unk_token="<unk>", fuse_unk=True, byte_fallback=fallback, **model)
    prefixed = [{"type": "Prepend", "prepend": SPACE}, {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]
    document["normalizer"] = {"type": "Sequence", "normalizers": prefixed} if normalizer is None else normalizer
    document["pre_tokenizer"] = steps
    joined = [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]
    document["decoder"] = {"type": "Sequence", "decoders": joined}
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in ("<unk>", "<s>", "</s>")])
    tokenizer.add_tokens([AddedToken(text, **flags) for text, flags in added])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


PHI3 = [("<|endoftext|>", {"special": True, "normalized": False})] + [(f"<|{name}|>", {"special": True, "normalized": False, "rstrip": True}) for name in ("assistant", "user", "end")] + [("</l>", {"lstrip": True, "normalized": True}), ("word", {"single_word": True}), ("abab", {})]
GEMMA = [("\n" * n, {"normalized": False}) for n in range(2, 32)] + [(SPACE * n, {"normalized": False}) for n in range(17, 32)] + [("<start_of_turn>", {"special": True, "normalized": False}), ("<table>", {"normalized": False})]
REPLACED = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}


CHARACTERS = {
    "mixtral": llama,
    "mixtral, Metaspace": lambda: llama({"type": "Sequence", "normalizers": []}, metaspace("first", False), [("[INST]", {"special": True, "normalized": False})]),
    "phi3": lambda: llama(added=PHI3),
    "gemma2, gemma3_text": lambda: llama(REPLACED, {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}, GEMMA),
    "words by Metaspace": lambda: llama({"type": "Sequence", "normalizers": [NFC]}, metaspace("always", True), PHI3),
    "no byte fallback": lambda: llama(fallback=False, added=PHI3),
    "ignored merges": lambda: llama({"type": "Strip", "strip_left": True, "strip_right": False}, metaspace("never", True), ignore_merges=True),
}


def sentencepiece_model(path, **options):
    """The file of a SentencePiece model."""
    import sentencepiece

    settings = dict(model_type="bpe", vocab_size=1200, character_coverage=0.999, num_threads=1, minloglevel=2, max_sentence_length=100000)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus(0x460)), model_prefix=str(path.with_suffix("")), **(settings | options))
    path.with_suffix(".vocab").unlink()
    return sentencepiece.SentencePieceProcessor(str(path))


def charsmap(model):
    """The map of characters of a SentencePiece model in base64, its pieces, and the unknown one."""
    import base64

    def fields(message):
        position = 0

        def varint():
            nonlocal position
            value = shift = 0
            while True:
                byte = message[position]
                position += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value

        while position < len(message):
            key = varint()
            if key & 7 == 0:
                yield key >> 3, varint()
            else:
                count = varint() if key & 7 == 2 else 4 if key & 7 == 5 else 8
                yield key >> 3, message[position:position + count]
                position += count

    table = b"".join(value for number, message in fields(model.serialized_model_proto()) if number == 3 for field, value in fields(message) if field == 2)
    return base64.b64encode(table).decode(), [(model.id_to_piece(id), model.get_score(id)) for id in range(len(model))], model.unk_id()


def unigram(model, normalizers, steps, added=(), fallback=False):
    """Unigram as `transformers` makes it of a SentencePiece model."""
    from tokenizers import AddedToken, Tokenizer

    table, pieces, unknown = charsmap(model)
    document = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "post_processor": None,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Precompiled", "precompiled_charsmap": table} if step == "map" else step for step in normalizers]},
        "pre_tokenizer": steps, "decoder": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True},
        "model": {"type": "Unigram", "unk_id": unknown, "vocab": pieces, "byte_fallback": fallback},
    }
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in ("<unk>", "<s>", "</s>")])
    tokenizer.add_tokens([AddedToken(text, **flags) for text, flags in added])
    return tokenizer


SPACES = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": SPACE}
UNIGRAMS = {
    "Unigram as T5": ({}, ["map", {"type": "Strip", "strip_left": False, "strip_right": True}, SPACES], metaspace("always", True), PHI3),
    "Unigram as XLM-R": ({"normalization_rule_name": "nfkc"}, ["map"], {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace("always", True)]}, ()),
    "Unigram with bytes": ({"byte_fallback": True}, [NFC], metaspace("first", False), GEMMA),
}
MODELS = {
    "BPE with bytes": dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, split_digits=True),
    "BPE as Gemma": dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False, user_defined_symbols=["\n\n", "\n\n\n", SPACE * 2, SPACE * 4, "<table>", "abab"]),
    "BPE, nmt_nfkc": dict(),
    "BPE, suffixes": dict(treat_whitespace_as_suffix=True, normalization_rule_name="nfkc_cf"),
    "Unigram, nmt_nfkc": dict(model_type="unigram"),
    "Unigram with bytes": dict(model_type="unigram", byte_fallback=True, normalization_rule_name="nfkc", remove_extra_whitespaces=False, user_defined_symbols=["<table>", "\n\n", "the"]),
    "Unigram, suffixes": dict(model_type="unigram", treat_whitespace_as_suffix=True, add_dummy_prefix=False),
}
