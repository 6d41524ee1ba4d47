"""The folds in one process: forecast, audit."""
