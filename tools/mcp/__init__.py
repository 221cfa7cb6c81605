"""MCP servers, asked by our own workers: the protocol, the client, and the list of tools that each version freezes."""
