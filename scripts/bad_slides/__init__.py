"""Bad slides, made by code: what a laboratory's disks and networks come up with.

``python -m bad_slides`` (with ``scripts`` on the path, as ``make corpus`` has it) makes
them all, runs each, and writes the table of ``docs/bad-slides.md``.
"""
