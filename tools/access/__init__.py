"""Who may use our API: keys, how often each may ask, and what is answered to whoever may not."""
