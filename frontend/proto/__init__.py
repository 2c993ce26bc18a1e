"""Messages of the BuildKit gateway, generated from the ``.proto`` files beside this one.

The ``.proto`` files are written by us from the published field numbers, which are the contract;
``python -m frontend.proto.generate`` makes the ``*_pb2`` modules from them.
"""
