"""The program that compiles bytecode, run by the base's own interpreter.

Bytecode must be made by the Python that will read it, which is the base's and not the shim's. So this
is kept as text: the shim's own modules are shipped compiled for another interpreter. It runs as ``python
-I -S -c PROGRAM SITE SHOWN WORKERS ALL``, needs Python 3.8 or newer and the standard library only, never
imports what it compiles, and works for all wheels of one assembly:

- it reads lines on its input: ``+PATH`` a module without bytecode, ``=PATH`` a module that has it, ``!`` the
  end of a wheel, ``@PATH`` a file of the application, ``*NAME`` a module to begin with, ``.`` the end; paths of
  modules are relative to SITE
- ``>FOLDER`` and then ``~PATH``: a module of a wheel that still arrives, below FOLDER. It may be compiled, but
  counts only if ``+PATH`` comes later and the file is the same
- it follows import statements from the application's files through the modules; with ALL = 1 it takes every
  module. Imports inside functions count in the application alone: packages write them to break circles and for
  options. Of the modules that they lead to, five of our scenarios imported 83 of 1553, of the others 4065 of 4599
- a name that a package gives out lazily (``__getattr__``) leads to the module that defines it
- it writes ``__pycache__`` files, with hashes that are not checked (PEP 552), and names modules in them as
  below SHOWN, their folder once the layer is active
- it answers one line a file written: the path of the source, that of the bytecode and its CRC-32, with tabs
  between; before them a first line: the tag of its bytecode
- when its input ends without ``.``, the assembly has died: it stops at once
"""

from __future__ import annotations

from shim.providers.pypi.compiler import closure, imports, main, workers

PROGRAM = "\n\n".join((workers.TEXT, imports.TEXT, closure.TEXT, main.TEXT))
