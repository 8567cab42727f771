"""Events and answers over HTTP: an endpoint in the process of the runs, and an extension of the Jupyter server."""
