"""How the API compares with Vapi's: `docs/vapi-compatibility.md`, made of the code and of an outline of Vapi's document."""
