"""The pure cores of the stand-ins: an emulated carrier, a Realtime server, and a world that joins them to a bridge on a virtual clock."""
