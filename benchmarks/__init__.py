"""The benchmark rows: examples compiled, checked on whole test sets, routed; docs/benchmarks.md."""
