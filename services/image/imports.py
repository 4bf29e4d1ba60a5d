"""Checks from inside an image that every module can be imported and that the user is not root.

Arguments are packages to leave out, which run in another environment.
"""

import importlib
import os
import sys
from pathlib import Path

root = Path("/app/src")
sys.path.insert(0, str(root))
paths = sorted(path.relative_to(root) for path in root.rglob("*.py"))
modules = [".".join(path.with_suffix("").parts) for path in paths if path.parts[0] not in sys.argv[1:]]
for module in modules:
    importlib.import_module(module.removesuffix(".__init__"))
if not modules or os.getuid() == 0:
    sys.exit("nothing is there to import" if not modules else "it runs as root")
print(f"{len(modules)} modules imported")
