"""One command from Mesh-Transformer's shards to a file that llama.cpp continues a text with."""
import numpy as np

from harness import FIXTURES, MESH, document, expect, run, workdir
from llama_cpp import ask
from llama_likelihoods import TOLERANCE, ours, theirs
from llama_models import SMALL_TOKENIZER

PROMPTS, PROMPT, GENERATED = 4, 8, 16
# With blocks llama.cpp rounds what it multiplies with them, and may go on with another token that is nearly as likely.
NEAR_TIE = 0.1


def check(report):
    for case in MESH:
        report.row(f"{case.name}, from the archive", lambda: agrees(case / "step.tar.zstd", case, "--config", case / "config.json"))
    report.row("gptj, by way of Mesh-Transformer's shards", resharded)


def agrees(source, case, *options):
    """Likelihoods in F32, and what follows a few prompts at random."""
    vocabulary = np.load(case / "logits.npy", mmap_mode="r").shape[-1]
    prompts = np.random.default_rng(3).integers(0, vocabulary, (PROMPTS, PROMPT)).tolist()
    with workdir() as work:
        plain, blocks = work / "plain.gguf", work / "blocks.gguf"
        given = ["--assets", SMALL_TOKENIZER, "--quiet", *options]
        run("convert", source, plain, "--dtype", "f32", *given, check=0)
        run("quantize", source, blocks, "--scheme", "q8_0", *given, check=0)
        apart = max(float(np.abs(ours(plain, prompt) - theirs([plain], prompt)[0]).max()) for prompt in prompts)
        expect(apart <= TOLERANCE, f"log-probabilities differ by {apart:.1e}, expected at most {TOLERANCE:g}")
        told, distinct = [], set()
        for path, margin in ((plain, 0), (blocks, NEAR_TIE)):
            answers = ask([{"path": path, "tokens": prompt, "generate": GENERATED} for prompt in prompts])
            equal = 0
            for prompt, answer in zip(prompts, answers, strict=True):
                mine = document("forward", path, "--tokens", ",".join(map(str, prompt)), "--generate", str(GENERATED))["generated"]
                distinct |= set(mine)
                equal += same_tokens(path, prompt, mine, answer["tokens"][PROMPT:], margin)
            told.append(f"{equal} of {PROMPTS * GENERATED}")
    return (f"log-probabilities differ by {apart:.1e} in F32; the same tokens follow: {told[0]}, with Q8_0 {told[1]} until such as are as likely;"
            f" {len(distinct)} different ones")


def same_tokens(path, prompt, mine, their, margin):
    """How many of the tokens are the same, from the first on.

    Where they part, both have to be about as likely.
    """
    for place, (here, there) in enumerate(zip(mine, their, strict=True)):
        if here != there:
            likelihoods = ours(path, prompt + mine[:place])[-1]
            apart = likelihoods[here] - likelihoods[there]
            expect(apart <= margin, f"{path.stem}: after {prompt} llama.cpp goes on with {their}, we with {mine}, {apart:.3f} likelier")
            return place
    return len(mine)


def resharded():
    case = FIXTURES / "huggingface/gptj"
    with workdir() as work:
        run("convert", case, work / "mesh", "--to", "mesh-transformer", "--quiet", check=0)
        return agrees(work / "mesh", case)
