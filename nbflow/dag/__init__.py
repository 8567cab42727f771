"""How a lazy graph is written: tasks, the nodes that bind them, and the plain graph that comes out. No I/O."""
