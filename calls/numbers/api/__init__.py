"""`/phone-number` for programs that were written for Vapi: the numbers that are here, and who answers them."""
