"""Adapting large video models with few trained parameters and little data.

    import vidpetl

    model = vidpetl.load('runs/mine')      # a run, a package, or 'demo'
    answer = model('film.mp4')             # what `vidpetl predict` says
    answer.top(3)                          # [('ride', 0.91), …]
    answer.to_json()                       # all of it

    model.features('film.mp4').summary     # of the backbone, by window
    model.add('runs/other/adapter', 'other')   # on the same backbone
    model('film.mp4', adapter='other')

Training is a command, `vidpetl train`; see `vidpetl --help`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = '0.1.0'

if TYPE_CHECKING:
  from vidpetl.inference.answer import Answer
  from vidpetl.inference.model import Features, Model, load

# What is imported at its first use, so that `import vidpetl` costs nothing.
_LAZY = {
  'load': 'vidpetl.inference.model',
  'Model': 'vidpetl.inference.model',
  'Features': 'vidpetl.inference.model',
  'Answer': 'vidpetl.inference.answer',
}

__all__ = ['Answer', 'Features', 'Model', '__version__', 'load']


def __getattr__(name: str) -> Any:
  if name not in _LAZY:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  import importlib

  return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
  return sorted(__all__)
