"""Runs in an object store (S3, Google, Azure): numbered objects that can be created once, and nothing else.

All that keeps two owners apart is the conditional create: of two who create one name, one is told that it is taken.

    nbflow.json                         what this is
    runs/<dir>/j/<number>.json          the log, an object a commit. A header begins an ownership, a tombstone ends all
    runs/<dir>/p/<first>-<end>.json     many commits in one object, in place of theirs
    runs/<dir>/s/<number>-<nonce>.json  all records before header <number>, after a compaction
    runs/<dir>/<life>/...               blobs/, inbox/, bell, printed/ of the run that began with header <life>
    listing/<dir>/<life>.json           status of a run; a cache
    live/<dir>/<claim>.json             who is at work on it; written anew as a heartbeat. Politeness only
    trash/open/<dir>/<life>, trash/done/<dir>/<life>   a deletion that is under way, or was done not long ago
    events/<namespace>/...              keyed events, as in a folder
"""
