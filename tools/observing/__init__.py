"""How the system is seen from outside: what every app counts, traces and says of itself. It knows none of them."""
