"""What a family of published weights is, as its module in `families` says."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from vidpetl.weights import families, hugging_face, rules
from vidpetl.weights import settings as settings_lib
from vidpetl.weights.errors import WeightsError

# Mean and standard deviation of ImageNet's pixels in [0, 1], per channel.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

Arrays = Mapping[str, np.ndarray]
Rules = tuple[rules.Rule, ...]
Shapes = Mapping[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Layout:
  """The backbone that a file is for.

  Attributes:
    backbone: `config.backbone`.
    video: (frames, height, width) of the clips that its position tables are
      for, or of any that it takes; () if shapes do not tell.
    fresh: how names of the backbone begin that the file has nothing for, or
      something that fits only later, in `fit`.
    petl: entries of `config.petl` whose parameters the file has as well.
  """

  backbone: Mapping[str, Any]
  video: tuple[int, int, int]
  fresh: tuple[str, ...] = ()
  petl: tuple[Mapping[str, Any], ...] = ()


@dataclasses.dataclass(frozen=True)
class Family:
  """Weights under the same names.

  Attributes:
    source: where the files are published.
    rules: by the module of our backbone that they are for, of which the first
      is meant where none is named: one set of rules, or several of which the
      one that fits the file best is taken.
    layout: from our names and shapes and the backbone's module to the backbone.
    head: rules of the classifier, with our names below the head.
    alone: whether its files are of a classifier alone, which are its `rules`.
    probe: from the arrays that the rules give and settings, to arrays and the
      `config.tasks.<task>.probe` that its classifier reads tokens with; {}
      where it reads a summary.
    rename: (regex, replacement) of names in other versions of the files. What
      is before the names, dicts and modules around the net, `finder` finds.
    meant: names of dicts of which the first that a file has holds the net that
      is meant, where it has several and nobody says which.
    left_out: regex of names -> why they are not taken. A net in a module of
      such a name is left out too.
    before_head: regex of names between the backbone and the classifier, which
      has no place here where a file has them.
    axes: sizes of axes in patterns, from their names and shapes.
    heads: width of a token -> number of heads, of its published ViTs, where no
      array shows it. It is offered, and never taken.
    width: that width, from their names and shapes, where blocks are of several.
    coded: settings that the family's own code computes, from their names and
      shapes; {} where these do not show that a file is of that code.
    check: of their names and shapes; raises WeightsError for files of other
      nets that have the same names.
    normalisation: mean and standard deviation of pixels in [0, 1], per channel
      or for all.
    inflate: how images' filters become those of clips: 'central' or 'average'.
    fields: further fields of the backbone, from the names in the file, where
      its shapes do not show them.
    unshown: fields of the backbone that no array shows.
    finish: from the arrays that the rules give, by our names below the
      backbone, to those of the backbone.
    restore: the other way round, of a model that is written; arrays may be of
      another family's model, and what is not known of one stays.
    valued: further fields of the backbone, which the values of arrays show,
      from what the rules give of those in the file.
    read_only: why no file is written under these names; '' if one can be.
    positions: how its code resizes tables of positions, one of
      `positions.RULES`.
    whole: prefix of the backbone's names in the class that has a classifier,
      and regex of those that do not have it there.
    config: what lies beside its files: a model of transformers, whose folder
      an export is as well, or 'timm', 'open_clip' or 'videomae'.
    buffers: what the receiver's class keeps beside weights, from the exported
      arrays and the backbone's fields.
    takes: how its code takes an export, where that is not load_state_dict.
    partial: whether the class there has more than an export holds.
    note: what else no file shows and its user has to know.
  """

  source: str
  rules: Mapping[str, tuple[Rules, ...]]
  layout: Callable[[Shapes, str], Layout]
  head: Rules = ()
  alone: bool = False
  probe: Callable[
    [Mapping[str, Any], Mapping[str, Any]],
    tuple[dict[str, Any], dict[str, Any]],
  ] = lambda arrays, told: (dict(arrays), {})
  rename: tuple[tuple[str, str], ...] = ()
  meant: tuple[str, ...] = ()
  left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)
  before_head: str = ''
  axes: Callable[[Shapes], Mapping[str, int]] = lambda shapes: {}
  heads: Mapping[int, int] = dataclasses.field(default_factory=dict)
  width: Callable[[Shapes], int] | None = None
  coded: Callable[[Shapes], dict[str, Any]] = lambda shapes: {}
  check: Callable[[Shapes], None] = lambda shapes: None
  normalisation: tuple[Any, Any] = IMAGENET
  inflate: str = ''
  fields: Callable[[Collection[str]], dict[str, Any]] = lambda names: {}
  unshown: tuple[settings_lib.Unshown, ...] = ()
  finish: Callable[[dict[str, Any]], dict[str, Any]] = lambda arrays: arrays
  restore: Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]] = (
    lambda arrays, backbone: arrays
  )
  valued: Callable[[Arrays], dict[str, Any]] = lambda arrays: {}
  read_only: str = ''
  positions: str = 'linear'
  whole: tuple[str, str] = ('', '')
  config: hugging_face.Kind | str = ''
  buffers: Callable[[Arrays, Mapping[str, Any]], dict[str, np.ndarray]] = (
    lambda arrays, backbone: {}
  )
  takes: str = ''
  partial: bool = False
  note: str = ''

  @property
  def folder(self) -> hugging_face.Kind | None:
    """Returns whose folder an export is, None where it is a file of arrays."""
    kind = self.config
    written = isinstance(kind, hugging_face.Kind) and not self.read_only
    return kind if written and not kind.settings else None


def names() -> list[str]:
  """Returns the families that there are."""
  return sorted(m.name for m in pkgutil.iter_modules(families.__path__))


def load(name: str) -> Family:
  """Returns a family by its name.

  Raises:
    WeightsError: if there is none, with those that there are.
  """
  if name not in names():
    raise WeightsError(
      f'no family {name!r} of weights. There are: {", ".join(names())}'
    )
  return importlib.import_module(f'{families.__name__}.{name}').FAMILY
