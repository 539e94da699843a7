"""What the computer has and how it is used: memory, cores, GPU, processes, threads."""
