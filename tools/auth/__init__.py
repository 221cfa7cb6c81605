"""How a customer's server is convinced that a request is ours."""
