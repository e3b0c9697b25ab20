"""The matrix of what is supported: library x neuron option x shape of the model.

One file a library lists its cases as `CASES`; `case.py` says what a case is and checks it,
`test_matrix.py` runs them, `python -m tests.matrix` writes `docs/supported.md` from them.
"""
