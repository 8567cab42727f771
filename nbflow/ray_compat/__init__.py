"""Programs written for Ray Workflows run on nbflow: ``from nbflow.ray_compat import ray, workflow``.

Ray is not needed. Everything here maps Ray's words to nbflow's, and the engine does the work: what a program makes can
be looked at, answered, resumed and deleted with nbflow's own functions, and both may be used side by side. What Ray
Workflows had and what is not here says so when it is asked for. A whole code base moves by two replacements::

    sed -i 's/^import ray$/from nbflow.ray_compat import ray/; s/^from ray\\b/from nbflow.ray_compat.ray/' *.py

>>> from nbflow.ray_compat import ray, workflow
>>> @ray.remote
... def double(x):
...     return 2 * x
>>> workflow.run(double.bind(double.bind(10)))
40
>>> ray.get([double.remote(1), ray.put(3)])
[2, 3]
"""

from . import ray as ray
from .ray import workflow as workflow

__all__ = ["ray", "workflow"]
