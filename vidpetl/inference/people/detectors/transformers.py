"""Detectors in a folder as transformers saves them: DETR, RT-DETR, D-FINE, ….

The folder has config.json, preprocessor_config.json and model.safetensors.
"""

from __future__ import annotations

import numpy as np
from etils import epath, epy

from vidpetl.inference.people import extras
from vidpetl.inference.people.detectors import contract
from vidpetl.inference.people.tracked import Detect

with epy.lazy_imports():
  import torch
  import transformers

# Nothing is fetched, and no Python file of the folder is run.
_OPTIONS = {'local_files_only': True, 'trust_remote_code': False}
_FILES = ('config.json', 'preprocessor_config.json')


def _open(
  spec: str, person: int | None = None, device: str | None = None
) -> Detect:
  """Opens a folder.

  Args:
    spec: the folder.
    person: number of the class; that called 'person' if left out.
    device: of torch; 'cuda' where there is one, if left out.

  Raises:
    FileNotFoundError: naming the file that the folder lacks.
    ValueError: if no class is a person, or a package is missing.
  """
  for name in _FILES:
    if not (epath.Path(spec) / name).is_file():
      raise FileNotFoundError(
        f'{spec}: has no {name}; a detector is a folder as transformers saves '
        'it, by save_pretrained of the model and of its image processor'
      )
  with extras.needed('transformers with torch', 'runs such folders', 'torch'):
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    model_class = transformers.AutoModelForObjectDetection
    processor_class = transformers.AutoImageProcessor
  try:
    model = model_class.from_pretrained(spec, use_safetensors=True, **_OPTIONS)
    processor = processor_class.from_pretrained(spec, **_OPTIONS)
  except (ValueError, KeyError, ImportError) as error:
    raise ValueError(f'{spec}: no detector of transformers: {error}') from None
  people = _people(spec, model.config.id2label, person)
  return _Folder(model.eval().to(device), processor, people)


def _people(spec, names: dict[int, str], person: int | None) -> list[int]:
  """Returns the numbers of the classes that are people."""
  if person is not None:
    if person not in names:
      raise ValueError(f'{spec}: person={person} is none of 0..{max(names)}')
    return [person]
  found = [i for i, name in names.items() if name.lower() == 'person']
  if not found:
    raise ValueError(
      f"{spec}: no class is called 'person'; give person=… as one of "
      + ', '.join(f'{i} ({name})' for i, name in names.items())
    )
  return found


class _Folder:
  """Runs a model on one frame."""

  def __init__(self, model, processor, people: list[int]):
    self._model, self._processor, self._people = model, processor, people

  def __call__(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # A small picture's channels can be on either side.
    inputs = self._processor(
      images=frame, return_tensors='pt', input_data_format='channels_last'
    ).to(self._model.device)
    with torch.inference_mode():
      outputs = self._model(**inputs)
    # Of a frame of 1x1, boxes are fractions.
    (found,) = self._processor.post_process_object_detection(
      outputs, threshold=contract.LEAST, target_sizes=[(1, 1)]
    )
    labels = found['labels'].cpu().numpy()
    chosen = np.isin(labels, self._people)
    boxes = found['boxes'].float().cpu().numpy()[chosen]
    scores = found['scores'].float().cpu().numpy()[chosen]
    return contract.cleaned(boxes, scores, suppress=False)


DETECTOR = contract.Detector(
  title='a folder as transformers saves it',
  takes=lambda spec: epath.Path(spec).is_dir(),
  open=_open,
)
