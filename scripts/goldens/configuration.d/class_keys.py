"""fixtures/configuration/class-keys.json: every key that a family's class reads, its default, and what other values do.

    {"transformers": VERSION,
     "everywhere": {KEY: ENTRY},
     "families": {FAMILY: {
       "base": the tiny model's config.json,
       "keys": {KEY: ENTRY},
       "rope": {TYPE: {"rope_parameters": SETTINGS, "config": MORE, "effect": EFFECT, "keys": {SUBKEY: {"omitted": ..., "tried": [...]}}}}}}}

ENTRY is {"kind": KIND, "default": DEFAULT, "omitted": EFFECT, "tried": [{"value": VALUE, "effect": EFFECT, ...}]}. A family has those keys of
`everywhere` that it lists no entry of its own for; `rope` is the name of another family where that has the same.

KIND is `field` of the class, `common` to all classes, `alias` of the field in `of`, `legacy` or `read` where the code takes or asks for it,
`generation` where it is dropped as a setting of generation, or `foreign`: of other families and tools. A key with a default has one in the
class. EFFECT is `none`: the same logits, bit for bit; `logits`: others from the same weights, with `rounding` where they differ by less than
1e-5 of the largest; `shapes`: other weights; `refused`: an error, its first line in `message`; `default`, of an omitted size: what the class
has. `with` and `without` are keys beside the tried one. Effects in `rope` are those beside the settings there; `effect` is theirs.
"""

import dataclasses
import json
import pathlib
import tempfile

import torch
import transformers
from transformers import CONFIG_MAPPING, GenerationConfig

import tried
from families import BASES
from measure import Measure, read_attributes
from tried import Case

FIXTURE = pathlib.Path(__file__).resolve().parents[3] / "fixtures/configuration/class-keys.json"
# Without these the model would be as large as the class's own.
SIZES = set("""vocab_size hidden_size n_embd n_positions max_position_embeddings n_layer num_layers num_hidden_layers n_head num_heads
num_attention_heads num_key_value_heads intermediate_size head_dim ffn_dim word_embed_proj_dim""".split())
# Methods and what is set by the code itself; not keys.
INTERNAL = {"attribute_map", "torch_dtype"}


def main(check):
  torch.manual_seed(0)
  torch.set_num_threads(1)
  transformers.utils.logging.disable_progress_bar()
  families = {}
  for family, base in BASES.items():
    with tempfile.TemporaryDirectory() as folder:
      families[family] = of_family(family, base, Measure(base, folder))
    print(family, len(families[family]["keys"]), "keys", flush=True)
  text = pretty({"transformers": transformers.__version__, "everywhere": everywhere(families), "families": families}) + "\n"
  if check:
    same = FIXTURE.exists() and FIXTURE.read_text() == text
    print(FIXTURE, "is what transformers does" if same else "differs from what transformers does")
    return 0 if same else 1
  FIXTURE.parent.mkdir(parents=True, exist_ok=True)
  FIXTURE.write_text(text)
  print(len(text), "bytes in", FIXTURE)
  return 0


def of_family(family, base, measure):
  configuration = CONFIG_MAPPING[family]
  keys = {key: of_key(key, kind, values, base, measure, configuration) for key, (kind, values) in plan(configuration, base).items()}
  asked = {name for name in read_attributes(measure) if is_key(name, configuration)}
  assert not asked - set(keys), f"{family}: transformers also asks for {sorted(asked - set(keys))}"
  result = {"base": base, "keys": keys}
  if "rope_parameters" in base:
    result["rope"] = {kind: of_rope(*parts, base, measure) for kind, parts in tried.ROPE.items()}
  return result


def everywhere(families):
  """Moves the entries that most families have alike out of theirs, but for those of fields."""
  found = {}
  for key in set.intersection(*(set(family["keys"]) for family in families.values())):
    entries = [family["keys"][key] for family in families.values()]
    common = max(entries, key=entries.count)
    if entries.count(common) > len(families) / 2 and common["kind"] not in ("field", "alias"):
      found[key] = common
      for family in families.values():
        if family["keys"][key] == common:
          del family["keys"][key]
  names = [name for name in families if "rope" in families[name]]
  for place, name in enumerate(names):
    for earlier in names[:place]:
      if families[name]["rope"] == families[earlier]["rope"]:
        families[name]["rope"] = earlier
        break
  return found


def is_key(name, configuration):
  """Whether an attribute that was asked for could have come from config.json."""
  return not name.startswith("_") and name not in INTERNAL and not callable(getattr(configuration, name, None))


def plan(configuration, base):
  """Kind and values of every key, in an order that doesn't matter."""
  fields = {field.name for field in dataclasses.fields(configuration)}
  common = {field.name for field in dataclasses.fields(transformers.PreTrainedConfig)}
  keys = {}
  for key, values in tried.FOREIGN.items():
    keys[key] = ("foreign", values)
  for key in GenerationConfig._get_default_generation_params():
    keys[key] = ("generation", [7])
  for key, values in tried.LEGACY.items():
    keys[key] = ("legacy" if is_taken(key, configuration) else "read", values)
  for key, field in configuration.attribute_map.items():
    keys[key] = (f"alias {field}", tried.FIELDS[field])
  for key in fields:
    keys[key] = ("common", tried.OF_ALL[key]) if key in common else ("field", tried.FIELDS[key])
  for key in ("rope_parameters", "rope_scaling"):
    keys[key] = (keys[key][0], dictionaries(key, base))
  return keys


def is_taken(key, configuration):
  """Whether the configuration's code takes the key out of the others, by its own name."""
  return key in ("torch_dtype", "num_labels", "name_or_path", "_commit_hash", "output_attentions", "attn_implementation", "experts_implementation",
                 "per_layer_config", "rope_scaling", "rope_theta", "partial_rotary_factor", "rotary_pct", "rotary_emb_base")


def dictionaries(key, base):
  """Rotary settings: in place of the base's, and for the old key beside them or beside the old base frequency."""
  for value in tried.DICTIONARIES:
    yield value
    if key == "rope_scaling" and isinstance(value, dict) and "rope_theta" not in value:
      yield Case(value, also={"rope_theta": 1000.0}, without=("rope_parameters",))
  if key == "rope_scaling":
    yield Case({"type": "linear", "factor": 4.0}, also={"rope_theta": 1000.0, "partial_rotary_factor": 0.5}, without=("rope_parameters",))
    yield Case({"type": "linear", "factor": 4.0}, also={"rotary_pct": 0.5, "rotary_emb_base": 1000}, without=("rope_parameters",))
    yield Case({"type": "yarn", "factor": 4.0}, also={"rope_theta": 1000.0, "original_max_position_embeddings": 16}, without=("rope_parameters",))


def of_key(key, kind, values, base, measure, configuration):
  kind, _, field = kind.partition(" ")
  result = {"kind": kind} | ({"of": field} if field else {})
  default = defaults(configuration)
  if key in default:
    result["default"] = default[key]
  if key in base:
    result["omitted"] = omitted(key, base, measure, default)
  cases = [value if isinstance(value, Case) else Case(value) for value in [*values, None]]
  result["tried"] = []
  for case in cases:
    settings = {name: value for name, value in base.items() if name not in case.without} | case.also | {key: case.value}
    if case.value == base.get(key, Case) and type(case.value) is type(base.get(key)) and not case.also and not case.without:
      continue
    entry = entered(case, measure.effect(settings), base)
    if entry not in result["tried"]:
      result["tried"].append(entry)
  return result


def entered(case, effect, base):
  without = [name for name in case.without if name in base]
  return {"value": case.value} | ({"with": case.also} if case.also else {}) | ({"without": without} if without else {}) | effect


def defaults(configuration):
  """The class's own, and those of the base frequency and the rotated part, which are no fields."""
  found = {field.name: field.default for field in dataclasses.fields(configuration) if field.default is not dataclasses.MISSING}
  found |= {alias: found[field] for alias, field in configuration.attribute_map.items() if field in found}
  if "rope_parameters" in found:
    found["rope_theta" if configuration.model_type != "gpt_neox" else "rotary_emb_base"] = configuration.default_theta
    if configuration.model_type == "gpt_neox":
      found["rotary_pct"] = 0.25
  return found


def omitted(key, base, measure, default):
  settings = {name: value for name, value in base.items() if name != key}
  if key in SIZES and default.get(key) is not None:
    # All sizes at once: the class's heads wouldn't divide the tiny model's width. Lists go with the layers.
    settings = {name: value for name, value in settings.items() if name not in SIZES | {"attention_types", "no_rope_layers"}}
    assert getattr(measure.config(settings), key) == default[key]
    return "default"
  return measure.effect(settings)["effect"]


def of_rope(parameters, more, keys, base, measure):
  base = {name: value for name, value in base.items() if name != "rope_parameters"} | more
  if base["model_type"] == "gpt_neox":
    parameters = parameters | {"partial_rotary_factor": 1.0}
  settings = base | {"rope_parameters": parameters}
  beside = Against(measure, settings)
  result = {"rope_parameters": parameters, "config": more} | measure.effect(settings) | {"keys": {}}
  for key, values in (tried.EVERY | keys).items():
    entry = {"tried": []}
    if key in parameters:
      entry["omitted"] = beside.effect(base | {"rope_parameters": {k: v for k, v in parameters.items() if k != key}})["effect"]
    for value in [*values, None]:
      case = value if isinstance(value, Case) else Case(value)
      if key in parameters and case.value == parameters[key] and type(case.value) is type(parameters[key]):
        continue
      found = beside.effect(base | {"rope_parameters": parameters | case.also | {key: case.value}})
      entry["tried"].append(entered(case, found, base))
    result["keys"][key] = entry
  return result


class Against:
  """Measures against other settings than the base's."""

  def __init__(self, measure, settings):
    self.measure = measure
    try:
      self.logits = measure.loaded_logits(settings)
    except Exception:
      self.logits = None

  def effect(self, settings):
    kept = self.measure.logits
    if self.logits is not None:
      self.measure.logits = self.logits
    try:
      return self.measure.effect(settings)
    finally:
      self.measure.logits = kept


def pretty(value, indent=0):
  """JSON with sorted keys, indented by one, and what fits in a line in one line."""
  line = json.dumps(value, sort_keys=True, ensure_ascii=False)
  if indent + len(line) <= 160 or not isinstance(value, (dict, list)) or not value:
    return line
  pad = " " * (indent + 1)
  if isinstance(value, dict):
    inner = [f"{pad}{json.dumps(key, ensure_ascii=False)}: {pretty(value[key], indent + 1)}" for key in sorted(value)]
    return "{\n" + ",\n".join(inner) + "\n" + " " * indent + "}"
  return "[\n" + ",\n".join(pad + pretty(item, indent + 1) for item in value) + "\n" + " " * indent + "]"
