"""The contract of a fold, its batches and the rules of the engine."""
