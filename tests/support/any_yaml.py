"""Files of YAML as nobody means them: the right keys in the wrong places, with anything for a value."""

import yaml
from hypothesis import strategies as st

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2026-11-29 10:00", "12#", "*", "1,2", "+14255550100"])
)


def any_yaml(*keys: str) -> st.SearchStrategy[str]:
    """Any document that holds these keys."""
    values = st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(st.sampled_from(keys), values, max_size=5).map(yaml.safe_dump) | values.map(yaml.safe_dump)
