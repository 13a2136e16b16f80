"""Releases: servers load a version, are asked what its artifact was asked, and only then is it released.

servers     one server of a fleet: what it has loaded, what it is told, and for what one waits
golden      whether a server answers as the verified artifact did
examine     what is looked at in a version before a server loads it
means       what a release works with, and what it does with each server
attempt     one release under way
undo        how it is undone
strangers   servers of another repository
release     a release, and a rollback, of a model on given servers
"""
