"""Which fields of peft's configs may have which values.

peft's LoraConfig has some forty fields, and more with each version, that make
another technique of LoRA under the same names of arrays. Those that are known
to leave it plain are listed here. Any other field may be empty; a value in it
is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpetl.experiment.peft import starts

# Of the file, and of nothing that a model computes.
_RECORDS = (
  'task_type',
  'peft_type',
  'auto_mapping',
  'peft_version',
  'base_model_name_or_path',
  'revision',
  'inference_mode',
  'runtime_config',
)
# Where something is learned, which the arrays' names and shapes show.
_SHOWN = (
  'r',
  'rank_pattern',
  'target_modules',
  'exclude_modules',
  'layers_to_transform',
  'layers_pattern',
  'feedforward_modules',
  'modules_to_save',
)
# Read: `reading`.
_READ = (
  'lora_alpha',
  'alpha_pattern',
  'lora_dropout',
  'use_rslora',
  'use_dora',
)
# Of no effect by themselves: of a start, or of a switch that is off.
_IDLE = (
  'eva_config',
  'init_ia3_weights',
  'megatron_core',
  'qalora_group_size',
)
_FREE = frozenset((*_RECORDS, *_SHOWN, *_READ, *_IDLE))
# Other values than empty ones that are read: starts that leave the layer's own
# weights as they are, or of which `starts` knows what they took.
_PLAIN = {
  'bias': ('none',),
  'init_lora_weights': (
    True,
    'gaussian',
    'eva',
    'orthogonal',
    'mica',
    *starts.KNOWN,
  ),
}
_MERGE = (
  'If peft can merge it (merge_and_unload), save the merged model with '
  'save_pretrained, and read that with vidpetl convert'
)
_START = (
  'peft took its start out of the weights of the layer itself. '
  'save_pretrained(…, path_initial_model_for_weight_conversion=<the adapter '
  'as it was before training>) makes plain LoRA of it'
)
_ONLY_THERE = 'It exists in peft alone: train plain LoRA for use here'
_HINTS = {
  'init_lora_weights': _START,
  'corda_config': _START,
  'lora_ga_config': _START,
  'alora_invocation_tokens': _ONLY_THERE,
  'arrow_config': _ONLY_THERE,
  'layer_replication': _ONLY_THERE,
  'trainable_token_indices': _ONLY_THERE,
  'target_parameters': 'Name the modules in target_modules instead',
}
_QUANTISED = (
  'The weights of the layer itself were quantised for it, and this file does '
  'not hold them: ' + _MERGE
)


def check(path: Any, config: Mapping[str, Any]) -> None:
  """Raises ValueError for a field that may mean more than plain LoRA.

  Args:
    path: of the config, for the error.
    config: adapter_config.json.
  """
  for field, value in config.items():
    if not is_plain(field, value):
      raise ValueError(
        f'{path}: {field}={value!r} is more than plain '
        f'{config.get("peft_type")}, and is not read. {_hint(field, value)}.'
      )


def is_plain(field: str, value: Any) -> bool:
  """Returns whether a field's value leaves LoRA and (IA)^3 as published."""
  # 0 would be a number that somebody chose.
  empty = value is None or value is False or value in ('', [], {}, ())
  return field in _FREE or empty or value in _PLAIN.get(field, ())


def _hint(field: str, value: Any) -> str:
  if value == 'loftq' or field == 'loftq_config':
    return _QUANTISED
  return _HINTS.get(field, _MERGE)
