"""llama.cpp run on windows of a text, in its own process: the perplexity that llama-perplexity counts, and the sums that llama-imatrix collects.

Both count as tools/perplexity/perplexity.cpp and tools/imatrix/imatrix.cpp do.
"""
import ctypes

import numpy as np

F32 = 0  # ggml_type


class Tensor(ctypes.Structure):
    """ggml_tensor, up to its name."""

    _fields_ = [
        ("type", ctypes.c_int), ("buffer", ctypes.c_void_p), ("ne", ctypes.c_int64 * 4), ("nb", ctypes.c_size_t * 4), ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16), ("flags", ctypes.c_int32), ("src", ctypes.c_void_p * 10), ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t), ("data", ctypes.c_void_p), ("name", ctypes.c_char * 64),
    ]

    def source(self, place):
        return Tensor.from_address(self.src[place])

    def row(self, *places, of=ctypes.c_float):
        """The first extent at places of the others."""
        address = self.data + sum(place * stride for place, stride in zip(places, self.nb[1:]))
        return np.ctypeslib.as_array((of * self.ne[0]).from_address(address))


Callback = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.POINTER(Tensor), ctypes.c_bool, ctypes.c_void_p)


class Collector:
    """Sums of squares of what weights are multiplied with, and how many rows there were, by names; of experts each has its own."""

    def __init__(self, library):
        self.op_name = library.function("ggml_op_name", ctypes.c_char_p, ctypes.c_int)
        self.sums, self.counts = {}, {}
        # Kept for as long as llama.cpp may call it.
        self.callback = Callback(self.see)

    def see(self, pointer, asks, _):
        tensor = pointer.contents
        operation = self.op_name(tensor.op)
        if operation not in (b"MUL_MAT", b"MUL_MAT_ID"):
            return False
        weight, x = tensor.source(0), tensor.source(1)
        name = weight.name.decode()
        if not name.startswith("blk.") or x.type != F32:
            return False
        if not asks:
            self.add(name, weight, x, tensor.source(2) if operation == b"MUL_MAT_ID" else None)
        return True

    def add(self, name, weight, x, experts):
        count = weight.ne[2] if experts else 1
        sums = self.sums.setdefault(name, np.zeros((count, x.ne[0])))
        counts = self.counts.setdefault(name, np.zeros(count))
        for token in range(x.ne[2]):
            for place in range(experts.ne[0] if experts else x.ne[1]):
                values = x.row(place % x.ne[1], token).astype("f8")
                expert = experts.row(token, of=ctypes.c_int32)[place] if experts else 0
                sums[expert] += values * values
                counts[expert] += 1


def windows(library, session, request):
    """Rows of tokens, each of which begins with what the tokenizer puts before texts."""
    length = request["window"]
    tokens = session.tokens_of(request["text"], True)
    rows = [tokens[start:start + length] for start in range(0, len(tokens) // length * length, length)]
    if library.function("llama_vocab_get_add_bos", ctypes.c_bool, ctypes.c_void_p)(session.vocabulary):
        beginning = library.function("llama_vocab_bos", ctypes.c_int32, ctypes.c_void_p)(session.vocabulary)
        rows = [[beginning, *row[1:]] for row in rows]
    return rows


def run(library, request, open_session):
    """Answers {"perplexity"}, and saves sums and counts of weights where `squares` says, as a numpy archive."""
    collector = Collector(library)
    session = open_session(collector.callback)
    memory = library.function("llama_get_memory", ctypes.c_void_p, ctypes.c_void_p)(session.context)
    clear = library.function("llama_memory_clear", None, ctypes.c_void_p, ctypes.c_bool)
    losses = []
    for row in windows(library, session, request):
        clear(memory, True)
        session.position = 0
        logits = session.run(row).astype("f8")
        logits -= logits.max(axis=-1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        losses += [-log_p[place, row[place + 1]] for place in range(len(row) // 2, len(row) - 1)]
    session.close()
    if "squares" in request:
        np.savez(
            request["squares"], **{f"{name}.in_sum2": sums for name, sums in collector.sums.items()},
            **{f"{name}.counts": counts for name, counts in collector.counts.items()})
    return {"perplexity": float(np.exp(np.mean(losses))), "count": len(losses)}
