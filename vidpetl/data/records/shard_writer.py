"""How the shards of a split are written; `shards` reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds
from etils import epath

from vidpetl import durable


class Writer(tfds.core.ExampleWriter):
  """Writes examples byte for byte alike in every process, and to the disk."""

  def write(self, path: epath.PathLike, examples: Iterable[Any]) -> Any:
    """Writes pairs of a key and a serialised example."""
    told = super().write(path, ((key, ordered(data)) for key, data in examples))
    durable.sync(path)
    return told


def ordered(data: bytes) -> bytes:
  """Returns a serialised example with its features in the order of names.

  Protocol buffers write a map in an order that differs by process.
  """
  example = tf.train.Example.FromString(data)
  return example.SerializeToString(deterministic=True)
