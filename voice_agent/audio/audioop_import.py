"""The one place that imports `audioop`.

It left the standard library with Python 3.13, where the package `audioop-lts` brings it back under the same name; in
3.11 and 3.12 its import warns of that, which is no news here and would fail a program run with warnings as errors.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="'audioop' is deprecated", category=DeprecationWarning)
    import audioop

__all__ = ["audioop"]
