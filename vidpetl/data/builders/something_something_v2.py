"""TFDS builder of Something-Something V2."""

from __future__ import annotations

from vidpetl.data.records import base


class SomethingSomethingV2(base.VideoBuilder):
  """Something-Something V2: short clips of hands and objects."""

  DATASET = 'something_something_v2'
  CITATION = """@inproceedings{goyal2017something,
  title={The "Something Something" Video Database for Learning and Evaluating
    Visual Common Sense},
  author={Goyal, Raghav and others},
  booktitle={ICCV},
  year={2017}}"""
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  labels/{train,validation,labels}.json and 20bn-something-something-v2/*.webm.
  """
