"""Words, pictures and styles that the demo's report and the dossier share.

Imports nothing of ours.
"""

from pathlib import Path
from typing import Final

#: Where the shared styles and templates lie.
FOLDER: Final = Path(__file__).parent
