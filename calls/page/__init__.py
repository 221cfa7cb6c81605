"""The page of one call, and the search over what was said in all of them."""
