"""Taking a stream in: the thread that receives, the memory that keeps, and where a measurement ends."""
