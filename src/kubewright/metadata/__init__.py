"""The Update Framework's metadata: who may sign what of a site, and which publication is newest.

Four roles: `root` says whose keys the others are, `targets` names documents by digest, `snapshot`
the version of `targets`, and `timestamp`, the one that is replaced, the version of `snapshot`. Any
TUF client can check a site by them. Source: the TUF specification, theupdateframework.github.io.
"""
