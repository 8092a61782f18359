"""Pretext tasks: what a video teaches without anybody's labels.

Each says which `ClipSpec.sampling` it needs; the clips come with the answers.
"""
