"""The kinds of targets: numbers, compositions, classes; from values to learned columns, and back."""
