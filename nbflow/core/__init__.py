"""What is true of a run: pure values and one state machine, with no clock, I/O, asyncio or randomness."""
