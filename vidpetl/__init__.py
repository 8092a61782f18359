"""Adapting large video models with few trained parameters and little data.

    import vidpetl

    model = vidpetl.load('runs/mine')      # a run, a package, or 'demo:clips'
    answer = model('film.mp4')             # what `vidpetl predict` says
    answer.top(3)                          # [('ride', 0.91), …]
    answer.to_json()                       # all of it

    model.features('film.mp4').summary     # of the backbone, by window
    model.add('runs/other/adapter', 'other')   # on the same backbone
    model('film.mp4', adapter='other')

Training is a command, `vidpetl train`; see `vidpetl --help`.
"""

from etils import epy as _epy

from vidpetl.version import __version__

# Each is imported at its first use, so that `import vidpetl` costs nothing.
with _epy.lazy_api_imports(globals()):
  from vidpetl.inference.answer import Answer
  from vidpetl.inference.model import Features, Model, load

__all__ = ['Answer', 'Features', 'Model', '__version__', 'load']
