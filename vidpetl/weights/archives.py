"""Zip archives of weights, whose members are checked as they are read."""

from __future__ import annotations

import struct
import zipfile
from typing import BinaryIO, Self

import numpy as np

from vidpetl import bounds, mistakes
from vidpetl.data import opening

# A member of fewer bytes is no matter, however well it is packed.
_SMALL = 1 << 26
_BLOCK = 1 << 20
# Bytes of a member's own header, which ends in the lengths of what follows it.
_HEADER = 30


class Archive:
  """An open archive. Use it as a context manager.

  Attributes:
    names: of its members.
  """

  def __init__(self, path: str):
    """Reads the list of an archive.

    Raises:
      OSError: if it is no file.
      zipfile.BadZipFile: if it has no list, or a damaged one.
    """
    opening.regular(path)
    self._path = path
    self._archive = zipfile.ZipFile(path)
    self.names = self._archive.namelist()
    members = self._archive.infolist()
    self._whole = np.memmap(path, np.uint8, mode='r')
    if not any(member.CRC for member in members if member.file_size):
      mistakes.note(
        f'{path}: was written without check sums (CRC), so that damage in it '
        'does not show.'
      )
      for member in members:
        member.CRC = None

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *unused) -> None:
    self._archive.close()

  def size(self, name: str) -> int:
    """Returns how many bytes a member has, unpacked.

    Raises:
      bounds.BoundError: if they are many more than the archive has.
    """
    size = self._archive.getinfo(name).file_size
    if size > _SMALL:
      times = -(-size // len(self._whole))
      what = f'{self._path}: {name} unpacks to {size:,} bytes, {times} times '
      bounds.require('unpacked', times, what + 'what the file has')
    return size

  def read(self, name: str) -> bytes:
    """Returns a member.

    Raises:
      zipfile.BadZipFile: if it is not as it was written.
    """
    self.size(name)
    return self._archive.read(name)

  def open(self, name: str) -> BinaryIO:
    """Opens a member, whose check sum is compared where it ends."""
    self.size(name)
    return self._archive.open(name)

  def mapped(self, name: str) -> np.ndarray:
    """Returns a member, uint8 [n], mapped if it is not packed.

    What is mapped is in memory while it is used, and may leave it.

    Raises:
      zipfile.BadZipFile: if it is not as it was written.
    """
    info = self._archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
      return np.frombuffer(self.read(name), np.uint8)
    start = info.header_offset + _HEADER
    start += sum(struct.unpack('<HH', self._whole[start - 4 : start]))
    # Read rather than looked at through the map, all of which would then be in
    # memory. At the end, the check sum is compared.
    with self._archive.open(info) as file:
      while file.read(_BLOCK):
        pass
    return self._whole[start : start + info.file_size]
