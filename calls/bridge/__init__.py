"""The conversation as a state machine over two message streams: what arrived, and when, goes in; commands come out.

No Django, sockets, clock or log in here. The same code runs live, in tests under virtual time, and in replays.
"""
