"""What is met in place of a file, known by its first bytes."""

from __future__ import annotations

# Bytes at the beginning of a file by which it is known.
HEAD = 512


def instead(head: bytes) -> str:
  """Returns what stands where a file should be, and the cure.

  Args:
    head: its first bytes, `HEAD` or all.

  Returns:
    The end of a sentence about the file; '' if it is nothing that is met often.
  """
  text = head.lstrip(b'\xef\xbb\xbf \r\n\t').lower()
  if not head:
    return 'is empty: fetch the file again'
  if not head.strip(b'\0'):
    return 'begins with zeros, as what was never copied: fetch the file again'
  if text.startswith(b'version https://git-lfs'):
    return 'is a pointer of Git LFS: `git lfs pull` fetches the file'
  if text.startswith((b'<!doctype', b'<html', b'<?xml', b'{')):
    return 'is a page or message of a web server: fetch the file again'
  return ''
