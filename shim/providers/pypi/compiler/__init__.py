"""The program that compiles bytecode, run by the base's own interpreter.

Bytecode must be made by the Python that will read it, which is the base's and not the shim's. So this
is kept as text: the shim's own modules are shipped compiled for another interpreter. It runs as ``python
-I -S -c PROGRAM SHOWN WORKERS ALL ASIDE NICENESS`` in ``site-packages``, needs Python 3.8 or newer and the standard
library only, never imports what it compiles, and works for all wheels of one assembly:

- it reads lines on its input: ``<NAME`` what answers call the wheel that follows, ``+PATH`` a module without bytecode,
  ``=PATH`` a module that has it, ``!`` the end of a wheel, ``-PATH`` a module that gets none, ``@PATH`` a file of the
  application, ``*NAME`` a module to begin with, ``.`` the end; paths of
  modules are relative to the working folder, which may get another name meanwhile
- ``>FOLDER`` and then ``~PATH``: a module of a wheel that still arrives, below FOLDER. It may be compiled, but
  counts only if ``+PATH`` comes later and the file is the same
- it follows import statements from the application's files through the modules; with ALL = 1 it takes every
  module. Imports inside functions count in the application alone: packages write them to break circles and for
  options. Of the modules that they lead to, five of our scenarios imported 83 of 1553, of the others 4065 of 4599
- a name that a package gives out lazily (``__getattr__``) leads to the module that defines it
- it compiles in the order in which modules will be imported; those of which an application that has been started
  has made bytecode meanwhile come last
- it writes ``__pycache__`` files, with hashes that are not checked (PEP 552), and names modules in them as
  below SHOWN, their folder once the layer is active. They are written in files whose names begin with ASIDE, and get
  their place when their source has its own and is that which was compiled
- it says the tag of its bytecode in a line on descriptor 3 and in its first answer, and then takes NICENESS
- it answers a line a file written: ``+`` and its path, its inode, its CRC-32, the name of the wheel, the path of the
  source and its inode, with tabs between; ``-`` and the path of one that was taken back; ``.`` once it was told the
  end, before it has come to it
- when its input ends without ``.``, the assembly has died: it stops at once
"""

from __future__ import annotations

from shim.providers.pypi.compiler import closure, imports, main, workers

PROGRAM = "\n\n".join((workers.TEXT, imports.TEXT, closure.TEXT, main.TEXT))
