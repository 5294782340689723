"""Coverage-guided fuzzing of what reads bytes of others: `make fuzz`, see `__main__`.

Its tests here need no fuzzer: they run the corpus, and some inputs more, through the same targets.
"""
