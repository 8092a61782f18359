"""Files whose arrays are known, and are not those of a model as it is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection

from vidpetl.weights.errors import WeightsError


@dataclasses.dataclass(frozen=True)
class Stranger:
  """A kind of file.

  Attributes:
    name: regex of the names of arrays that it is known by.
    words: what it is, and what to do; the end of a sentence about the file.
    alone: whether all names are like that, and not some.
  """

  name: str
  words: str
  alone: bool = False


_STRANGERS = (
  Stranger(
    r'(^|[./])lora_\w+(\.|$)',
    'holds an adapter alone, without the model: `vidpetl adapter from_peft` '
    "takes peft's folder of it",
    alone=True,
  ),
  Stranger(
    r'\.base_layer\.|\.modules_to_save\.|(^|/)base_model\.model\.',
    'holds a model that peft still wraps. Where it was trained, '
    'merge_and_unload() returns the plain model, to be saved in its place; or '
    'take the LoRA out of it: save_pretrained() writes it to a folder, which '
    '`vidpetl adapter from_peft` takes',
  ),
  Stranger(
    r'\.lmhra[12]\.|(^|[./])transformer\.(dpe|dec)\.\d+\.',
    "holds a UniFormerV2: CLIP's blocks with convolutions of neighbours before "
    'their attention (lmhra), and a decoder that gathers frames (dpe, dec). '
    "There is no such backbone here; CLIP's own towers, of which it is made, "
    'are read',
  ),
  Stranger(
    r'(^|[./])stages\.\d.*\.(dwconv|depthwise_conv|conv_dw)\.weight$',
    'holds a ConvNeXt, as DINOv3 publishes beside its ViTs. There is no such '
    'backbone here; the ViTs are called dinov3_vit* and dinov3-vit*',
  ),
  Stranger(
    r'(^|[/.])(exp_avg|exp_avg_sq|max_exp_avg_sq|square_avg|momentum_buffer|'
    r'step)$',
    "holds an optimizer's state alone; the weights are in another file, beside "
    'it perhaps',
    alone=True,
  ),
  Stranger(
    r'\.(SCB|absmax|quant_map|qweight|qzeros|g_idx|weight_scale(_inv)?|'
    r'weight_zero_point|weight_packed)$|quant_state|_packed_params',
    'holds quantised weights; take them as float32, float16 or bfloat16, as '
    'the model had them before, or as its library dequantises them',
  ),
  Stranger(
    r'(^|[/.])_?flat_param(_\d+)?$|_partition_of_fp32_groups|fp32_flat_groups',
    'holds parameters that FSDP or DeepSpeed has strung together; save the '
    "model's full state_dict there (DeepSpeed: zero_to_fp32.py)",
  ),
)


def known(names: Collection[str]) -> str:
  """Returns what arrays of these names are instead of a plain model's.

  Args:
    names: of a file's arrays.

  Returns:
    A sentence that begins with 'it'; '' if they may be a plain model's.
  """
  for each in _STRANGERS:
    like = [name for name in names if re.search(each.name, name)]
    if len(like) == len(names) if each.alone else like:
      return f'it {each.words}. An array is called {like[0]!r}'
  return ''


def refuse(names: Collection[str]) -> None:
  """Raises WeightsError if arrays of these names are no plain model's."""
  if said := known(names):
    raise WeightsError(said)
