"""What a process has to hand over to the workers: on its disk until they have done it."""
