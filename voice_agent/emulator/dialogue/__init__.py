"""The brain without a model: answers by a small dialogue file. The format is described in `file.py`."""
