"""`tag` beyond one stream: each recording into a part of its own, here or on the nodes of a Ray cluster.

hearing.py says how a recording becomes records, the same for every engine; run.py tags recordings here; cluster.py hands recordings to Ray Data's actors;
worker.py is what such an actor does. Nothing here imports torch or ray unless it is called.
"""
