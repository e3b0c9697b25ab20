"""Accuracy of trained networks behind the integer line: training, measuring, docs/accuracy.md."""
