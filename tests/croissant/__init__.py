"""The training feed's Croissant description, to MLCommons' own library. That pulls in much, so it has an environment of
its own (`make test-croissant`).
"""
