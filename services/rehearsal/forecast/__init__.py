"""What would fall due after an import: the cores of the whole chain in one process, on the file's facts alone."""
