"""Whether everything that a call needs is there and answers, and what to do where it does not."""
