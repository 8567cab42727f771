"""What is done: runs go on, on a loop of their own, beside the notebook's."""
