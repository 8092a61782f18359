"""TFDS builder of Moments in Time."""

from __future__ import annotations

from vidpetl.data.records import base


class MomentsInTime(base.VideoBuilder):
  """Moments in Time: three-second clips of events."""

  DATASET = 'moments_in_time'
  CITATION = """@article{monfort2019moments,
  title={{Moments in Time} Dataset: One Million Videos for Event
    Understanding},
  author={Monfort, Mathew and others},
  journal={IEEE TPAMI},
  year={2019}}"""
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  moments_categories.txt, trainingSet.csv, validationSet.csv,
  training/<class>/*.mp4 and validation/<class>/*.mp4, as downloaded.
  """
