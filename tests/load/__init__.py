"""Much at once, and for long: nothing is lost, and memory, files and threads stay as they were."""
