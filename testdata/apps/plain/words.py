"""Count the words of standard input; no dependencies at all."""

import collections
import sys

for word, times in collections.Counter(sys.stdin.read().split()).most_common():
    print(times, word)
