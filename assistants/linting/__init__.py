"""What a prompt, written for a chat model, does wrong on the telephone: one module for each kind of rule. Pure."""
