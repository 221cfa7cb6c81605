"""Calls without a telephone, recorded by the process that carries them: to its disk while they last, then into the storage."""
