"""What a call runs on, by what a program asks for."""
