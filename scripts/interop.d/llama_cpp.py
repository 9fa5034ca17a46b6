"""llama.cpp in a process of its own: what it computes with GGUF files, and what it makes of weights.

llama.cpp is the one in xllamacpp's extension module. Its C functions are called without xllamacpp's classes, whose server may wait for
ever when it is given up early. What crashes or hangs in the process is a failed check.

As a program it reads a JSON request per line and answers each with a line:
  {"path", "tokens", "generate", "logits"}  runs a file on tokens, then generates so many, always the likeliest; the logits of all
                                            tokens given go to a numpy file. Answers {"tokens"}.
  {"path", "plain", "importance"}           quantizes each matrix of the file `plain`, in F32, to the type that it has in the file `path`.
                                            Answers {"blocks": {type: [count, how many differ]}}, a row of F16 or BF16 being one.
  {"path", "text", "window", "squares"}     measures the perplexity of a text, and saves sums of squares (`llama_windows.py`).
  {"path", "texts"}                         cuts texts into tokens, without and with what is set before and after them.
                                            Answers {"bare", "special"}, each a list of lists.
Attention is computed without flash attention and with its cache in F32.
"""
import ctypes
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

import llama_windows

THREADS = 1  # As fast with models of this size, and no waiting for each other on a busy machine.
TIMEOUT = 120

# Of a context's parameters: where one has another default, or lies elsewhere, llama.h isn't the one that this was written for.
DEFAULTS = {
    "n_ctx": 512, "n_batch": 2048, "n_ubatch": 512, "n_seq_max": 1, "n_outputs_max_per_seq": 1, "n_threads": 4, "n_threads_batch": 4,
    "pooling_type": -1, "flash_attn_type": -1, "yarn_ext_factor": -1, "yarn_beta_slow": -1, "defrag_thold": -1, "type_k": 1, "type_v": 1,
}
F32 = 0  # ggml_type


def ask(requests):
    """Answers to all requests.

    Raises the failure of the first that has none.
    """
    from harness import Failure

    command = [sys.executable, __file__]
    lines = "".join(json.dumps(request, default=str) + "\n" for request in requests)
    try:
        done = subprocess.run(command, input=lines, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
        ended, output, errors = f"exit code {done.returncode}", done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        ended, output, errors = f"no answer in {TIMEOUT} s", (late.stdout or b"").decode(errors="replace"), ""
    answers = [json.loads(line) for line in output.splitlines()]
    for request, answer in zip(requests, answers):
        if "error" in answer:
            raise Failure(f"llama.cpp, {pathlib.Path(request['path']).name}: {answer['error']}")
    if len(answers) < len(requests):
        last = (errors.strip().splitlines() or [""])[-1]
        raise Failure(f"llama.cpp, {pathlib.Path(requests[len(answers)]['path']).name}: {ended}: {last}")
    return answers


# MARK: The process

class ModelParameters(ctypes.Structure):
    """llama_model_params, of which nothing is changed, with more room than it needs: who takes it by value reads its beginning."""

    _fields_ = [("all", ctypes.c_ubyte * 512)]


class ContextParameters(ctypes.Structure):
    """The first members of llama_context_params, and more room than the others need."""

    _fields_ = [
        *((name, ctypes.c_uint32) for name in "n_ctx n_batch n_ubatch n_seq_max n_rs_seq n_outputs_max n_outputs_max_per_seq".split()),
        *((name, ctypes.c_int32) for name in "n_threads n_threads_batch ctx_type rope_scaling_type pooling_type attention_type flash_attn_type".split()),
        *((name, ctypes.c_float) for name in "rope_freq_base rope_freq_scale yarn_ext_factor yarn_attn_factor yarn_beta_fast yarn_beta_slow".split()),
        ("yarn_orig_ctx", ctypes.c_uint32), ("defrag_thold", ctypes.c_float), ("cb_eval", ctypes.c_void_p), ("cb_eval_user_data", ctypes.c_void_p),
        ("type_k", ctypes.c_int32), ("type_v", ctypes.c_int32), ("others", ctypes.c_ubyte * 400),
    ]


class Batch(ctypes.Structure):
    """llama_batch."""

    _fields_ = [
        ("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)), ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)), ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))), ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


Logger = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class Library:
    """The C functions of llama.cpp and ggml that are needed."""

    def __init__(self):
        path = pathlib.Path(importlib.util.find_spec("xllamacpp").origin).with_name("xllamacpp.abi3.so")
        self.library = ctypes.CDLL(str(path))
        handle, i32, i64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
        self.context_parameters = self.function("llama_context_default_params", ContextParameters)()
        self.model_parameters = self.function("llama_model_default_params", ModelParameters)()
        self.load = self.function("llama_model_load_from_file", handle, ctypes.c_char_p, ModelParameters)
        self.start = self.function("llama_init_from_model", handle, handle, ContextParameters)
        self.batch = self.function("llama_batch_init", Batch, i32, i32, i32)
        self.decode = self.function("llama_decode", i32, handle, Batch)
        self.logits = self.function("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), handle, i32)
        self.vocabulary = self.function("llama_model_get_vocab", handle, handle)
        self.token_count = self.function("llama_vocab_n_tokens", i32, handle)
        self.tokenize = self.function(
            "llama_tokenize", i32, handle, ctypes.c_char_p, i32, ctypes.POINTER(i32), i32, ctypes.c_bool, ctypes.c_bool)
        self.free_batch = self.function("llama_batch_free", None, Batch)
        self.free_context = self.function("llama_free", None, handle)
        self.free_model = self.function("llama_model_free", None, handle)
        self.quantize = self.function("ggml_quantize_chunk", ctypes.c_size_t, ctypes.c_int, handle, handle, i64, i64, i64, handle)
        self.messages = []
        # Kept for as long as llama.cpp may call it. 3 and 4 are warnings and errors.
        self.logger = Logger(lambda level, text, _: self.messages.append(text.decode(errors="replace").strip()) if level in (3, 4) else None)
        self.function("llama_log_set", None, Logger, handle)(self.logger, None)
        self.function("llama_backend_init", None)()

        parameters = self.context_parameters
        for name, expected in DEFAULTS.items():
            if getattr(parameters, name) != expected:
                raise RuntimeError(f"llama_context_params.{name} is {getattr(parameters, name)} by default, expected {expected}")
        parameters.n_outputs_max_per_seq = 0
        parameters.n_threads = parameters.n_threads_batch = THREADS
        parameters.flash_attn_type = 0
        parameters.type_k = parameters.type_v = F32

    def function(self, name, result, *arguments):
        function = getattr(self.library, name)
        function.restype, function.argtypes = result, arguments
        return function

    def required(self, value, what):
        if not value:
            raise RuntimeError(f"{what}: {' | '.join(self.messages[-3:])}")
        return value


class Session:
    """A model, and a context that it is run in."""

    def __init__(self, library, path, callback=None):
        self.library = library
        parameters = ContextParameters.from_buffer_copy(library.context_parameters)
        if callback:
            parameters.cb_eval = ctypes.cast(callback, ctypes.c_void_p)
        self.model = library.required(library.load(str(path).encode(), library.model_parameters), "not loaded")
        self.context = library.required(library.start(self.model, parameters), "no context")
        self.vocabulary = library.vocabulary(self.model)
        self.token_count = library.token_count(self.vocabulary)
        self.position = 0

    def run(self, tokens):
        """Logits of all tokens, which follow those that were run before: [tokens, vocabulary]."""
        batch = self.library.batch(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place], batch.logits[place] = token, self.position + place, 1
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
        code = self.library.decode(self.context, batch)
        self.library.required(code == 0, f"llama_decode returned {code}")
        self.position += len(tokens)
        rows = [np.ctypeslib.as_array(self.library.logits(self.context, place), (self.token_count,)).copy() for place in range(len(tokens))]
        self.library.free_batch(batch)
        return np.array(rows)

    def tokens_of(self, text, is_special):
        """Ids of a text, in which added tokens are found."""
        data = text.encode()
        room = (ctypes.c_int32 * (len(data) + 2))()
        count = self.library.tokenize(self.vocabulary, data, len(data), room, len(room), is_special, True)
        self.library.required(count >= 0, f"{text!r}: llama_tokenize returned {count}")
        return room[:count]

    def close(self):
        self.library.free_context(self.context)
        self.library.free_model(self.model)


def run(library, request):
    session = Session(library, request["path"])
    tokens = list(request["tokens"])
    logits = session.run(tokens)
    if "logits" in request:
        np.save(request["logits"], logits)
    for _ in range(request.get("generate", 0)):
        tokens.append(int(logits[-1].argmax()))
        logits = session.run(tokens[-1:])
    session.close()
    return {"tokens": tokens}


def measure(library, request):
    return llama_windows.run(library, request, lambda callback: Session(library, request["path"], callback))


def tokenize(library, request):
    session = Session(library, request["path"])
    answer = {key: [session.tokens_of(text, key == "special") for text in request["texts"]] for key in ("bare", "special")}
    session.close()
    return answer


def blocks(library, request):
    import gguf

    importance = np.load(request["importance"]) if request.get("importance") else {}
    plain = {tensor.name: tensor for tensor in gguf.GGUFReader(request["plain"]).tensors}
    counts = {}
    for tensor in gguf.GGUFReader(request["path"]).tensors:
        if len(tensor.shape) < 2:
            continue
        source = np.ascontiguousarray(plain[tensor.name].data, np.float32)
        importances = importance[tensor.name] if tensor.name in importance else None
        columns = source.shape[-1]
        made = np.empty(tensor.n_bytes, np.uint8)
        size = library.quantize(
            tensor.tensor_type, source.ctypes.data, made.ctypes.data, 0, source.size // columns, columns,
            None if importances is None else importances.ctypes.data)
        library.required(size == tensor.n_bytes, f"{tensor.name}: {size} bytes, expected {tensor.n_bytes}")
        weights, length = gguf.GGML_QUANT_SIZES[tensor.tensor_type]
        if weights == 1:
            length *= columns
        different = (made.reshape(-1, length) != tensor.data.view(np.uint8).reshape(-1, length)).any(axis=1)
        count = counts.setdefault(tensor.tensor_type.name, [0, 0])
        count[0] += len(different)
        count[1] += int(different.sum())
    return {"blocks": counts}


def main():
    library = Library()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            library.messages.clear()
            kinds = {"plain": blocks, "texts": tokenize, "text": measure, "tokens": run}
            answer = next(kind for key, kind in kinds.items() if key in request)(library, request)
        except RuntimeError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    # Without destructors, which have nothing to do with what was computed.
    os._exit(0)


if __name__ == "__main__":
    main()
