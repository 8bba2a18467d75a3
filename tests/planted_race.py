"""planted_race.py LIBRARY: two threads of Python call planted_race_library.cpp, which ThreadSanitizer must find."""

import ctypes
import sys
import threading

planted_race = ctypes.CDLL(sys.argv[1]).planted_race
threads = [threading.Thread(target=planted_race) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
