"""Finds model files inside installed packages and opens them with onnxruntime, on one thread.

The packages themselves are not imported: some of them load audio drivers, or a runtime of their own.
"""

import importlib.util
from pathlib import Path
from typing import Any


class ModelMissingError(Exception):
    """A package of speech models, or the runtime for it, is not installed; the text names it.

    Caught where models are loaded: something else is used instead. It never reaches a user as an error.
    """


def package_folder(package: str, distribution: str) -> Path:
    """Find where a package's files lie; raises `ModelMissingError`, which names the distribution to install."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelMissingError(distribution)
    return Path(spec.submodule_search_locations[0])


def open_model(path: Path, distribution: str) -> Any:
    """Open a model; raises `ModelMissingError` when the file or the runtime is not there.

    One thread a model: they are small, and calls run beside each other.
    """
    if not path.is_file():
        raise ModelMissingError(distribution)
    try:
        import onnxruntime  # noqa: PLC0415 - only a machine that speaks needs it, and it is slow to load
    except ImportError:
        raise ModelMissingError("onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
