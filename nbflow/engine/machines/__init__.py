"""State machines at work: what drives them, what their handlers can do, and the runs that they start."""
