"""What calls cost, by price lists that are never rewritten, and how much they may cost."""
