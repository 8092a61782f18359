"""Detectors of people, one way in each file.

A module of this folder that ends in `DETECTOR` is a way; see `contract`.
"""
